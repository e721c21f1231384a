import { OrthrusError } from '../../shared/errors.js'
import { COMMIT_ATTEMPTS } from '../limits/defaults.js'
import { RECORD_KIND, StoreConflict } from '../store/store.js'
import { decodeClockRecord, encodeClockRecord, REALM_RECORD_NAME } from '../vault/records.js'
import type { Vault, VaultChange } from '../vault/vault.js'
import type { KdcTime } from './kdc-time.js'

/** What one change of the realm writes, and its result. */
export interface Planned<T> {
  readonly changes: readonly VaultChange[]
  readonly result: T
}

/**
 * Changes the realm, one change at a time in this process. Each change is planned from what the store has, and is on
 * stable storage when it resolves. It stores the time as well; KDC time never falls below that (docs/protocol.md
 * section 10).
 */
export class RealmWriter {
  readonly #vault: Vault
  readonly #time: KdcTime
  #tail: Promise<unknown> = Promise.resolve()

  constructor(vault: Vault, time: KdcTime) {
    this.#vault = vault
    this.#time = time
  }

  /**
   * @param plan decides from values that it reads itself; called again if another process changed one of them meanwhile
   * @throws OrthrusError `unavailable`, and what `plan` throws
   */
  change<T>(plan: (now: number) => Promise<Planned<T>>): Promise<T> {
    const done = this.#tail.then(() => this.#attempt(plan, COMMIT_ATTEMPTS))
    this.#tail = done.catch(() => undefined)
    return done
  }

  async #attempt<T>(plan: (now: number) => Promise<Planned<T>>, attempts: number): Promise<T> {
    const clock = await this.#vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.CLOCK)
    if (clock !== undefined) this.#time.raise(decodeClockRecord(clock.fields).newest)
    const now = this.#time.now()
    const { changes, result } = await plan(now)
    try {
      await this.#vault.commit([...changes, clockChange(now, clock?.version ?? 0)])
    } catch (cause) {
      if (!(cause instanceof StoreConflict)) throw cause
      if (attempts > 1) return this.#attempt(plan, attempts - 1)
      throw new OrthrusError('unavailable', 'other processes keep changing the same record', {
        cause,
        hint: 'try again',
      })
    }
    this.#time.raise(now)
    return result
  }
}

/** The change that stores the time. `now` comes from `KdcTime`, so it is never below the stored one. */
export function clockChange(now: number, expected: number): VaultChange {
  const fields = encodeClockRecord({ newest: now })
  return { kind: RECORD_KIND.REALM, name: REALM_RECORD_NAME.CLOCK, expected, fields }
}
