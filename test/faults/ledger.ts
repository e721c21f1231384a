import { expect } from 'vitest'

/**
 * What the KDC has acknowledged, and what it was asked without an answer. A database must then contain all of the
 * first, and each part of the second completely or not at all.
 */

/** A principal or a rule, by what an administrator did to it; `undefined` if it never existed. */
export type State = PrincipalState | RuleState

export interface PrincipalState {
  readonly kind: 'principal'
  readonly life: 'enabled' | 'disabled' | 'removed'
  /** The highest that the name ever had. */
  readonly kvno: number
  readonly password: boolean
  /** How often its tickets were revoked: entries in the log of revocations. */
  readonly revoked: number
}

export interface RuleState {
  readonly kind: 'rule'
  /** `undefined` where it was taken away. */
  readonly effect: 'allow' | 'deny' | undefined
  readonly maxLife: number | null
}

export interface LedgerChange {
  readonly key: string
  readonly before: State | undefined
  readonly after: State
}

/** How a state is seen: all of it in the database, less of it over the network. */
export type Look = (state: State | undefined) => string

export const stored: Look = state => {
  if (state === undefined || (state.kind === 'rule' && state.effect === undefined)) return 'none'
  return JSON.stringify(state, Object.keys(state).sort())
}

/** As `list` and `policy` report it: what was removed is not there, and nothing of the log. */
export const listed: Look = state => {
  if (state === undefined) return 'none'
  if (state.kind === 'rule') return stored(state)
  const { life, kvno, password } = state
  return life === 'removed' ? 'none' : JSON.stringify({ life, kvno, password })
}

export class Ledger {
  readonly #states = new Map<string, State>()
  readonly #asked = new Map<string, LedgerChange>()
  #acknowledged = 0
  #awaited: { readonly count: number; readonly run: () => void } | undefined

  /** Changes acknowledged in all. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Keys with what was acknowledged of them last. */
  get states(): ReadonlyMap<string, State> {
    return this.#states
  }

  /** What was asked and has no answer. */
  get unanswered(): readonly LedgerChange[] {
    return [...this.#asked.values()]
  }

  of(key: string): State | undefined {
    return this.#states.get(key)
  }

  ask(change: LedgerChange): void {
    this.#asked.set(change.key, change)
  }

  acknowledge({ key, after }: LedgerChange): void {
    this.#asked.delete(key)
    this.#states.set(key, after)
    this.#acknowledged += 1
    if (this.#acknowledged === this.#awaited?.count) this.#awaited.run()
  }

  /** Runs it at the acknowledgement that makes this many more. */
  afterAcknowledging(more: number, run: () => void): void {
    this.#awaited = { count: this.#acknowledged + more, run }
  }

  /** The KDC said that it did not do it. */
  refused({ key }: LedgerChange): void {
    this.#asked.delete(key)
  }

  /** Checks what is there. Whichever way the unanswered changes went, they stay so from now on. */
  settle(found: ReadonlyMap<string, State>): void {
    for (const { key, before, after } of this.#asked.values()) {
      const now = stored(found.get(key))
      expect([stored(before), stored(after)], `${key}, which was not answered, is half there`).toContain(now)
      if (now === stored(after)) this.#states.set(key, after)
    }
    this.#asked.clear()
    this.require(found, stored)
  }

  /** All of it is there, as it was acknowledged, and nothing else. */
  require(found: ReadonlyMap<string, State>, look: Look): void {
    expect(this.#asked.size, 'changes without an answer').toBe(0)
    const shown = (states: ReadonlyMap<string, State>) =>
      [...states]
        .map(([key, state]) => `${key} ${look(state)}`)
        .filter(line => !line.endsWith(' none'))
        .sort()
    expect(shown(found)).toEqual(shown(this.#states))
  }
}
