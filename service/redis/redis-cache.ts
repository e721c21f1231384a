import type { Admission, AdmissionRefusal, AdmissionRequest } from '../../shared/accept/replay.js'
import { toHex } from '../../shared/bytes.js'
import { SIZE, WINDOW } from '../../shared/constants.js'
import { sharedCacheName } from '../../shared/crypto/lock.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import type { OpenReplayCache, SharedCacheParts } from '../replay/shared-cache.js'
import { type Answer, readAnswer } from './answer.js'
import { KnownEpoch } from './known-epoch.js'
import { RedisLink } from './link.js'
import { MAX_ENTRIES_DEFAULT, type RedisReplayCacheOptions } from './options.js'
import { RedisReports } from './reports.js'
import { ADMIT, PERIOD } from './script.js'
import { type Reading, ServerTime, takeReading } from './server-time.js'

/** How often one request is asked about: again each time that the server turns out to have lost what it had. */
const ASKED_MAX = 3
const ATTEMPT_BYTES = 12

/**
 * The replay cache of a service, kept by a Redis or Valkey server (docs/several-processes.md). Whatever is uncertain is
 * refused: an answer that does not come in time, or is of an epoch that this process has left.
 */
export class RedisReplayCache implements OpenReplayCache {
  readonly #clock: Clock
  readonly #reports: RedisReports
  readonly #link: RedisLink
  readonly #state: string
  readonly #room: string
  readonly #attempts = toHex(systemRandom(ATTEMPT_BYTES))
  readonly #serverTime: ServerTime
  #attempt = 0
  readonly #known = new KnownEpoch()
  /** Of this process alone: of its start, or of what another server accepted. Milliseconds, as the next two. */
  #own: number
  #floor: number
  /** How far the own clock is ahead of the server's. */
  #ahead = 0
  #isClosed = false

  constructor(options: RedisReplayCacheOptions, { service, clock, timers, report }: SharedCacheParts) {
    this.#clock = clock
    this.#reports = new RedisReports(clock, report)
    this.#state = stateKey(service)
    this.#link = new RedisLink(options, { clock, timers, reports: this.#reports, state: this.#state })
    this.#room = String(Math.floor((options.maxEntries ?? MAX_ENTRIES_DEFAULT) / 2))
    this.#serverTime = new ServerTime(clock)
    this.#own = clock.now() + WINDOW.FLOOR_AT_START
    this.#floor = this.#own
  }

  /**
   * Learns how the server stands. If it does not answer, requests are refused until it does.
   * @throws OrthrusError `unavailable` if the server removes keys when its memory is full
   */
  async begin(): Promise<void> {
    await this.#ask(NOTHING, this.#nextAttempt())
    if (this.#known.name !== '') await this.#link.requireGood(this.#known.name)
  }

  /** By the own clock: when it passes this, the server's passes the floor. */
  get floor(): number {
    return this.#floor + this.#ahead
  }

  async admit(request: AdmissionRequest): Promise<Admission> {
    if (request.id.length !== SIZE.REPLAY_ID) throw new TypeError(`an id must have ${SIZE.REPLAY_ID} bytes`)
    const now = this.#clock.now()
    if (now - request.endTime >= WINDOW.EXPIRED_UNRECORDED) return this.#refuse('ticket_expired', now)
    const attempt = this.#nextAttempt()
    for (let asked = 0; asked < ASKED_MAX && !this.#isClosed; asked++) {
      const answer = await this.#ask(request, attempt)
      if (answer === undefined) break
      if (answer.outcome === 'epoch') continue
      return this.#isClosed ? this.#unavailable() : this.#admission(answer)
    }
    return this.#unavailable()
  }

  close(): void {
    this.#isClosed = true
  }

  /** @returns undefined if the request may have been recorded or not: nobody can tell */
  async #ask(request: AdmissionRequest, attempt: string): Promise<Answer | undefined> {
    const known = this.#known.name
    if (known !== '' && !(await this.#link.isGood(known))) return undefined
    const asked = takeReading(this.#clock)
    const answer = await this.#link.run(
      ADMIT,
      this.#keys(request.time),
      this.#arguments(request, attempt, known),
      readAnswer,
    )
    // What a server says whose clock is apart is of no use, its time least of all.
    if (answer === undefined || answer.outcome === 'apart') return answer
    if (answer.outcome === 'epoch') {
      // The first of several answers tells of the next epoch; the others may be of the last one, and came late.
      if (known === this.#known.name && answer.epoch !== known) this.#enter(answer, asked)
      return answer
    }
    if (answer.epoch !== known || known !== this.#known.name) return undefined
    this.#note(answer, asked)
    if (answer.outcome === 'admitted') this.#known.admitted(answer.now)
    return answer
  }

  #arguments({ id, time, presenter }: AdmissionRequest, attempt: string, known: string): string[] {
    const times = [this.#own, this.#clock.now(), this.#known.newest].map(String)
    return [toHex(id), String(time), attempt, known, ...times, presenter, this.#room]
  }

  /** What the last epoch had is lost: whatever was accepted in it is refused from now on. */
  #enter(answer: Answer, asked: Reading): void {
    const before = this.#serverTime.now()
    if (before !== undefined) this.#own = Math.max(this.#own, Math.ceil(before) + WINDOW.FLOOR_AT_START)
    const isFirst = this.#known.name === ''
    // Until now it was by the process's own clock, which may be ahead.
    if (isFirst) this.#own = Math.min(this.#own, answer.now + WINDOW.FLOOR_AT_START)
    this.#known.enter(answer.epoch)
    this.#note(answer, asked)
    if (!isFirst) this.#reports.forgot(answer.now, this.#floor)
  }

  #note({ now, floor }: Answer, asked: Reading): void {
    this.#serverTime.keep(now, asked)
    this.#ahead = asked.now - now
    this.#floor = Math.max(this.#own, floor)
  }

  /** Tickets are judged by the later of the two clocks, so that neither makes them live longer. */
  #admission({ outcome, now, floor }: Answer): Admission {
    switch (outcome) {
      case 'admitted':
        return { now: Math.max(now, this.#clock.now()), floor }
      case 'clock_skew':
      case 'replay':
      case 'rate_limited':
        return { now, floor, refusal: outcome }
      case 'apart':
        this.#reports.clocksApart(this.#clock.now() - now)
        return {
          now,
          floor: this.#floor,
          refusal: 'unavailable',
          reason: 'the clocks of this process and of the Redis server differ',
        }
      case 'full':
        this.#reports.full(now, floor)
        return { now, floor, refusal: 'unavailable', reason: 'the replay cache is full' }
      default:
        return {
          now,
          floor,
          refusal: 'unavailable',
          reason: 'the clock of the Redis server, or of this machine, was set back',
        }
    }
  }

  #unavailable(): Admission {
    const reason = 'the Redis server of the replay cache gave no answer that can be relied on'
    return { ...this.#refuse('unavailable', this.#clock.now()), reason }
  }

  #refuse(refusal: AdmissionRefusal, now: number): Admission {
    return { now, floor: this.#floor, refusal }
  }

  #nextAttempt(): string {
    return `${this.#attempts}-${++this.#attempt}`
  }

  #keys(stamp: number): string[] {
    const second = Math.floor(stamp / 1000)
    return [this.#state, `${this.#state}:${second}`, `${this.#state}:n${Math.floor(stamp / PERIOD)}`]
  }
}

/** All keys of a service are in one slot of a cluster. */
function stateKey(service: Principal): string {
  return `orthrus:{${sharedCacheName(service)}}`
}

/** It is stamped long ago, and so it is admitted nowhere and recorded nowhere. */
const NOTHING: AdmissionRequest = {
  id: new Uint8Array(SIZE.REPLAY_ID),
  time: 0,
  presenter: 'nobody@nowhere' as Principal,
  endTime: 0,
}
