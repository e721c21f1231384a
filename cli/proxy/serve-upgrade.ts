import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { type AcceptedChannels, acceptChannelsEverywhere } from '../../service/accept-channels.js'
import { partsOf } from '../../service/request/service.js'
import type { AcceptedTicket } from '../../service/request/ticket.js'
import { ByteCollector } from '../../service/response/byte-collector.js'
import type { Channel } from '../../shared/channel/channel.js'
import { pairsOf } from '../../shared/http/header-pairs.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import { SECOND } from '../../shared/time.js'
import { runAfter } from '../../shared/timers.js'
import { Connections } from '../tunnel/connections.js'
import { joinSocket, PIECE_MAX } from '../tunnel/joined-socket.js'
import { type Fault, faultBody, faultHeaders, tooSlow, unreachable, wrongAnswer } from './faults.js'
import { type HeaderPair, headersForProgram, headersOfAnswer, valuesOf } from './header-rules.js'
import { headersAbout, overrideFault, type ServeProxyOptions, targetFault } from './serve-proxy.js'
import { decodeUpgrade, encodeUpgradeAnswer } from './upgrade-head.js'
import type { Upgrades } from './upgrades.js'
import { handshakeFault, isHandshakeAnswer, UPGRADE_HEADERS, withoutOrigin } from './websocket-rules.js'

/** WebSockets to the program behind a proxy, each over a channel of a client with a ticket. */

/** How many there may be. */
export interface WebSocketLimits {
  readonly max: number
  /** Of one client, or one delegate. */
  readonly perClient: number
}

/** How long a client may take to say what its channel is for, milliseconds. */
const HEAD_WITHIN = 10 * SECOND

/** The largest body of an answer that refuses a WebSocket, bytes. */
const REFUSAL_MAX = 64 * 1024

/** Takes what comes to the server from now on. */
export function serveUpgrades(server: Server, options: ServeProxyOptions, limits: WebSocketLimits): Upgrades {
  const { service, claims } = options
  const connections = new Connections()
  const end = new ProgramEnd(options)
  const accepted: AcceptedChannels = acceptChannelsEverywhere(
    {
      service,
      server,
      claims,
      maxMessage: PIECE_MAX,
      maxChannels: limits.max,
      maxChannelsPerClient: limits.perClient,
    },
    async (channel, ticket, req) => {
      const giveUp = (): void => channel.abort('the proxy ends')
      await connections.during(giveUp, end.take(channel, ticket, req.url ?? ''))
      await channel.closed
    },
  )
  return {
    close: async patience => {
      await connections.drain(partsOf(service).timers, patience)
      await accepted.close()
    },
  }
}

class ProgramEnd {
  readonly #options: ServeProxyOptions

  constructor(options: ServeProxyOptions) {
    this.#options = options
  }

  /** One channel. Resolves when it has served its purpose. */
  async take(channel: Channel, ticket: AcceptedTicket, target: string): Promise<void> {
    const given = await this.#headersOf(channel)
    if (given === undefined) {
      channel.abort('it does not begin as a WebSocket of orthrus proxy call does')
      return
    }
    const fault = targetFault(target) ?? overrideFault(given) ?? handshakeFault(given)
    if (fault !== undefined) await refuse(channel, fault)
    else await this.#join(channel, ticket, target, given)
  }

  async #headersOf(channel: Channel): Promise<readonly HeaderPair[] | undefined> {
    const late = (): void => channel.abort('it did not say what it is for')
    const cancel = runAfter(this.#options.timers, HEAD_WITHIN, late)
    try {
      const message = await channel.receive()
      return message && decodeUpgrade(message)
    } catch {
      return undefined
    } finally {
      cancel()
    }
  }

  async #join(
    channel: Channel,
    ticket: AcceptedTicket,
    target: string,
    given: readonly HeaderPair[],
  ): Promise<void> {
    const { logger, owned } = this.#options
    const facts = { client: ticket.client, ticketId: ticket.ticketId, path: pathOf(target) ?? '' }
    const about = headersAbout(this.#options, ticket, { method: 'GET', url: target })
    const headers = [...withoutOrigin(headersForProgram(given, owned)), ...about, ...UPGRADE_HEADERS]
    const answer = await this.#ask(channel, target, [...headers, ['accept-encoding', 'identity']])
    if (answer === undefined) return
    if (!('socket' in answer)) {
      const { status, word, detail } = answer
      logger.warn({ ...facts, status, fault: word, reason: detail }, 'a WebSocket was not opened')
      await refuse(channel, answer)
      return
    }
    logger.info(facts, 'a WebSocket was opened')
    void channel.send(encodeUpgradeAnswer({ status: 101, headers: answer.headers }))
    const joined = await joinSocket(answer.socket, channel)
    logger.info({ ...facts, ...joined }, 'a WebSocket ended')
  }

  /** @returns why there is none; `undefined` if the program's own refusal was passed on, or the client is gone */
  async #ask(
    channel: Channel,
    target: string,
    headers: readonly HeaderPair[],
  ): Promise<Opened | Fault | undefined> {
    const { upstream, timers, patience } = this.#options
    const [key = ''] = valuesOf(headers, 'sec-websocket-key')
    const up = upstream.upgrade({ target, headers })
    let isConnected = false
    up.once('socket', socket => {
      socket.once('connect', () => {
        isConnected = true
      })
    })
    const answer = await new Promise<Opened | Fault | IncomingMessage | undefined>(resolve => {
      const cancel = runAfter(timers, patience, () => resolve(tooSlow(patience)))
      const settle = (value: Opened | Fault | IncomingMessage | undefined): void => {
        cancel()
        resolve(value)
      }
      up.once('upgrade', (res, socket, head) => settle(openedBy(res, socket, head, key)))
      up.once('response', settle)
      up.on('error', cause => settle(unreachable(cause, isConnected)))
      void channel.closed.then(() => settle(undefined))
    })
    if (answer === undefined || !('rawHeaders' in answer)) {
      if (answer === undefined || !('socket' in answer)) up.destroy()
      return answer
    }
    const fault = await this.#passRefusal(channel, answer)
    up.destroy()
    return fault
  }

  /** The program gives an ordinary answer. @returns why it cannot be passed on */
  async #passRefusal(channel: Channel, answer: IncomingMessage): Promise<Fault | undefined> {
    const { timers, patience } = this.#options
    const status = answer.statusCode ?? 0
    if (status < 200 || status > 599) return wrongAnswer(`its status is ${status}`)
    const body = new ByteCollector(REFUSAL_MAX)
    const cancel = runAfter(timers, patience, () => answer.destroy(new Error('it gave no sign in time')))
    void channel.closed.then(() => answer.destroy())
    try {
      for await (const piece of answer) {
        if (!body.append(piece as Buffer)) return wrongAnswer(`it is larger than ${REFUSAL_MAX} bytes`)
      }
    } catch (cause) {
      return unreachable(cause, true)
    } finally {
      cancel()
    }
    const headers = headersOfAnswer(pairsOf(answer.rawHeaders))
    await sendRefusal(channel, status, headers, body.bytes())
    return undefined
  }
}

interface Opened {
  readonly socket: Socket
  readonly headers: readonly HeaderPair[]
}

/** @param head what the program sent behind its answer */
function openedBy(res: IncomingMessage, socket: unknown, head: Buffer, key: string): Opened | Fault {
  const connection = socket as Socket
  const pairs = pairsOf(res.rawHeaders)
  if (res.statusCode !== 101 || !isHandshakeAnswer(pairs, key)) {
    connection.destroy()
    return wrongAnswer('it changes the protocol, and not into the WebSocket that it was asked for')
  }
  if (head.length > 0) connection.unshift(head)
  return { socket: connection, headers: headersOfAnswer(pairs) }
}

async function refuse(channel: Channel, fault: Fault): Promise<void> {
  await sendRefusal(channel, fault.status, faultHeaders(fault), Buffer.from(faultBody(fault)))
}

/** As messages behind each other. Whoever is gone hears nothing. */
async function sendRefusal(
  channel: Channel,
  status: number,
  headers: readonly HeaderPair[],
  body: Uint8Array,
): Promise<void> {
  try {
    await channel.send(encodeUpgradeAnswer({ status, headers }))
    for (let at = 0; at < body.length; at += PIECE_MAX) {
      await channel.send(body.subarray(at, at + PIECE_MAX))
    }
    await channel.end()
  } catch {
    // `closed` says why.
  }
}
