import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Realm } from '../../client/realm.js'
import { BoundedReplayCache, type ReplayWarning } from '../../service/replay/replay-cache.js'
import type { Service } from '../../service/request/service.js'
import { requireTicket } from '../../service/require-ticket.js'
import type { AdmissionRequest, ReplayCache } from '../../shared/accept/replay.js'
import { WINDOW } from '../../shared/constants.js'
import { silentLogger } from '../../shared/logger.js'
import { parsePrincipal } from '../../shared/principal.js'
import { SECOND } from '../../shared/time.js'
import { loadService } from '../support/load-service.js'
import type { Random } from '../support/random.js'
import { type Following, follow } from './following.js'
import type { Holder } from './holder.js'
import type { Ledger } from './ledger.js'
import { isFinal } from './refusal.js'
import type { MachineClock } from './timeline.js'
import { headLength, Wire } from './wire.js'

/** A real service behind `requireTicket`, one process after the other, over connections in memory. */

/** The smallest cache possible, so that it can be filled. */
const CACHE_BYTES = 512 * 1024
/** How many requests of others fill it. */
const FLOOD = 16_000
/** How long a connection may stay open without an end, milliseconds. */
const PATIENCE = 300 * SECOND
/** Steps back between an acceptance and a later start must sum to less than this (docs/protocol.md section 8). */
const STEP_BACK = SECOND

interface Process {
  readonly server: Server
  readonly cache: BoundedReplayCache
  readonly following: Following | undefined
  readonly wires: Set<Wire>
}

export interface ServiceOptions {
  readonly name: string
  readonly holder: Holder
  readonly clock: MachineClock
  readonly random: Random
  readonly ledger: Ledger
  /** Connects as the service itself; nothing for one that does not follow what the KDC revokes. */
  readonly connect: ((keytab: string) => Promise<Realm>) | undefined
  /** Called when a handler begins. @param ticketId hex */
  readonly onHandled: (ticketId: string) => void
}

export class SimulatedService {
  readonly name: string
  readonly clock: MachineClock
  readonly holder: Holder
  /** What it logged as errors, and the warnings of its replay cache. */
  readonly errors: string[] = []
  readonly #random: Random
  readonly #ledger: Ledger
  readonly #connect: ServiceOptions['connect']
  readonly #onHandled: ServiceOptions['onHandled']
  #process: Process | undefined
  /** The newest reading of its clock at which any of its processes accepted anything. */
  #acceptedAt = Number.NEGATIVE_INFINITY

  constructor({ name, holder, clock, random, ledger, connect, onHandled }: ServiceOptions) {
    this.name = name
    this.holder = holder
    this.#connect = connect
    this.#onHandled = onHandled
    this.clock = clock
    this.#random = random
    this.#ledger = ledger
  }

  get origin(): string {
    return `http://${this.name}.test`
  }

  get isUp(): boolean {
    return this.#process !== undefined
  }

  /** Whether it runs, and its clock has caught up with everything it accepted, and its floor with that. */
  get isReady(): boolean {
    const now = this.clock.now()
    const { cache, following } = this.#process ?? {}
    if (following?.feed.state.stale === true) return false
    return cache !== undefined && now > this.#acceptedAt && cache.floor - now < WINDOW.FLOOR_AHEAD
  }

  /** Whether the clock has gone back no further than a service may be started after. */
  get mayStart(): boolean {
    return this.clock.now() > this.#acceptedAt - STEP_BACK
  }

  async start(): Promise<void> {
    if (!this.mayStart) throw new Error('the clock went back too far for a start')
    const { clock, holder } = this
    const ledger = this.#ledger
    const cache = this.#newCache()
    const replayCache = this.#watched(cache)
    const connect = this.#connect
    const note = (line: string): void => ledger.note(line)
    const following = connect && follow({ holder, clock, random: this.#random, replayCache, connect, note })
    const service = following?.service ?? (await this.#load(replayCache))
    const server = createServer(
      requireTicket(
        {
          service,
          onRefused: ({ code, presenter }, req) => {
            if (code === undefined) return
            const { authorization = '' } = req.headers
            if (presenter === undefined) ledger.note(`${this.name} refuses, unproved: ${code}`)
            else {
              const { entries } = holder
              // What is safe may have begun when its ticket was revoked, and is done again under another one.
              const begun = code === 'revoked' && ledger.isHandled(authorization)
              const final = !begun && isFinal({ code, authorization, now: clock.now(), entries })
              ledger.refused(authorization, code, final)
            }
            ledger.count(`a service refused: ${presenter === undefined ? '05' : '06'} ${code}`)
          },
        },
        (req, res, ticket) => {
          this.#onHandled(ticket.ticketId)
          return this.#handle(req, res, process)
        },
      ),
    )
    const process: Process = { server, cache, following, wires: new Set() }
    this.#process = process
  }

  #load(replayCache: ReplayCache): Promise<Service> {
    const { clock, holder } = this
    return loadService({
      keytab: { text: holder.text },
      clock,
      timers: clock,
      replayCache,
      ticketCache: { entries: 1 },
      logger: { ...silentLogger, error: (_, message) => void this.errors.push(message) },
    })
  }

  /** The process is gone, and does not do what it was about to do. */
  stop(): void {
    const { wires = [], following } = this.#process ?? {}
    this.#process = undefined
    following?.stop()
    for (const wire of wires) wire.destroy()
  }

  /**
   * Sends bytes on a connection of their own.
   * @param answered what came back, if anything did
   * @param cut how many of the bytes come before the client is gone, or before it pauses for so long
   */
  deliver(
    bytes: Buffer,
    answered: (bytes: Buffer | undefined) => void,
    cut?: { readonly at: number; readonly pause: number | undefined },
  ): void {
    const process = this.#process
    if (process === undefined) {
      answered(undefined)
      return
    }
    const wire = Wire.open(process.server, answer => {
      process.wires.delete(wire)
      this.clock.clearTimeout(patience)
      answered(answer)
    })
    const patience = this.clock.setTimeout(() => wire.destroy(), PATIENCE)
    process.wires.add(wire)
    wire.push(bytes.subarray(0, cut?.at ?? bytes.length))
    if (cut === undefined) return
    const goOn = (): void => {
      if (cut.pause === undefined) wire.destroy()
      else if (!wire.destroyed) wire.push(bytes.subarray(cut.at))
    }
    this.clock.setTimeout(goOn, cut.pause ?? 1)
  }

  /**
   * More requests than the replay cache holds, stamped within the window.
   * @param by the only presenter; many if there is none
   */
  flood(by: string | undefined): void {
    const { cache } = this.#process ?? {}
    if (cache === undefined) return
    const now = this.clock.now()
    const before = cache.floor
    for (let i = 0; i < FLOOD; i++) {
      const presenter = parsePrincipal(`${by ?? `crowd-${i % 16}`}@demo.example`)
      const request: AdmissionRequest = {
        id: this.#random.bytes(16),
        time: now + this.#random.between(-50 * SECOND, 5 * SECOND),
        presenter,
        endTime: now + 3_600 * SECOND,
      }
      this.#watched(cache).admit(request)
    }
    if (cache.floor > before) this.#ledger.count('the replay cache evicted')
  }

  #newCache(): BoundedReplayCache {
    const onWarning = ({ kind }: ReplayWarning): void => void this.errors.push(kind)
    return new BoundedReplayCache({ clock: this.clock, maxBytes: CACHE_BYTES, onWarning })
  }

  #watched(cache: BoundedReplayCache): ReplayCache {
    return {
      admit: request => {
        const admission = cache.admit(request)
        if (admission.refusal === undefined) this.#acceptedAt = Math.max(this.#acceptedAt, admission.now)
        return admission
      },
    }
  }

  async #handle(req: IncomingMessage, res: ServerResponse, process: Process): Promise<void> {
    const { method = '', url: target = '', headers } = req
    const authorization = headers.authorization ?? ''
    const pieces: Buffer[] = []
    for await (const piece of req) pieces.push(piece)
    const body = Buffer.concat(pieces).toString()
    const contentType = headers['content-type']
    const arrived = { service: this.name, method, target, contentType, body, authorization }
    const { status, contentType: type, location, body: text } = this.#ledger.handle(arrived)
    if (target.startsWith('/throws')) throw new Error('a handler that throws')
    if (target.startsWith('/slow')) {
      await new Promise<void>(
        resolve => void this.clock.setTimeout(resolve, this.#random.magnitude(1, 90_000)),
      )
      if (this.#process !== process) return
    }
    res.writeHead(status, { 'content-type': type, ...(location === null ? {} : { location }) })
    res.end(text)
  }
}

/** The middle of the body or, without one, of the head. */
export function middleOf(bytes: Buffer): number {
  const head = headLength(bytes)
  return head === bytes.length ? head >> 1 : (head + bytes.length) >> 1
}
