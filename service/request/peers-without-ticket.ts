import { RecentlyUsed } from '../../shared/recently-used.js'
import { type Clock, HOUR } from '../../shared/time.js'
import type { Report, RequestFields } from '../report/events.js'
import type { PeerWithoutTicket, WithoutTicketState } from './state.js'

/** Tuning: how many addresses are remembered. */
const PEERS_MAX = 1_000
/** For how long one address has one line of the log, milliseconds; and how many lines all have together in that time. */
const QUIET = HOUR
const LINES_MAX = 100
/** The longest address that is kept, characters: an owner's function may take it from a header. */
const ADDRESS_MAX = 128

const UNKNOWN = 'unknown'

/** IPv4 as a socket for both shows it. */
const MAPPED = /^::ffff:(?=[\d.]+$)/i

interface Peer {
  requests: number
  /** Milliseconds, wall clock. */
  readonly firstAt: number
  lastAt: number
  /** Milliseconds, monotonic. */
  toldAt: number
}

/**
 * Counts the requests that gates with `permitWithoutTicket` let through without a ticket, by the address that they came
 * from, so that a team sees which of its clients have still to move. Anybody can send such a request from any number of
 * addresses, so both what is remembered and what is logged have bounds.
 */
export class PeersWithoutTicket {
  readonly #clock: Clock
  readonly #report: Report
  readonly #peers: RecentlyUsed<string, Peer> = new RecentlyUsed(PEERS_MAX)
  #isPermitted = false
  #requests = 0
  #forgotten = 0
  #linesSince = Number.NEGATIVE_INFINITY
  #lines = 0
  #leftOut = 0

  constructor(clock: Clock, report: Report) {
    this.#clock = clock
    this.#report = report
  }

  /** A gate of the service lets requests pass without a ticket. */
  permit(): void {
    this.#isPermitted = true
  }

  /** @param address where the request came from, if that is known */
  count(address: string | undefined, fields: RequestFields): void {
    const from = (address ?? UNKNOWN).replace(MAPPED, '').slice(0, ADDRESS_MAX)
    const now = this.#clock.now()
    const peer = this.#peers.get(from) ?? this.#add(from, now)
    this.#requests++
    peer.requests++
    peer.lastAt = now
    this.#tell(from, peer, fields)
  }

  /** Undefined if no gate of the service lets anything pass without a ticket. */
  get state(): WithoutTicketState | undefined {
    if (!this.#isPermitted) return undefined
    const peers: PeerWithoutTicket[] = []
    for (const [address, { requests, firstAt, lastAt }] of this.#peers.entries()) {
      peers.push(Object.freeze({ address, requests, firstAt, lastAt }))
    }
    return Object.freeze({
      requests: this.#requests,
      peers: Object.freeze(peers),
      forgotten: this.#forgotten,
    })
  }

  #add(from: string, now: number): Peer {
    if (this.#peers.size >= PEERS_MAX) this.#forgotten++
    const peer = { requests: 0, firstAt: now, lastAt: now, toldAt: Number.NEGATIVE_INFINITY }
    this.#peers.set(from, peer)
    return peer
  }

  #tell(from: string, peer: Peer, fields: RequestFields): void {
    const now = this.#clock.monotonic()
    if (now - peer.toldAt < QUIET) return
    if (now - this.#linesSince >= QUIET) {
      this.#linesSince = now
      this.#lines = 0
    }
    if (this.#lines >= LINES_MAX) {
      this.#leftOut++
      return
    }
    peer.toldAt = now
    this.#lines++
    const leftOut = this.#leftOut
    this.#leftOut = 0
    this.#report({ kind: 'passed_without_ticket', from, requests: peer.requests, leftOut, ...fields })
  }
}
