import { OrthrusError } from '../../../shared/errors.js'
import type { Clock } from '../../../shared/time.js'
import type { Etcd } from './etcd.js'
import type { Membership, Unsettled } from './membership.js'
import { REPLICA } from './replica-defaults.js'
import { replicaKey } from './replica-keys.js'
import type { Wakeup } from './wakeup.js'

export interface SettleOptions {
  readonly etcd: Etcd
  readonly prefix: string
  readonly clock: Clock
  readonly membership: Membership
  /** Woken when `membership` or `applied` may have changed. */
  readonly wakeup: Wakeup
  /** The revision up to which this KDC has applied all changes; 0 while it has no place. */
  readonly applied: () => number
  /** @throws OrthrusError `unavailable` if this KDC does nothing any more */
  readonly requireGoing: () => void
  /** Called when the place of another KDC was taken from it. */
  readonly notePutOut: (id: string) => void
}

/**
 * Waits until no KDC answers from what was before a revision. This KDC has then seen all that happened up to there, and so
 * knows every KDC that had a place, and every one that lost it lately. One that has its place and does not apply the
 * changes in time loses it.
 * @returns the ids of those that lost it
 * @throws OrthrusError `unavailable`
 */
export async function settle(revision: number, options: SettleOptions): Promise<readonly string[]> {
  const { clock, membership, wakeup, applied, requireGoing } = options
  const since = clock.monotonic()
  const out = new Set<string>()
  for (;;) {
    requireGoing()
    const now = clock.monotonic()
    const isApplied = applied() >= revision
    const unsettled = isApplied ? membership.unsettled(revision, now) : []
    if (isApplied && unsettled.length === 0) return [...out]
    const left = since + REPLICA.SETTLE_WITHIN - now
    if (left <= 0) throw notKnown(unsettled)
    let wait = left
    for (const one of unsettled) {
      const patience = one.wait ?? Math.max(since, one.since) + REPLICA.APPLY_WITHIN - now
      // Once it is put out, the watch tells of it; until then that may fail, and is tried again.
      wait = Math.min(wait, patience > 0 ? patience : REPLICA.CONFIRM_EVERY)
      if (patience > 0 || one.id === undefined || !(await putOut(one.id, one.modRevision, options))) continue
      out.add(one.id)
      options.notePutOut(one.id)
    }
    await wakeup.wait(wait)
  }
}

/** @returns whether its place was taken from it: not if it has moved on meanwhile */
async function putOut(id: string, modRevision: number, { etcd, prefix }: SettleOptions): Promise<boolean> {
  const key = replicaKey(prefix, id)
  try {
    const { succeeded } = await etcd.transact({
      compares: [{ key, modRevision }],
      operations: [{ kind: 'delete', key }],
    })
    return succeeded
  } catch {
    return false
  }
}

function notKnown(unsettled: readonly Unsettled[]): OrthrusError {
  const ids = unsettled.flatMap(({ id }) => id ?? [])
  const who = ids.length === 0 ? 'this KDC' : `the KDC ${ids.join(', ')}`
  return new OrthrusError(
    'unavailable',
    `the change is stored, but it is not known whether ${who} has applied it: it may grant for a few seconds what was there before`,
    { hint: 'make the change again: once that is answered, every KDC has it' },
  )
}
