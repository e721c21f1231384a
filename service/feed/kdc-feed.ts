import { type KdcChannel, leaveKdc, openKdcChannel } from '../../client/channel/kdc-channel.js'
import { ownKeys } from '../../client/channel/own-keys.js'
import { type ConnectOptions, connect, type Realm } from '../../client/connect.js'
import { urlsFrom } from '../../client/connect-urls.js'
import { partsOf } from '../../client/realm.js'
import type { KeyKeeper } from '../../client/rotation/key-keeper.js'
import { keepKey } from '../../client/rotation/start-rotation.js'
import type { Ticket } from '../../client/ticket/ticket.js'
import type { KeySummary } from '../../shared/administration/keys.js'
import type { Fraction } from '../../shared/crypto/fraction.js'
import { OrthrusError } from '../../shared/errors.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Logger } from '../../shared/logger.js'
import { kdcService, type Principal } from '../../shared/principal.js'
import { type Clock, SECOND } from '../../shared/time.js'
import { inBackground, type Timers } from '../../shared/timers.js'
import type { KeyFacts } from './key-facts.js'
import type { FeedChannel, FeedEvents } from './session.js'

/** Here a service is a client, of `kdc@realm`: to follow the log of what is revoked, and to change its own key. */

/** How long an answer may take, milliseconds, before another connection is made. */
const ANSWER = 10 * SECOND

export interface KdcFeedOptions {
  /** URLs of the realm's KDCs. */
  readonly kdc: string | readonly string[]
  readonly service: Principal
  /** The service's own keys. */
  readonly entries: readonly KeytabEntry[]
  /** The path of the keytab that they are from; undefined if it was given as text. */
  readonly keytab: string | undefined
  readonly allowReadableKeytab: boolean
  /** Whether the key is changed in the keytab when it is due. */
  readonly rotates: boolean
  /** Called with the keys that were written to the keytab, before any of them is used. */
  readonly onKeys: (entries: readonly KeytabEntry[], told: readonly KeySummary[]) => void
  readonly keyFacts: KeyFacts
  readonly fraction: Fraction
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/** Opens channels to the KDCs of a realm, one after another. Nothing of it keeps the process alive. */
export class KdcFeed {
  /** Whether there is another KDC to go to. */
  readonly hasSeveral: boolean
  readonly #options: KdcFeedOptions
  readonly #login: ConnectOptions
  #keeper: KeyKeeper | undefined
  #realm: Realm | undefined
  #isClosed = false

  /** @throws TypeError if `kdc` is not the URL of a KDC, or a list of such */
  constructor(options: KdcFeedOptions) {
    const { kdc, service, entries, keytab, allowReadableKeytab, clock, timers, logger } = options
    this.#options = options
    this.#login = {
      kdc,
      // From the file, so that it is read again when the key was changed by another process.
      keytab: keytab ?? { text: formatKeytab(entries) },
      principal: service,
      allowReadableKeytab,
      clock,
      timers: inBackground(timers),
      logger,
      timeouts: { call: ANSWER },
    }
    this.hasSeveral = urlsFrom(this.#login).length > 1
  }

  /** @throws OrthrusError */
  async open(events: FeedEvents): Promise<FeedChannel> {
    const realm = await this.#connected()
    const { onEvent, onEnd } = events
    const ticket = await this.#freshTicket(realm)
    try {
      const channel = await openKdcChannel(realm, {
        ...{ onEvent, onEnd, isInBackground: true },
        ...(ticket && { ticket }),
      })
      if (ticket !== undefined) void this.#askKeys(channel)
      return channel
    } catch (cause) {
      leaveKdc(realm, cause)
      throw cause
    }
  }

  /** Only a channel under one may ask for the service's own keys. What is revoked matters more than their dates. */
  async #freshTicket(realm: Realm): Promise<Ticket | undefined> {
    if (!this.#options.keyFacts.areOutdated) return undefined
    try {
      return await partsOf(realm).source.login?.freshTicket(kdcService(realm.realm))
    } catch (cause) {
      this.#refused(cause)
      return undefined
    }
  }

  async #askKeys(channel: KdcChannel): Promise<void> {
    try {
      const { keys } = await ownKeys(channel)
      this.#options.keyFacts.take(keys)
    } catch (cause) {
      this.#refused(cause)
    }
  }

  /** A KDC that refused is not asked with each channel. Whatever else is wrong is found by what follows the log. */
  #refused(cause: unknown): void {
    if (!(cause instanceof OrthrusError)) return
    const { code } = cause
    if (code !== 'unavailable' && code !== 'channel_broken') this.#options.keyFacts.wasAsked()
  }

  /** The KDC says that the key is due to change. */
  rotate(): void {
    this.#keeper?.ask()
  }

  /** What was connected may have gone silent: the next channel goes over another connection. */
  leave(cause: unknown): void {
    if (this.#realm !== undefined) leaveKdc(this.#realm, cause)
  }

  close(): void {
    this.#isClosed = true
    this.#realm?.close()
  }

  async #connected(): Promise<Realm> {
    if (this.#realm !== undefined) return this.#realm
    const realm = await connect(this.#login)
    this.#realm = realm
    if (this.#isClosed) realm.close()
    else this.#keepKey(realm)
    return realm
  }

  #keepKey(realm: Realm): void {
    const { rotates, keytab } = this.#options
    if (rotates && keytab !== undefined) this.#keeper = keepKey(realm, { ...this.#options, path: keytab })
  }
}
