import type { Realm } from '../../client/realm.js'
import type { Channel } from '../../shared/channel/channel.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import { SECOND } from '../../shared/time.js'
import { sleep, type Timers } from '../../shared/timers.js'
import { PIECE_MAX } from './joined-socket.js'
import { Turns } from './turns.js'

/** A service lets 16 channels of a ticket wait for their first record (docs/protocol.md section 9). */
const AT_ONCE = 8

/** How often an opening is tried again that came when too many others did, and how long is waited before, ms. */
const CROWDED = { TRIES: 5, PAUSE: 0.1 * SECOND } as const

export interface OpeningsOptions {
  readonly realm: Realm
  readonly service: string
  readonly logger: Logger
  readonly timers: Timers
}

/** Opens channels to one service, few at once, since a service lets few wait. */
export class Openings {
  readonly #options: OpeningsOptions
  readonly #turns = new Turns(AT_ONCE)

  constructor(options: OpeningsOptions) {
    this.#options = options
  }

  /**
   * @param signal gives it up, also before its turn
   * @param requireWanted is asked when it had to wait for its turn, and throws if nobody wants the channel any more
   * @throws as `Realm.openChannel` and `requireWanted` do
   */
  open(url: string, signal: AbortSignal, requireWanted?: () => Promise<void>): Promise<Channel> {
    const { realm, service, logger, timers } = this.#options
    return this.#turns.run(async hasWaited => {
      if (hasWaited) await requireWanted?.()
      for (let tries = 1; ; tries++) {
        try {
          return await realm.openChannel(url, { service, signal, maxMessage: PIECE_MAX })
        } catch (cause) {
          const isCrowded = cause instanceof OrthrusError && cause.code === 'rate_limited'
          if (!isCrowded || tries >= CROWDED.TRIES) throw cause
          logger.debug({ tries }, 'an opening came when too many others did')
          await sleep(timers, CROWDED.PAUSE * tries, signal)
        }
      }
    })
  }
}
