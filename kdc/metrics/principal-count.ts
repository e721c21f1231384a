import { MINUTE, SECOND } from '../../shared/time.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import type { OpenRealm } from '../realm/realm.js'
import { RECORD_KIND } from '../store/store.js'
import { decodePrincipalRecord } from '../vault/records.js'
import { type Census, CensusTaker } from './census.js'

/** How many principals are read at a time. Others have their turn between. */
const PAGE = 64

/** How many times as long as the last count took the next one waits: counting takes 2 % of the time at most. */
const PAUSE = 50

/** How long whoever asks waits for a count that is being made, milliseconds. */
const PATIENCE = SECOND

/** A count that takes no longer than this is waited for, milliseconds. */
const QUICK = SECOND / 4

/**
 * The latest count of the principals. It takes reading all of them, which takes 10 s for a million, so it is made in the
 * background, when somebody asks and a principal has changed since, or a minute has passed.
 */
export class PrincipalCount {
  readonly #realm: Pick<OpenRealm, 'vault' | 'time' | 'record'>
  readonly #timers: Timers
  readonly #unwatch: () => void
  #latest: Census | undefined
  #counting: Promise<void> | undefined
  #hasChanged = true
  #endedAt = Number.NEGATIVE_INFINITY
  #took = 0
  #isOver = false

  constructor(realm: Pick<OpenRealm, 'vault' | 'time' | 'record'>, timers: Timers) {
    this.#realm = realm
    this.#timers = timers
    this.#unwatch = realm.vault.watch(kind => {
      if (kind === RECORD_KIND.PRINCIPAL || kind === RECORD_KIND.REALM) this.#hasChanged = true
    })
  }

  /** The newest count that there is; `undefined` before the first one. Never rejects. */
  async read(): Promise<Census | undefined> {
    if (this.#counting === undefined && this.#isDue()) {
      this.#counting = this.#count().finally(() => {
        this.#counting = undefined
      })
    }
    const { promise, cancel } = this.#patience()
    if (this.#latest === undefined || this.#took <= QUICK) await Promise.race([this.#counting, promise])
    cancel()
    return this.#latest
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#isOver = true
    this.#unwatch()
    await this.#counting
  }

  #isDue(): boolean {
    const passed = this.#realm.time.monotonic() - this.#endedAt
    return !this.#isOver && passed >= PAUSE * this.#took && (this.#hasChanged || passed >= MINUTE)
  }

  /** Never rejects: what could not be counted is counted later. */
  async #count(): Promise<void> {
    const { time, record } = this.#realm
    const since = time.monotonic()
    this.#hasChanged = false
    const taker = new CensusTaker(record, time.now())
    try {
      if (await this.#readAll(taker)) this.#latest = taker.census
    } catch {
      this.#hasChanged = true
    }
    this.#endedAt = time.monotonic()
    this.#took = this.#endedAt - since
  }

  /** @returns whether it came to the end */
  async #readAll(taker: CensusTaker): Promise<boolean> {
    let after: { after?: string } = {}
    while (!this.#isOver) {
      const page = await this.#realm.vault.list(RECORD_KIND.PRINCIPAL, { ...after, limit: PAGE })
      for (const { fields } of page) taker.add(decodePrincipalRecord(fields))
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return true
      after = { after: last.name }
      await new Promise(resolve => setImmediate(resolve))
    }
    return false
  }

  #patience(): { promise: Promise<void>; cancel: () => void } {
    let cancel = (): void => {}
    const promise = new Promise<void>(resolve => {
      cancel = runAfter(this.#timers, PATIENCE, resolve)
    })
    return { promise, cancel }
  }
}
