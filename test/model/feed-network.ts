import type { ChannelStream, ChannelStreamEvents } from '../../client/service-channel/presented-channel.js'
import type { AcceptedChannel } from '../../shared/channel/accepted-channel.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Judge } from './judge.js'
import type { ModelKdc } from './kdc.js'

/** The network between one service and the KDC, for what is revoked: it lets everything flow until somebody holds it. */

/** One connection, with what is on its way. */
export interface Connection {
  /** The service, as a client of the KDC. */
  readonly client: string
  readonly toKdc: Uint8Array[]
  readonly toService: Uint8Array[]
  /** All that has gone to the service. */
  readonly passed: Uint8Array[]
  readonly events: ChannelStreamEvents
  channel: AcceptedChannel | undefined
  isOver: boolean
}

interface Question {
  readonly request: Uint8Array
  resolve(reply: Uint8Array): void
  lose(): void
}

const CONNECTIONS_KEPT = 4

function lost(): OrthrusError {
  return new OrthrusError('unavailable', 'the connection was cut')
}

export class FeedNetwork {
  readonly #kdc: ModelKdc
  readonly #askKdc: (request: Uint8Array) => Promise<Uint8Array>
  #questions: Question[] = []
  readonly #judge: Judge
  isHeld = false
  /** The newest last. */
  #connections: Connection[] = []

  constructor(kdc: ModelKdc, judge: Judge, askKdc: (request: Uint8Array) => Promise<Uint8Array>) {
    this.#kdc = kdc
    this.#askKdc = askKdc
    this.#judge = judge
  }

  get connections(): readonly Connection[] {
    return this.#connections
  }

  get newest(): Connection | undefined {
    return this.#connections.findLast(({ isOver }) => !isOver)
  }

  connect(client: string, events: ChannelStreamEvents): ChannelStream {
    const connection: Connection = {
      client,
      toKdc: [],
      toService: [],
      passed: [],
      events,
      channel: undefined,
      isOver: false,
    }
    this.#connections = [...this.#connections, connection].slice(-CONNECTIONS_KEPT)
    return {
      send: message => {
        connection.toKdc.push(message)
      },
      end: () => this.#end(connection),
    }
  }

  /** The connections break, and both ends see it. */
  cut(): void {
    for (const { lose } of this.#questions.splice(0)) lose()
    for (const connection of this.#connections) {
      if (connection.isOver) continue
      this.#end(connection)
      connection.events.closed(lost())
    }
  }

  #end(connection: Connection): void {
    if (connection.isOver) return
    connection.isOver = true
    connection.channel?.close()
  }

  /** A question of the service to the KDC outside a channel. */
  question(request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#questions.push({ request, resolve, lose: () => reject(lost()) })
    })
  }

  /** Carries what is on its way. @returns whether there was anything */
  async flow(): Promise<boolean> {
    if (this.isHeld) return false
    const moved = await this.flowToKdc()
    return this.#flowToService() || moved
  }

  /** Carries what is on its way to the KDC, and keeps its answers. */
  async flowToKdc(): Promise<boolean> {
    let moved = false
    for (const { request, resolve } of this.#questions.splice(0)) {
      moved = true
      resolve(await this.#askKdc(request))
    }
    for (const connection of this.#connections) {
      for (const message of connection.toKdc.splice(0)) {
        moved = true
        if (!connection.isOver) await this.#carryToKdc(connection, message)
      }
    }
    return moved
  }

  #flowToService(): boolean {
    let moved = false
    for (const connection of this.#connections) {
      for (const message of connection.toService.splice(0)) {
        moved = true
        connection.passed.push(message)
        if (!connection.isOver) connection.events.received(message)
      }
    }
    return moved
  }

  async #carryToKdc(connection: Connection, message: Uint8Array): Promise<void> {
    if (connection.channel !== undefined) {
      // It settles when the call is answered, which may take another's call.
      void connection.channel.receive(message)
      return
    }
    const now = this.#kdc.clock.now()
    const { reply, channel } = await this.#kdc.open(message, {
      send: async record => {
        connection.toService.push(record)
      },
      ended: () => {},
    })
    connection.channel = channel
    connection.toService.push(reply)
    if (channel === undefined) this.#judge.openingRefused(message, reply, now)
    else this.#judge.channelOpened(message, connection.client, now)
  }
}
