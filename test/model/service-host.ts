import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { REVOCATIONS_MAX } from '../../service/feed/revoked-set.js'
import { ServiceFeed } from '../../service/feed/service-feed.js'
import type { OpenFeed } from '../../service/feed/session.js'
import { type AcceptedTicket, type RefusedRequest, requireTicket } from '../../service/index.js'
import { ServiceKeys } from '../../service/keys.js'
import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { PeersWithoutTicket } from '../../service/request/peers-without-ticket.js'
import { createService, partsOf, type Service } from '../../service/request/service.js'
import { ServiceTicketOpener } from '../../service/ticket-opener.js'
import type { ReplayCache } from '../../shared/accept/replay.js'
import type { Fraction } from '../../shared/crypto/fraction.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import { realmOf } from '../../shared/principal.js'
import type { TestClock } from '../../testing/index.js'
import { loadService } from '../support/load-service.js'
import { silentTelemetry } from '../support/telemetry.js'

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

/** Where a request is kept. */
export const PAUSES = ['before its body', 'in its handler'] as const
export type Pause = (typeof PAUSES)[number] | 'nowhere'

export interface SlowRequest {
  /** What its handler saw, once it has begun. */
  begun(): Handled | undefined
  goOn(): Promise<Outcome>
}

export interface HostOptions {
  readonly claims?: Readonly<Record<string, string>>
  readonly delegates?: readonly string[]
  /** How it follows what the KDC revokes; nothing if it does not. */
  readonly following?: Following
}

export interface Following {
  readonly open: OpenFeed
  readonly fraction: Fraction
  readonly maxStaleness: number
  /** Called before another process of it follows. @param saved whether it has what the one before saved */
  started(saved: boolean): void
}

/** It starts often, so that a cache for thousands of tickets would be most of the work. */
const TICKETS = 32

type Listener = (req: IncomingMessage, res: ServerResponse) => void

/** One real service behind `requireTicket`, without a socket: requests go in as values. */
export class ServiceHost {
  readonly name: string
  readonly clock: TestClock
  readonly #requirements: Pick<HostOptions, 'claims' | 'delegates'>
  readonly #following: Following | undefined
  #feed: ServiceFeed | undefined
  #listener!: Listener
  #keys: ServiceKeys | undefined
  #handled: Handled | undefined
  #refused: RefusedRequest | undefined
  #served = 0
  #paused = Promise.resolve()
  #admittedAt = Number.NEGATIVE_INFINITY

  constructor(name: string, clock: TestClock, { following, ...requirements }: HostOptions = {}) {
    this.name = name
    this.clock = clock
    this.#requirements = requirements
    this.#following = following
  }

  /**
   * The newest reading of its clock at which a process of it let anything pass step 4, whatever a later step said:
   * from there section 8 counts how far the clock may have gone back at a start.
   */
  get admittedAt(): number {
    return this.#admittedAt
  }

  /**
   * Starts it, or restarts it as a process that knows nothing but its keytab.
   * @param saved whether the process before ended in order, so that what it knew of revocations is there too
   */
  async start(keys: readonly KeytabEntry[], saved = false): Promise<void> {
    const following = this.#following
    const service = following === undefined ? await this.#load(keys) : this.#follow(keys, following, saved)
    this.#keys = partsOf(service).keys
    const onRefused = (refused: RefusedRequest): void => {
      this.#refused = refused
    }
    this.#listener = requireTicket({ service, onRefused, ...this.#requirements }, (req, res, ticket) =>
      this.#handle(req, res, ticket),
    )
  }

  #load(keys: readonly KeytabEntry[]): Promise<Service> {
    const keytab = { text: formatKeytab(keys) }
    const ticketCache = { entries: TICKETS }
    return loadService({
      keytab,
      service: this.name,
      clock: this.clock,
      timers: this.clock,
      logger: silentLogger,
      ticketCache,
      replayCache: this.#watched(new BoundedReplayCache({ clock: this.clock })),
    })
  }

  /** As `loadService` does for a service that is told of a KDC, but over the model's network. */
  #follow(entries: readonly KeytabEntry[], following: Following, saved: boolean): Service {
    const { clock } = this
    const { principal } = entries[0] as KeytabEntry
    const keys = new ServiceKeys(entries)
    const left = this.#feed?.close()
    following.started(saved && left !== undefined)
    const common = { keys, clock, timers: clock, report: () => {} }
    const feed = new ServiceFeed({
      ...common,
      ...following,
      service: principal,
      maxRevocations: REVOCATIONS_MAX,
      startWithoutFeed: false,
      saved: saved ? left : undefined,
    })
    this.#feed = feed
    return createService({
      ...common,
      principal,
      realm: realmOf(principal),
      tickets: new ServiceTicketOpener({ service: principal, keys, clock, entries: TICKETS }),
      replayCache: this.#watched(new BoundedReplayCache({ clock })),
      revocation: feed,
      background: { feed: feed.state, keyFact: () => undefined, close: async () => {} },
      ended: async () => {},
      hasKeyFor: async () => false,
      closing: { isClosed: false, ends: new Set() },
      withoutTicket: new PeersWithoutTicket(clock, () => {}),
      ...silentTelemetry(principal),
    })
  }

  /** Its process ends. */
  stop(): void {
    this.#feed?.close()
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
    return this.presentSlowly(letter, 'nowhere').goOn()
  }

  /** Begins with a request, and pauses with it until it is told to go on. */
  presentSlowly(letter: Letter, pause: Pause): SlowRequest {
    this.#handled = undefined
    this.#refused = undefined
    const req = requestOf(letter)
    const pushBody = (): void => {
      if (letter.body !== '') req.push(Buffer.from(letter.body, 'latin1'))
      req.push(null)
      req.complete = true
    }
    let goOn = pushBody
    if (pause !== 'before its body') pushBody()
    if (pause !== 'in its handler') this.#paused = Promise.resolve()
    else {
      this.#paused = new Promise(resolve => {
        goOn = resolve
      })
    }
    const { response, sent } = responseTo(req)
    this.#listener(req, response)
    return {
      begun: () => this.#handled,
      goOn: async () => {
        if (pause !== 'nowhere') goOn()
        const answer = readAnswer(await sent)
        return { answer, handled: this.#handled, refused: this.#refused }
      },
    }
  }

  /** Each answer is different, so that none can pass for another. */
  async #handle(req: IncomingMessage, res: ServerResponse, ticket: AcceptedTicket): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of req) pieces.push(piece as Buffer)
    this.#handled = { ticket, body: Buffer.concat(pieces).toString('latin1') }
    this.#served++
    await this.#paused
    res.setHeader('content-type', 'text/plain')
    res.end(`${this.name} answers ${this.#served}`)
  }
}

function requestOf({ method, target, headers, body }: Letter): IncomingMessage {
  // What waits for the end of a connection is kept as long as its socket.
  const req = new IncomingMessage(new Socket())
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
