import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { type AcceptedTicket, loadService, type RefusedRequest, requireTicket } from '../../service/index.js'
import type { ServiceKeys } from '../../service/keys.js'
import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { partsOf } from '../../service/request/service.js'
import type { ReplayCache } from '../../shared/accept/replay.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import type { TestClock } from '../../testing/index.js'

/** An HTTP request on its way, with nothing that a network would add. */
export interface Letter {
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** ASCII. */
  readonly body: string
}

/** And a response. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

/** What a handler saw. */
export interface Handled {
  readonly ticket: AcceptedTicket
  readonly body: string
}

/** What happened to one request at a service. */
export interface Outcome {
  readonly answer: HttpAnswer
  readonly handled: Handled | undefined
  readonly refused: RefusedRequest | undefined
}

export interface HostOptions {
  readonly claims?: Readonly<Record<string, string>>
  readonly delegates?: readonly string[]
}

/** It starts often, so that a cache for thousands of tickets would be most of the work. */
const TICKETS = 32

type Listener = (req: IncomingMessage, res: ServerResponse) => void

/** One real service behind `requireTicket`, without a socket: requests go in as values. */
export class ServiceHost {
  readonly name: string
  readonly clock: TestClock
  readonly #options: HostOptions
  #listener!: Listener
  #keys: ServiceKeys | undefined
  #handled: Handled | undefined
  #refused: RefusedRequest | undefined
  #served = 0
  #admittedAt = Number.NEGATIVE_INFINITY

  constructor(name: string, clock: TestClock, options: HostOptions = {}) {
    this.name = name
    this.clock = clock
    this.#options = options
  }

  /**
   * The newest reading of its clock at which a process of it let anything pass step 4, whatever a later step said:
   * from there section 8 counts how far the clock may have gone back at a start.
   */
  get admittedAt(): number {
    return this.#admittedAt
  }

  /** Starts it, or restarts it as a process that knows nothing but its keytab. */
  async start(keys: readonly KeytabEntry[]): Promise<void> {
    const keytab = { text: formatKeytab(keys) }
    const ticketCache = { entries: TICKETS }
    const service = await loadService({
      keytab,
      service: this.name,
      clock: this.clock,
      timers: this.clock,
      logger: silentLogger,
      ticketCache,
      replayCache: this.#watched(new BoundedReplayCache({ clock: this.clock })),
    })
    this.#keys = partsOf(service).keys
    const onRefused = (refused: RefusedRequest): void => {
      this.#refused = refused
    }
    this.#listener = requireTicket({ service, onRefused, ...this.#options }, (req, res, ticket) =>
      this.#handle(req, res, ticket),
    )
  }

  /** Keys that were written to the keytab of a running process. Those that it has stay. */
  hold(entries: readonly KeytabEntry[]): void {
    for (const { kvno, key } of entries) if (this.#keys?.get(kvno) === undefined) this.#keys?.add(kvno, key)
  }

  #watched(cache: BoundedReplayCache): ReplayCache {
    return {
      admit: request => {
        const admission = cache.admit(request)
        if (admission.refusal === undefined) this.#admittedAt = Math.max(this.#admittedAt, admission.now)
        return admission
      },
    }
  }

  async present(letter: Letter): Promise<Outcome> {
    this.#handled = undefined
    this.#refused = undefined
    const req = requestOf(letter)
    const { response, sent } = responseTo(req)
    this.#listener(req, response)
    const answer = readAnswer(await sent)
    return { answer, handled: this.#handled, refused: this.#refused }
  }

  /** Each answer is different, so that none can pass for another. */
  async #handle(req: IncomingMessage, res: ServerResponse, ticket: AcceptedTicket): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of req) pieces.push(piece as Buffer)
    this.#handled = { ticket, body: Buffer.concat(pieces).toString('latin1') }
    this.#served++
    res.setHeader('content-type', 'text/plain')
    res.end(`${this.name} answers ${this.#served}`)
  }
}

const nowhere = new Socket()

function requestOf({ method, target, headers, body }: Letter): IncomingMessage {
  const req = new IncomingMessage(nowhere)
  req.method = method
  req.url = target
  req.httpVersion = '1.1'
  req.httpVersionMajor = 1
  req.httpVersionMinor = 1
  const length = body === '' ? [] : ['content-length', String(body.length)]
  req.rawHeaders = [...headers.flat(), ...length]
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = (req.rawHeaders[i] as string).toLowerCase()
    req.headers[name] ??= req.rawHeaders[i + 1]
  }
  if (body !== '') req.push(Buffer.from(body, 'latin1'))
  req.push(null)
  req.complete = true
  return req
}

function responseTo(req: IncomingMessage): { response: ServerResponse; sent: Promise<string> } {
  const response = new ServerResponse(req)
  const pieces: Buffer[] = []
  const socket = new Writable({
    write(piece: Buffer, _, done) {
      pieces.push(piece)
      done()
    },
  })
  response.assignSocket(socket as Socket)
  const sent = new Promise<string>(resolve => {
    response.on('finish', () => resolve(Buffer.concat(pieces).toString('latin1')))
  })
  return { response, sent }
}

function readAnswer(text: string): HttpAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = lines.map(line => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  })
  return { status: Number(first.split(' ')[1]), headers, body: text.slice(end + 4) }
}
