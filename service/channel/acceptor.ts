import { channelBroken } from '../../shared/channel/open-channel.js'
import { WaitingChannels } from '../../shared/channel/waiting-channels.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { type Cancel, runAfter } from '../../shared/timers.js'
import type { ServiceParts } from '../request/service.js'
import type { ChannelGate } from './options.js'
import { CLOSING, type Closing } from './transport.js'

/** A connection, as the acceptor knows it. */
export interface HeldConnection {
  /** Ends what is open, and the connection. */
  end(cause: OrthrusError, closing: Closing): void
  /** Cuts it, since nobody knows who it is. */
  cut(closing: Closing): void
}

/** What one `acceptChannels` has open, and how much of it. */
export class ChannelAcceptor<Req> {
  readonly gate: ChannelGate<Req>
  readonly #unopened = new Map<HeldConnection, Cancel>()
  readonly #open = new Map<HeldConnection, Principal>()
  readonly #perClient = new Map<Principal, number>()
  /** Called when nothing is connected any more. */
  #onEmpty: (() => void) | undefined
  #isClosed = false
  readonly #whenServiceCloses = (): void => this.#end('the service was closed')

  constructor(gate: ChannelGate<Req>) {
    this.gate = gate
  }

  /** Ends with its service. Called once, when it begins to accept. */
  begin(): void {
    this.gate.service.closing.ends.add(this.#whenServiceCloses)
  }

  get isClosed(): boolean {
    return this.#isClosed || this.gate.service.closing.isClosed
  }

  /** How many channels are open. */
  get size(): number {
    return this.#open.size
  }

  /** Openings that wait for their first record, which all acceptors of a service share. */
  get waiting(): WaitingChannels {
    const { service } = this.gate
    const known = waitingOf.get(service) ?? new WaitingChannels(() => service.clock.now())
    waitingOf.set(service, known)
    return known
  }

  /** A connection without an open channel. It has a limited time, and gives way to newer ones when there are too many. */
  add(connection: HeldConnection): void {
    const { maxUnopened, openWithin, service } = this.gate
    const [oldest] = this.#unopened.keys()
    if (oldest !== undefined && this.#unopened.size >= maxUnopened) this.#cut(oldest, CLOSING.TOO_MANY)
    const cancel = runAfter(service.timers, openWithin, () => this.#cut(connection, CLOSING.NOT_OPENED))
    this.#unopened.set(connection, cancel)
  }

  /** Why a client may not open another channel, or `undefined`. */
  faultFor(client: Principal): string | undefined {
    const { maxChannels, maxChannelsPerClient } = this.gate
    if (this.#open.size >= maxChannels) return `${maxChannels} channels are open (maxChannels)`
    if ((this.#perClient.get(client) ?? 0) < maxChannelsPerClient) return undefined
    return `${client} has ${maxChannelsPerClient} channels open (maxChannelsPerClient)`
  }

  /** The connection's channel is open. @param client who presented its tickets */
  opened(connection: HeldConnection, client: Principal): void {
    this.#forget(connection)
    this.#open.set(connection, client)
    this.#perClient.set(client, (this.#perClient.get(client) ?? 0) + 1)
  }

  /** The connection is closed. */
  remove(connection: HeldConnection): void {
    this.#forget(connection)
    const client = this.#open.get(connection)
    if (client !== undefined) {
      this.#open.delete(connection)
      const left = (this.#perClient.get(client) ?? 1) - 1
      if (left > 0) this.#perClient.set(client, left)
      else this.#perClient.delete(client)
    }
    if (this.#open.size + this.#unopened.size === 0) this.#onEmpty?.()
  }

  /** Accepts nothing more, and gives up what is open. Resolves when every connection is closed. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.gate.service.closing.ends.delete(this.#whenServiceCloses)
    this.#end('the service accepts no more channels')
    if (this.#open.size + this.#unopened.size === 0) return
    await new Promise<void>(resolve => {
      this.#onEmpty = resolve
    })
  }

  #end(reason: string): void {
    for (const connection of [...this.#unopened.keys(), ...this.#open.keys()]) {
      connection.end(channelBroken('its client', reason), CLOSING.GOING_AWAY)
    }
  }

  #cut(connection: HeldConnection, closing: Closing): void {
    this.gate.service.report({ kind: 'handshake_refused', reason: closing.reason })
    this.#forget(connection)
    connection.cut(closing)
  }

  #forget(connection: HeldConnection): void {
    this.#unopened.get(connection)?.()
    this.#unopened.delete(connection)
  }
}

const waitingOf = new WeakMap<ServiceParts, WaitingChannels>()
