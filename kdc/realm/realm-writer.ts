import { OrthrusError } from '../../shared/errors.js'
import { COMMIT_ATTEMPTS } from '../limits/defaults.js'
import { StoreConflict } from '../store/store.js'
import type { Vault, VaultChange } from '../vault/vault.js'
import type { KdcTime } from './kdc-time.js'

/**
 * Whether somebody has less after a change, or only more. Where several KDCs share the store, a change that takes is
 * acknowledged when none of them answers from what was before. When in doubt, it takes.
 */
export type Effect = 'takes' | 'grants'

/** What one change of the realm writes, and its result. */
export interface Planned<T> {
  readonly changes: readonly VaultChange[]
  readonly effect: Effect
  readonly result: T
}

/**
 * Called with what was committed, and with what the store may have written although it failed. Never rejects.
 * @param isCertain whether it was committed
 */
export type CommitListener = (changes: readonly VaultChange[], isCertain: boolean) => Promise<void>

/**
 * Changes the realm, one change at a time in this process. Each change is planned from what the store has, and is on
 * stable storage when it resolves.
 */
export class RealmWriter {
  readonly #vault: Vault
  readonly #time: KdcTime
  readonly #notice: CommitListener
  #tail: Promise<unknown> = Promise.resolve()

  /** @param notice the next change is planned once it resolves */
  constructor(vault: Vault, time: KdcTime, notice: CommitListener) {
    this.#vault = vault
    this.#time = time
    this.#notice = notice
  }

  /**
   * @param plan decides from values that it reads itself; called again if another process changed one of them
   * meanwhile. A plan without changes writes nothing
   * @param putOut called before this resolves if other KDCs did not apply the change in time, and lost their places
   * @throws OrthrusError `unavailable`, also if it is stored and another KDC may still answer from what was before; and
   * what `plan` throws
   */
  async change<T>(
    plan: (now: number) => Promise<Planned<T>>,
    putOut?: (ids: readonly string[]) => void,
  ): Promise<T> {
    const done = this.#tail.then(() => this.#attempt(plan, COMMIT_ATTEMPTS))
    this.#tail = done.catch(() => undefined)
    const { effect, result } = await done
    // Even if there was nothing to write: another KDC may have written it a moment ago. Others need not wait for this.
    if (effect === 'takes') {
      const ids = await this.#vault.settled()
      if (ids.length > 0) putOut?.(ids)
    }
    return result
  }

  async #attempt<T>(plan: (now: number) => Promise<Planned<T>>, attempts: number): Promise<Planned<T>> {
    const planned = await plan(this.#time.now())
    const { changes } = planned
    if (changes.length === 0) return planned
    try {
      await this.#vault.commit(changes)
      await this.#notice(changes, true)
    } catch (cause) {
      if (!(cause instanceof StoreConflict)) {
        await this.#notice(changes, false)
        throw cause
      }
      if (attempts > 1) return this.#attempt(plan, attempts - 1)
      throw new OrthrusError('unavailable', 'other processes keep changing the same record', {
        cause,
        hint: 'try again',
      })
    }
    return planned
  }
}
