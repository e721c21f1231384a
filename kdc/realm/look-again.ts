import type { Principal } from '../../shared/principal.js'
import { sleep, type Timers } from '../../shared/timers.js'
import { LOOK_AGAIN_INTERVAL } from '../limits/defaults.js'
import { RECORD_KIND } from '../store/store.js'
import type { Directory } from './directory.js'

interface Look {
  /** By the monotonic clock, milliseconds. */
  begunAt: number
  running: Promise<void>
  /** One that has not begun: whoever asks now may wait for it. */
  waiting: Promise<void> | undefined
}

export interface LookAgainOptions {
  readonly directory: Directory
  readonly timers: Timers
  readonly monotonic: () => number
}

/**
 * Looks up in the store what another KDC may have changed a moment ago, before a ticket is refused for a kvno that this
 * one does not know. Anybody can ask for any kvno, so there is one look-up of a name at a time, and one in a tenth of a
 * second, for all who ask.
 */
export class LookAgain {
  readonly #options: LookAgainOptions
  readonly #looks = new Map<Principal, Look>()

  constructor(options: LookAgainOptions) {
    this.#options = options
  }

  /** Resolves when a look-up that began after the call is done. @throws OrthrusError `unavailable` */
  look(name: Principal): Promise<void> {
    const look = this.#looks.get(name) ?? {
      begunAt: Number.NEGATIVE_INFINITY,
      running: Promise.resolve(),
      waiting: undefined,
    }
    this.#looks.set(name, look)
    look.waiting ??= this.#inTurn(name, look)
    return look.waiting
  }

  async #inTurn(name: Principal, look: Look): Promise<void> {
    const { timers, monotonic } = this.#options
    await look.running.catch(() => {})
    const wait = look.begunAt + LOOK_AGAIN_INTERVAL - monotonic()
    if (wait > 0) await sleep(timers, wait)
    look.begunAt = monotonic()
    look.waiting = undefined
    look.running = this.#read(name)
    return look.running
  }

  async #read(name: Principal): Promise<void> {
    const { directory } = this.#options
    const stored = await directory.storedPrincipal(name)
    const known = await directory.principal(name)
    if (stored?.lastKvno !== known?.lastKvno) directory.noticeChange(RECORD_KIND.PRINCIPAL, name)
  }
}
