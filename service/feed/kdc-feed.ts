import { leaveKdc, openKdcChannel } from '../../client/channel/kdc-channel.js'
import { type ConnectOptions, connect, type Realm } from '../../client/connect.js'
import { urlsFrom } from '../../client/connect-urls.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Logger } from '../../shared/logger.js'
import { type Clock, SECOND } from '../../shared/time.js'
import { inBackground, type Timers } from '../../shared/timers.js'
import type { FeedChannel, FeedEvents } from './session.js'

/** The one place where a service is a client: of `kdc@realm`, to follow the log of what is revoked. */

/** How long an answer may take, milliseconds, before another connection is made. */
const ANSWER = 10 * SECOND

export interface KdcFeedOptions {
  /** URLs of the realm's KDCs. */
  readonly kdc: string | readonly string[]
  /** The service's own keys. */
  readonly keys: readonly KeytabEntry[]
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/** Opens channels to the KDCs of a realm, one after another. Nothing of it keeps the process alive. */
export class KdcFeed {
  readonly #options: ConnectOptions
  #realm: Realm | undefined
  #isClosed = false

  /** @throws TypeError if `kdc` is not the URL of a KDC, or a list of such */
  constructor({ kdc, keys, clock, timers, logger }: KdcFeedOptions) {
    this.#options = {
      kdc,
      keytab: { text: formatKeytab(keys) },
      clock,
      timers: inBackground(timers),
      logger,
      timeouts: { call: ANSWER },
    }
    urlsFrom(this.#options)
  }

  /** @throws OrthrusError */
  async open(events: FeedEvents): Promise<FeedChannel> {
    const realm = await this.#connected()
    const { onEvent, onEnd } = events
    try {
      return await openKdcChannel(realm, { onEvent, onEnd, isInBackground: true })
    } catch (cause) {
      leaveKdc(realm)
      throw cause
    }
  }

  /** What was connected may have gone silent: the next channel goes over another connection. */
  leave(): void {
    if (this.#realm !== undefined) leaveKdc(this.#realm)
  }

  close(): void {
    this.#isClosed = true
    this.#realm?.close()
  }

  async #connected(): Promise<Realm> {
    if (this.#realm !== undefined) return this.#realm
    const realm = await connect(this.#options)
    this.#realm = realm
    if (this.#isClosed) realm.close()
    return realm
  }
}
