import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Channel } from '../../shared/channel/channel.js'
import { OrthrusError } from '../../shared/errors.js'
import { runAfter } from '../../shared/timers.js'
import { Connections } from '../tunnel/connections.js'
import { joinSocket } from '../tunnel/joined-socket.js'
import { Openings } from '../tunnel/openings.js'
import { type Fault, faultBody, faultHeaders } from './faults.js'
import { type HeaderPair, headersOfAnswer } from './header-rules.js'
import { refusalAnswer } from './refusal-answer.js'
import { type CallProxyOptions, type Taken, takeRequest, told } from './taken-request.js'
import { decodeUpgradeAnswer, encodeUpgrade, type UpgradeAnswer } from './upgrade-head.js'
import type { Upgrades } from './upgrades.js'
import { handshakeFault, UPGRADE_HEADERS, upgradeRefused } from './websocket-rules.js'
import { asksForHttp2, takeWithoutUpgrade } from './without-upgrade.js'

/** WebSockets of programs on this machine, each carried over a channel to the proxy in front of a service. */

/** Larger than any that the other end of a proxy sends, bytes. */
const REFUSAL_MAX = 256 * 1024

/** What is known of the connections of programs. */
export interface CallerConnections {
  /** Why it may not be used; `undefined` if it may. */
  readonly usable: (socket: Duplex) => Promise<Fault | undefined> | undefined
  /** Whether an answer to an earlier request is still to be written to it. */
  readonly isAnswering: (socket: Duplex) => boolean
}

/** Takes what comes to the server from now on. */
export function callUpgrades(
  server: Server,
  options: CallProxyOptions,
  { usable, isAnswering }: CallerConnections,
): Upgrades {
  const connections = new Connections()
  const end = new CallerEnd(options)
  let isClosed = false
  server.on('upgrade', (req, socket, head) => {
    if (head.length > 0) socket.unshift(head)
    const givingUp = new AbortController()
    // An answer that is still to come would be in the midst of whatever follows.
    if (isClosed || isAnswering(socket)) socket.destroy()
    else if (asksForHttp2(req)) takeWithoutUpgrade(server, req, socket)
    else {
      // What happens to it is seen when it is joined.
      socket.on('error', () => {})
      const work = end.take(req, socket, usable(socket), givingUp.signal)
      void connections.during(() => givingUp.abort(new Error('the proxy ends')), work)
    }
  })
  return {
    close: async patience => {
      isClosed = true
      await connections.drain(options.timers, patience)
    },
  }
}

class CallerEnd {
  readonly #options: CallProxyOptions
  /** By service: one that does not answer keeps nobody else waiting. */
  readonly #openings = new Map<string, Openings>()

  constructor(options: CallProxyOptions) {
    this.#options = options
  }

  /** One connection. Resolves when it is over. Never rejects. */
  async take(
    req: IncomingMessage,
    socket: Duplex,
    usable: Promise<Fault | undefined> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { logger } = this.#options
    try {
      const taken = (await usable) ?? upgradeRefused(req) ?? this.#take(req)
      if ('status' in taken) this.#refuse(req, socket, taken)
      else await this.#carry(req, socket, taken, signal)
    } catch (err) {
      logger.error({ err }, 'unexpected failure while opening a WebSocket')
      socket.destroy()
    }
  }

  #take(req: IncomingMessage): Taken | Fault {
    const taken = takeRequest(this.#options, req)
    if ('status' in taken) return taken
    // Whatever is its body would be taken for what the WebSocket says.
    const hasBody =
      req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0)
    return handshakeFault(taken.headers) ?? (hasBody ? NO_BODY : taken)
  }

  async #carry(req: IncomingMessage, socket: Duplex, taken: Taken, signal: AbortSignal): Promise<void> {
    const { logger } = this.#options
    const gone = AbortSignal.any([signal, closing(socket)])
    let channel: Channel | undefined
    const giveUp = (): void => channel?.abort('the program is gone, or the proxy ends')
    gone.addEventListener('abort', giveUp, { once: true })
    try {
      channel = await this.#open(taken, gone)
      const answer = await this.#ask(channel, taken.headers)
      if (answer.status === 101) {
        const facts = { service: taken.route.service, path: taken.target.replace(/\?.*$/s, '') }
        logger.info(facts, 'a WebSocket was opened')
        writeHead(socket, 101, [...headersOfAnswer(answer.headers), ...UPGRADE_HEADERS])
        logger.info({ ...facts, ...(await joinSocket(socket, channel)) }, 'a WebSocket ended')
        return
      }
      const body = await rest(channel)
      answerOn(socket, answer.status, headersOfAnswer(answer.headers), body)
    } catch (cause) {
      channel?.abort('it could not be opened')
      if (gone.aborted) socket.destroy()
      else this.#refuse(req, socket, refusalAnswer(cause, channel !== undefined), cause)
    } finally {
      gone.removeEventListener('abort', giveUp)
    }
  }

  #open({ route, target }: Taken, signal: AbortSignal): Promise<Channel> {
    const { realm, logger, timers } = this.#options
    const { service, origin } = route
    const openings = this.#openings.get(service) ?? new Openings({ realm, service, logger, timers })
    this.#openings.set(service, openings)
    return openings.open(origin.origin.replace(/^http/, 'ws') + target, signal)
  }

  /** @throws OrthrusError as `Channel.receive` does; `response_unproved` for something else than an answer */
  async #ask(channel: Channel, headers: readonly HeaderPair[]): Promise<UpgradeAnswer> {
    const { timers, patience } = this.#options
    void channel.send(encodeUpgrade(headers))
    const cancel = runAfter(timers, patience, () => channel.abort('nothing was answered in time'))
    try {
      const message = await channel.receive()
      const answer = message && decodeUpgradeAnswer(message)
      if (answer !== undefined) return answer
    } finally {
      cancel()
    }
    throw new OrthrusError('response_unproved', 'the service does not answer as orthrus proxy serve does', {
      hint: 'put orthrus proxy serve in front of it; channels of acceptChannels are opened by realm.openChannel',
    })
  }

  #refuse(req: IncomingMessage, socket: Duplex, fault: Fault, cause?: unknown): void {
    told(this.#options, req, fault, cause)
    answerOn(socket, fault.status, faultHeaders(fault), Buffer.from(faultBody(fault)))
  }
}

/** @throws OrthrusError as `Channel.receive` does: a part of it is not given as the whole; `too_large` */
async function rest(channel: Channel): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of channel) {
    length += piece.length
    if (length > REFUSAL_MAX) throw new OrthrusError('too_large', 'the refusal of a WebSocket is too large')
    pieces.push(piece)
  }
  void channel.end()
  return Buffer.concat(pieces)
}

function writeHead(socket: Duplex, status: number, headers: readonly HeaderPair[]): void {
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  const reason = STATUS_CODES[status] ?? 'Unknown'
  socket.write(Buffer.from(`${[`HTTP/1.1 ${status} ${reason}`, ...lines].join('\r\n')}\r\n\r\n`, 'latin1'))
}

/** What is refused is not kept: nobody knows where another request would begin. */
function answerOn(socket: Duplex, status: number, headers: readonly HeaderPair[], body: Uint8Array): void {
  const hasBody = status !== 204 && status !== 304
  const framing: HeaderPair[] = [['connection', 'close']]
  if (hasBody) framing.unshift(['content-length', String(body.length)])
  // What it still sends is read, and dropped: a connection that is cut can take the answer with it.
  socket.resume()
  socket.once('finish', () => socket.destroy())
  writeHead(socket, status, [...headers, ...framing])
  socket.end(hasBody ? body : undefined)
}

const NO_BODY: Fault = {
  status: 400,
  word: 'request_wrong',
  text: 'a request for a WebSocket has no body',
}

/** Aborts when the program is gone. */
function closing(socket: Duplex): AbortSignal {
  const gone = new AbortController()
  const abort = (): void => gone.abort(new Error('the program closed its connection'))
  if (socket.destroyed) abort()
  else socket.once('close', abort)
  return gone.signal
}
