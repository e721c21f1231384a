import {
  decodeEnrolled,
  decodeMadeInvitation,
  decodeNewInvitation,
} from '../../shared/administration/invitations.js'
import { decodeKvno, decodeStagedKey } from '../../shared/administration/keys.js'
import { decodePasswordKey } from '../../shared/administration/principals.js'
import { decodeRevoked } from '../../shared/administration/revocations.js'
import { decodePolicyRule } from '../../shared/administration/rules.js'
import { toHex } from '../../shared/bytes.js'
import type { KdcAnswer as KdcCallAnswer } from '../../shared/channel/calls.js'
import { TYPE } from '../../shared/constants.js'
import { deriveNextKey } from '../../shared/crypto/derive.js'
import { type LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { openUnauthenticatedError } from '../../shared/encoding/error.js'
import { decodeMacMessage, messageType } from '../../shared/encoding/message.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Principal } from '../../shared/principal.js'
import { decodeTicket, openTicket } from '../../shared/ticket/ticket.js'
import { KDC, KRBTGT, MALLORY, PEOPLE } from './cast.js'
import { ChannelInvariants, type OpenedTalk } from './channel-invariants.js'
import { ClientBeliefs, type Op } from './client-beliefs.js'
import type { FeedFacts, Reading } from './feed-facts.js'
import { Invariants } from './invariants.js'
import type { KdcAnswer } from './kdc.js'
import { factsOf } from './plain-rule.js'
import { type Issued, Reference, require } from './reference.js'
import type { Secrets } from './secrets.js'
import type { Letter, Outcome } from './service-host.js'
import type { Tally } from './tally.js'
import { type ApView, messageIn, nameOf, readAp, readQuestion } from './view.js'

/** Compares everything that the parties of a run do with the reference. */
export class Judge {
  readonly reference = new Reference()
  readonly beliefs: ClientBeliefs
  readonly secrets: Secrets
  readonly tally: Tally
  readonly #invariants: Invariants
  readonly #channels: ChannelInvariants
  /** By their openings. */
  readonly #talks = new Map<string, OpenedTalk>()
  readonly #keys = new Map<string, LongTermKey>()
  /** Tickets by their bytes. */
  readonly #identified = new Map<string, Issued>()
  #broken: unknown

  constructor(secrets: Secrets, tally: Tally) {
    this.secrets = secrets
    this.tally = tally
    const identify = (ticket: Uint8Array) => this.identify(ticket)
    this.#invariants = new Invariants(this.reference, identify)
    this.#channels = new ChannelInvariants(this.reference, identify)
    this.beliefs = new ClientBeliefs(this.reference, identify)
  }

  /** A key that the KDC drew for a principal. */
  keepKey({ principal, kvno, key }: KeytabEntry): void {
    this.#keys.set(`${principal} ${kvno}`, key)
    this.secrets.keep(revealKey(key), `the key of ${principal}`)
  }

  /** The ticket that these bytes are, if the KDC issued it: opened with the key of the service that it names. */
  identify(bytes: Uint8Array): Issued | undefined {
    const name = nameOf(bytes)
    const known = this.#identified.get(name)
    if (known !== undefined) return known
    const issued = this.#open(bytes)
    if (issued === undefined) return undefined
    this.#identified.set(name, issued)
    const { service, kvno } = decodeTicket(bytes)
    // Nothing is sealed under a key that its holder has not shown to have, or that is dead.
    this.guarded(() =>
      require(kvno ===
        issued.kvno, `a ticket for ${service} was sealed under kvno ${kvno} when ${issued.kvno} was current`),
    )
    return issued
  }

  #open(bytes: Uint8Array): Issued | undefined {
    try {
      const sealed = decodeTicket(bytes)
      const key = this.#keys.get(`${sealed.service} ${sealed.kvno}`)
      if (key === undefined) return undefined
      return this.reference.tickets.get(toHex(openTicket(sealed, key).ticketId))
    } catch {
      return undefined
    }
  }

  /**
   * Faults are thrown at the end of the command, wherever they were found: a client would take an exception for a
   * network error.
   */
  guarded(check: () => void): void {
    try {
      check()
    } catch (cause) {
      this.#broken ??= cause
    }
  }

  /** @throws what was found to be wrong. */
  requireSound(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  clientAsks(client: string, request: Uint8Array): void {
    this.guarded(() => this.secrets.requireNone(request))
    this.#invariants.clientAsks(client, nameOf(request))
  }

  /** @returns the AP-REQ, as bytes. */
  clientSends({ client, service }: Op, letter: Letter): Uint8Array {
    const bytes = messageIn(letter) ?? new Uint8Array()
    this.guarded(() => this.secrets.requireNoneInHttp(letter.headers, letter.target))
    this.#invariants.clientSends(nameOf(bytes), { client, service, letter })
    // Also of a ticket that its service then refuses, since it was sealed under a wrong key.
    const view = readAp(bytes)
    if (view !== undefined) this.#ticketsOf(view)
    return bytes
  }

  /** @param now KDC time when it was asked */
  openingRefused(bytes: Uint8Array, reply: Uint8Array, now: number): void {
    const { code } = errorIn(reply)
    if (code === undefined) return
    this.tally.count(`the KDC refuses a channel: ${code}`)
    const view = readAp(bytes)
    if (code !== 'ticket_invalid' || view === undefined) return
    const legs = [view.own, ...(view.delegated ? [view.delegated] : [])]
    this.guarded(() =>
      this.#requireUnopenable(
        legs.map(({ ticket }) => ticket),
        KDC,
        now,
      ),
    )
  }

  /** A ticket that the KDC sealed for itself opens until it ends, under whichever key that was. */
  #requireUnopenable(tickets: readonly Uint8Array[], service: string, now: number): void {
    const found = tickets.map(ticket => this.identify(ticket))
    const good = found.every(ticket => ticket?.service === service && now < ticket.end)
    require(!good, `the KDC cannot open a ticket of ${found[0]?.client} for ${service} any more`)
  }

  /** @param by the honest client that opens it; nothing if that is the attacker */
  channelOpened(bytes: Uint8Array, by: string | undefined, now: number): string {
    const id = nameOf(bytes)
    this.guarded(() => {
      const view = readAp(bytes)
      require(view !== undefined, 'the KDC opened a channel without an AP-OPEN')
      this.#talks.set(id, this.#channels.opened(view, by, now))
    })
    this.tally.count('the KDC opens a channel')
    return id
  }

  /** @param id of the channel @param now KDC time when it was asked */
  called(id: string, method: string, args: readonly Value[], answer: KdcCallAnswer, now: number): void {
    const talk = this.#talks.get(id)
    if (talk === undefined) return
    if ('code' in answer) {
      this.tally.count(`the KDC refuses ${method}: ${answer.code}`)
      return
    }
    this.tally.count(`the KDC answers ${method}`)
    this.guarded(() => {
      this.#channels.answered(talk, method, args, now)
      this.#governed(talk, method, args, answer.results)
      if (method === 'next-key') this.#staged(talk.client, Number(args[0]), answer.results)
      if (method === 'enrol') this.#enrolled(talk, answer.results, now)
      if (method === 'new-password') this.#passwordChanged(talk, args, decodeKvno(answer.results))
    })
  }

  /** What an owner changed. */
  #governed({ client }: OpenedTalk, method: string, args: readonly Value[], results: readonly Value[]): void {
    const { reference } = this
    if (method === 'allow' || method === 'deny') reference.policy.set(factsOf(decodePolicyRule(args)))
    if (method === 'forget') reference.policy.forget(String(args[0]), String(args[1]))
    if (method === 'uninvite') reference.endInvitation(String(args[0]), decodeRevoked(results))
    if (method !== 'invite') return
    const { invitation } = decodeMadeInvitation(results)
    reference.invite(invitation.principal, decodeNewInvitation(args), invitation.kvno, client)
    this.keepKey(invitation)
  }

  #passwordChanged({ client, byAttacker }: OpenedTalk, args: readonly Value[], kvno: number): void {
    this.reference.passwordChanged(client, kvno, byAttacker)
    this.keepKey({ principal: client as Principal, kvno, key: decodePasswordKey(args).key })
  }

  #enrolled({ client, byAttacker }: OpenedTalk, results: readonly Value[], now: number): void {
    const { principal, kvno, key } = decodeEnrolled(results)
    this.reference.enrolled(client, principal, kvno, byAttacker, now)
    this.keepKey({ principal, kvno, key })
  }

  /** Only who has the key can derive the next one from what the KDC says; the judge has all of them. */
  #staged(name: string, kvno: number, results: readonly Value[]): void {
    const { kvno: next, salt } = decodeStagedKey(results)
    require(!PEOPLE.includes(name), `the KDC staged a key for ${name}, who has a password`)
    require(kvno === this.reference.keys.current(name), `the KDC staged a key after the dead key ${kvno}`)
    this.reference.keys.staged(name, next)
    this.reference.invitations.dropStaged(name)
    const key = this.#keys.get(`${name} ${kvno}`)
    if (key !== undefined)
      this.keepKey({ principal: name as Principal, kvno: next, key: deriveNextKey(key, salt) })
  }

  /** @param now KDC time when it was asked. */
  kdcAnswered(request: Uint8Array, answer: KdcAnswer, now: number): void {
    const { reply, issued, denied } = answer
    const { code, time } = errorIn(reply)
    this.guarded(() => {
      this.secrets.requireNone(reply)
      require(time === undefined || time === now, `the KDC tells a time that is ${Number(time) - now} ms off`)
      const question = readQuestion(request)
      this.#invariants.issued(nameOf(request), question, issued, now)
      if (code === 'ticket_invalid' && question?.kind === 'tgs')
        this.#requireUnopenable([question.tgt], KRBTGT, now)
      this.beliefs.kdcAnswered(request, answer, code)
    })
    if (issued.length > 0) {
      this.tally.count(readQuestion(request)?.kind === 'tgs' ? 'the TGS grants' : 'the AS grants')
    }
    if (code !== undefined) this.tally.count(`the KDC says ${code}`)
    for (const one of denied) this.tally.count(`the KDC denies ${one.code}`)
  }

  /** @param now its clock when it was asked. @param known what it knows of revocations, if it follows them */
  serviceAnswered(service: string, letter: Letter, outcome: Outcome, now: number, known?: Known): void {
    this.guarded(() => this.#judge(service, letter, outcome, now, known))
  }

  /**
   * A handler had begun, and went on while the service came to know more.
   * @param known by then
   */
  ended(service: string, letter: Letter, { answer, handled, refused }: Outcome, known: Known): void {
    this.guarded(() => {
      const view = readAp(messageIn(letter) ?? new Uint8Array())
      if (handled === undefined || view === undefined) return
      const dead = this.#ticketsOf(view).some(({ deadBy }) => known.facts.knows(deadBy))
      const { client, signal } = handled.ticket
      if (!dead) {
        require(answer.status === 200, `${service} took its answer to ${client} back, whose ticket is good`)
        return
      }
      this.tally.count('a request ends with its ticket')
      require(answer.status !== 200 &&
        signal.aborted, `${service} went on answering ${client}, whose ticket it knew to be dead`)
      // A client would send what it takes for not handled once more.
      const told = letter.method === 'GET' ? 'revoked' : 'unavailable'
      require(refused?.code ===
        told, `${service} said ${refused?.code} of a ${letter.method} that it had begun`)
    })
  }

  #ticketsOf({ own, delegated }: ApView): Issued[] {
    return [own, ...(delegated ? [delegated] : [])].flatMap(({ ticket }) => this.identify(ticket) ?? [])
  }

  #judge(
    service: string,
    letter: Letter,
    { answer, handled, refused }: Outcome,
    now: number,
    known?: Known,
  ): void {
    this.secrets.requireNoneInHttp(answer.headers, answer.body)
    const bytes = messageIn(letter)
    const view = bytes && readAp(bytes)
    const id = nameOf(bytes ?? new Uint8Array())
    if (handled !== undefined) {
      this.tally.count(`${service.split('@')[0]} accepts`)
      if (handled.ticket.via !== undefined) this.tally.count('a delegated request is accepted')
      if (service !== MALLORY) this.#invariants.accepted(service, letter, view, handled, now)
      if (view !== undefined) known?.facts.accepted(this.#ticketsOf(view), known.at)
      this.beliefs.serviceAnswered(id, answer)
    }
    if (refused?.code === undefined) return
    this.tally.count(`a service says ${refused.code}`)
    this.beliefs.serviceRefused(id, refused.code)
    // Without a presenter it is a type 05, which is never final.
    if (refused.presenter === undefined || view === undefined || service === MALLORY) return
    this.#invariants.refused(service, view, refused.code, now)
  }
}

/** What a service knows of revocations at a moment. */
export interface Known {
  readonly facts: FeedFacts
  readonly at: Reading
}

/** What an ERROR of either type says; nothing if it is not an ERROR. */
function errorIn(reply: Uint8Array): { readonly code?: string; readonly time?: number } {
  const type = messageType(reply)
  if (type === TYPE.ERROR) return openUnauthenticatedError(reply)
  if (type !== TYPE.ERROR_AUTHENTICATED) return {}
  const [code, time] = decodeMacMessage(reply, TYPE.ERROR_AUTHENTICATED).body
  return { code: String(code), time: Number(time) }
}
