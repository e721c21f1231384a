import { OrthrusError } from '../../shared/errors.js'
import { COMMIT_ATTEMPTS } from '../limits/defaults.js'
import { StoreConflict } from '../store/store.js'
import type { Vault, VaultChange } from '../vault/vault.js'
import type { KdcTime } from './kdc-time.js'

/** What one change of the realm writes, and its result. */
export interface Planned<T> {
  readonly changes: readonly VaultChange[]
  readonly result: T
}

/**
 * Changes the realm, one change at a time in this process. Each change is planned from what the store has, and is on
 * stable storage when it resolves.
 */
export class RealmWriter {
  readonly #vault: Vault
  readonly #time: KdcTime
  readonly #onUncertain: (changes: readonly VaultChange[]) => void
  #tail: Promise<unknown> = Promise.resolve()

  /** @param onUncertain called with changes that the store may have written although it failed */
  constructor(vault: Vault, time: KdcTime, onUncertain: (changes: readonly VaultChange[]) => void) {
    this.#vault = vault
    this.#time = time
    this.#onUncertain = onUncertain
  }

  /**
   * @param plan decides from values that it reads itself; called again if another process changed one of them
   * meanwhile. A plan without changes writes nothing
   * @throws OrthrusError `unavailable`, and what `plan` throws
   */
  change<T>(plan: (now: number) => Promise<Planned<T>>): Promise<T> {
    const done = this.#tail.then(() => this.#attempt(plan, COMMIT_ATTEMPTS))
    this.#tail = done.catch(() => undefined)
    return done
  }

  async #attempt<T>(plan: (now: number) => Promise<Planned<T>>, attempts: number): Promise<T> {
    const { changes, result } = await plan(this.#time.now())
    try {
      if (changes.length > 0) await this.#vault.commit(changes)
    } catch (cause) {
      if (!(cause instanceof StoreConflict)) {
        this.#onUncertain(changes)
        throw cause
      }
      if (attempts > 1) return this.#attempt(plan, attempts - 1)
      throw new OrthrusError('unavailable', 'other processes keep changing the same record', {
        cause,
        hint: 'try again',
      })
    }
    return result
  }
}
