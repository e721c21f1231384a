import {
  type Chain,
  type Granted,
  type PlainCaveat,
  type PlainRule,
  type PlainTicket,
  serviceVerdict,
  tgsVerdict,
} from '../properties/model.js'
import { BILLING, BILLING_CLAIMS, KDC, KRBTGT, LIVES, PEOPLE, POLICY } from './cast.js'
import type { IssuedLine } from './kdc.js'
import { type Issued, type Reference, require, type ShownChain } from './reference.js'
import type { Handled, Letter } from './service-host.js'
import type { ApView, KdcQuestion, LegView } from './view.js'

/** What must hold of every message that a KDC or a service acts on. Times are milliseconds. */

const KDC_WINDOW = 120_000
const SERVICE_PAST = 60_000
const SERVICE_AHEAD = 5_000
const EXPIRED_UNRECORDED = 5_000

/** Headers that a request's MAC covers, of those used here, and headers that no request may have. */
const COVERED = ['content-type', 'range', 'orthrus-credential', 'x-http-method-override'] as const

/** Codes of step 5 and later: a client that gets one knows that the request can never be handled. */
const FINAL: ReadonlySet<string> = new Set([
  'ticket_not_yet_valid',
  'ticket_expired',
  'delegation_invalid',
  'caveat_failed',
  'revoked',
  'binding_mismatch',
  'malformed',
  'too_large',
  'not_authorized',
])

/** A request as an honest client sent it. */
export interface Sent {
  readonly client: string
  readonly service: string
  readonly letter: Letter
}

/** Returns the ticket that these bytes are, if the KDC issued it. */
export type Identify = (ticket: Uint8Array) => Issued | undefined

export class Invariants {
  readonly #reference: Reference
  readonly #identify: Identify
  /** By the request's bytes: what honest clients asked the KDC. */
  readonly #asked = new Map<string, string>()
  /** By the AP-REQ: what honest clients sent to services. */
  readonly #sent = new Map<string, Sent>()
  /** By service and AP-REQ. */
  readonly #accepted = new Set<string>()
  readonly #dead = new Set<string>()

  constructor(reference: Reference, identify: Identify) {
    this.#reference = reference
    this.#identify = identify
  }

  clientAsks(client: string, request: string): void {
    this.#asked.set(request, client)
  }

  clientSends(id: string, sent: Sent): void {
    this.#sent.set(id, sent)
  }

  isAccepted(service: string, id: string): boolean {
    return this.#accepted.has(`${service} ${id}`)
  }

  /** A client that the service told that this is final may rely on it. */
  refused(service: string, view: ApView, code: string, now: number): void {
    const { id } = view
    // This long after its end the service refuses before step 5 and looks nothing up.
    const unlooked = code === 'ticket_expired' && now >= this.#endOf(view) + EXPIRED_UNRECORDED
    if (!FINAL.has(code) || unlooked) return
    require(!this.isAccepted(service, id), `${service} said ${code}, for good, of a request that it accepted`)
    this.#dead.add(`${service} ${id}`)
  }

  #endOf({ own, delegated }: ApView): number {
    const tickets = [own, ...(delegated ? [delegated] : [])].map(({ ticket }) => this.#identify(ticket))
    return Math.min(...tickets.map(ticket => ticket?.end ?? 0))
  }

  /** A service let a request through to its handler. */
  accepted(service: string, letter: Letter, view: ApView | undefined, handled: Handled, now: number): void {
    require(view !== undefined, `${service} accepted a request without an AP-REQ`)
    const key = `${service} ${view.id}`
    require(!this.#accepted.has(key), `${service} accepted a request twice`)
    require(!this.#dead.has(key), `${service} accepted a request that it had refused for good`)
    this.#accepted.add(key)
    require(view.time > now - SERVICE_PAST, `${service} accepted a stamp that is too old`)
    require(view.time <= now + SERVICE_AHEAD, `${service} accepted a stamp that is too far ahead`)
    require(handled.body === letter.body, `${service} handled another body than it was sent`)
    const legs = this.#requireAuthority(service, letter, view, handled, now)
    this.#requireSender(service, letter, view, legs)
  }

  /** Exactly the authority of the tickets presented, and only tickets of the KDC. */
  #requireAuthority(
    service: string,
    { method, target }: Letter,
    view: ApView,
    { ticket: told }: Handled,
    now: number,
  ): readonly ShownChain[] {
    const own = this.#chain(service, view.own)
    const delegated = view.delegated && {
      ...this.#chain(service, view.delegated),
      client: view.delegated.client,
    }
    const legs = delegated === undefined ? [own] : [own, delegated]
    const facts = { service, now, method, target }
    const verdict = serviceVerdict({ own, delegated, proved: legs }, facts)
    require('claims' in verdict, `${service} accepted what it must refuse as ${verdict.code}`)
    const speaking = (delegated ?? own).ticket
    const must = { client: verdict.client, via: verdict.via, ticketId: speaking.id, endTime: speaking.end }
    const is = { client: told.client, via: told.via, ticketId: told.ticketId, endTime: told.endTime }
    require(same(is, must), `${service} was told ${JSON.stringify(is)} of ${JSON.stringify(must)}`)
    const hasPassword = PEOPLE.includes(speaking.client)
    const flags = told.delegable === speaking.delegable && told.passwordBased === hasPassword
    require(flags, `${service} was told wrong flags`)
    const claims = Object.entries(told.claims)
    require(same(claims, verdict.claims), `${service} was told the claims ${claims} of ${verdict.claims}`)
    if (service === BILLING) {
      require(told.claims.role === BILLING_CLAIMS.role, 'billing let in who lacks the claim')
      require(told.via === undefined || told.via.startsWith('gate@'), `billing let ${told.via} be a delegate`)
    }
    return legs
  }

  #chain(service: string, { ticket, caveats }: LegView): ShownChain {
    const issued = this.#identify(ticket)
    require(issued !== undefined, `${service} accepted a ticket that the KDC never issued`)
    return { ticket: issued, caveats }
  }

  /** An honest client sent exactly this to exactly this service, or the attacker has all the keys that it takes. */
  #requireSender(service: string, letter: Letter, view: ApView, legs: readonly ShownChain[]): void {
    if (legs.every(leg => this.#reference.mayUse(leg))) return
    const sent = this.#sent.get(view.id)
    require(sent !== undefined, `${service} accepted a request that nobody sent`)
    require(sent.service === service, `${service} accepted a request that was sent to ${sent.service}`)
    const { method, target, body } = sent.letter
    const differs = method !== letter.method || target !== letter.target || body !== letter.body
    require(!differs, `${service} accepted another request than ${sent.client} sent`)
    const covered = COVERED.find(name => headerOf(letter, name) !== headerOf(sent.letter, name))
    require(covered === undefined, `${service} accepted another ${covered} than ${sent.client} sent`)
  }

  /** The KDC issued tickets for a request. */
  issued(
    request: string,
    question: KdcQuestion | undefined,
    lines: readonly IssuedLine[],
    now: number,
  ): void {
    if (lines.length === 0) return
    require(question !== undefined, 'the KDC issued a ticket for what is no request')
    require(Math.abs(question.time - now) <= KDC_WINDOW, 'the KDC answered a request outside its window')
    const { services, lifetime, renew } = question
    const facts = { now, services, lifetime, renew: question.kind === 'tgs' && renew }
    const chain = this.#askedUnder(request, question, lines, now)
    const { client } = chain.ticket
    require(this.#reference.isActive(client), `the KDC gave tickets to ${client}, which it must not`)
    require(now < this.#endOfPrincipal(client), `the KDC gave tickets to ${client}, which has ended`)
    require(lines.every(line => line.client === client), `a ticket in another name than ${client}`)
    const rules = this.#reference.invitations.has(client)
      ? bareOnly(client)
      : this.#reference.policy.rulesOf(client, services, now)
    const policy = { ...POLICY, rules, services: this.#reference.services }
    const verdict = tgsVerdict(chain, chain, facts, policy)
    require('granted' in verdict, `the KDC answered what it must refuse as ${verdict.code}`)
    const granted = lines.filter(line => line.service !== KRBTGT)
    const grants = verdict.granted.filter(({ service }) => this.#isWithinRate(client, service, now))
    const due = grants.map(({ service }) => service)
    require(same(
      granted.map(({ service }) => service),
      due,
    ), `the KDC granted ${granted.map(({ service }) => service)}, not ${due}`)
    const under = question.kind === 'tgs' ? chain : undefined
    for (const [i, line] of granted.entries()) {
      this.#add(line, (grants[i] as Granted).ticket, under, now)
    }
    if (question.kind === 'tgs' && renew) this.#renewed(chain, lines, lifetime, now)
  }

  /** Each ticket that is granted takes one of those that the rule has for its client. */
  #isWithinRate(client: string, service: string, now: number): boolean {
    const { policy, invitations, monotonic } = this.#reference
    const rule = invitations.has(client) ? undefined : policy.deciding(client, service, now)
    return rule === undefined || policy.take(client, rule, monotonic())
  }

  /** The TGT that a request came under, or that a login made. */
  #askedUnder(request: string, question: KdcQuestion, lines: readonly IssuedLine[], now: number): ShownChain {
    const asker = this.#asked.get(request)
    if (question.kind === 'tgs') return this.#underTgt(asker, question.tgt, question)
    const { client, kvno, lifetime, renew } = question
    const handed = this.#reference.invitations.handedOut(client, kvno)
    const entitled = asker === client || this.#reference.mayLogIn(client) || handed?.byAttacker === true
    require(entitled, `the KDC logged in ${client}, who did not ask`)
    this.#reference.loggedIn(client, kvno, now)
    const line = lines.find(({ service }) => service === KRBTGT)
    require(line !== undefined, 'the KDC answered a login without a TGT')
    const plain = tgtTerms(client, lifetime, renew ? now + LIVES.maxRenew : null, now)
    const terms = this.#reference.invitations.has(client) ? { ...plain, caveats: [INVITED] } : plain
    return { ticket: this.#add(line, terms, undefined, now), caveats: [] }
  }

  #underTgt(asker: string | undefined, bytes: Uint8Array, { caveats }: Pick<Chain, 'caveats'>): ShownChain {
    const ticket = this.#identify(bytes)
    require(ticket?.service === KRBTGT, 'the KDC took for a TGT what is none')
    const chain = { ticket, caveats }
    const { client, incarnation, revoked } = ticket
    require(!revoked, `the KDC took a TGT from before ${client} was disabled or removed`)
    require(this.#reference.principal(client)?.incarnation === incarnation, `a TGT of another ${client}`)
    const entitled = asker === client || this.#reference.mayUse(chain)
    require(entitled, `the KDC took a TGT of ${client} from who has no key for it`)
    return chain
  }

  #renewed({ ticket }: ShownChain, lines: readonly IssuedLine[], lifetime: number, now: number): void {
    const line = lines.find(({ service }) => service === KRBTGT)
    require(line !== undefined, 'the KDC renewed nothing')
    const terms = tgtTerms(ticket.client, lifetime, ticket.renewTill, now)
    this.#add(line, terms, { ticket, caveats: [] }, now)
  }

  #endOfPrincipal(name: string): number {
    return this.#reference.principal(name)?.endsAt ?? Number.POSITIVE_INFINITY
  }

  #add(line: IssuedLine, terms: PlainTicket, under: ShownChain | undefined, now: number): Issued {
    const life = line.service === KRBTGT ? LIVES.maxTgtLife : LIVES.maxServiceLife
    const renewTill = terms.renewTill ?? Number.POSITIVE_INFINITY
    const limit = Math.min(terms.end, now + life, renewTill, this.#endOfPrincipal(line.client))
    require(line.endTime <= limit, `a ticket for ${line.service} ends ${line.endTime - limit} ms late`)
    require(line.endTime > now, `a ticket for ${line.service} that has ended already`)
    const incarnation = this.#reference.principal(line.client)?.incarnation ?? 0
    const serviceIncarnation = this.#reference.principal(line.service)?.incarnation
    const kvno = this.#reference.keys.current(line.service)
    const authTime = under?.ticket.authTime ?? now
    const facts = {
      id: line.ticketId,
      end: line.endTime,
      incarnation,
      serviceIncarnation,
      kvno,
      authTime,
      under,
    }
    const ticket: Issued = { ...terms, ...facts, revoked: false, deadBy: undefined, stolen: false }
    this.#reference.tickets.set(ticket.id, ticket)
    return ticket
  }
}

/** The caveat of an invitation's TGT. */
const INVITED: PlainCaveat = ['services', [KDC]]

/** An invitation may have nothing but a bare ticket for the KDC. */
function bareOnly(client: string): Readonly<Record<string, PlainRule>> {
  return { [`${client} ${KDC}`]: { delegable: false, claims: [], caveats: [], maxLife: null } }
}

function tgtTerms(client: string, lifetime: number, renewTill: number | null, now: number): PlainTicket {
  const end = lifetime === 0 ? Number.POSITIVE_INFINITY : now + lifetime
  const nothing = { delegable: false, claims: [], caveats: [] }
  return { service: KRBTGT, client, start: now, end, renewTill, ...nothing }
}

function headerOf({ headers }: Letter, wanted: string): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === wanted)?.[1]
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
