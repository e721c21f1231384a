import type { KeySummary } from './keys.js'

/**
 * What a key of a keytab is good for. `staged`: it becomes current with the first login. `old`: it only opens tickets.
 * `dead`: the KDC has another key.
 */
export type HeldState = 'current' | 'staged' | 'old' | 'dead'

/** The state of a key of a keytab. @param keys those that the KDC has of its principal */
export function heldState(kvno: number, keys: readonly KeySummary[]): HeldState {
  const known = keys.find(key => key.kvno === kvno)
  if (known !== undefined) return STATE[known.state]
  const current = keys.find(({ state }) => state === 'current')?.kvno ?? Number.POSITIVE_INFINITY
  return kvno < current ? 'old' : 'dead'
}

const STATE = { current: 'current', next: 'staged', old: 'old' } as const
