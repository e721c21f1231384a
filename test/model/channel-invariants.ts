import type { Value } from '../../shared/encoding/encoding.js'
import { type PlainClaims, serviceVerdict } from '../properties/model.js'
import { KDC } from './cast.js'
import type { Identify } from './invariants.js'
import { ownedIn } from './policy-facts.js'
import { type Reference, require, type ShownChain } from './reference.js'
import type { ApView, LegView } from './view.js'

/** What must hold of every channel to the KDC and of every call in one (docs/protocol.md sections 9, 10 and 12). */

/** How long after a login a principal may change its keys, milliseconds. */
const FRESH = 5 * 60_000
/** How far KDC times may lie apart where the clock was set, milliseconds. */
const APART = 60_000

/** What a principal may do to itself, and what anybody may who has a channel. All else is for administrators. */
const ITSELF: ReadonlySet<string> = new Set(['keys', 'next-key', 'longest-life', 'new-password'])
const ANYBODY: ReadonlySet<string> = new Set(['follow', 'alive', 'seen'])

/** What the owner of a service may call about it: a rule's service is its second pattern. */
const OWNERS: ReadonlySet<string> = new Set([
  ...['allow', 'deny', 'forget', 'rule'],
  ...['invite', 'uninvite', 'rotate', 'show'],
])
const OF_RULES: ReadonlySet<string> = new Set(['allow', 'deny', 'forget', 'rule'])
/** The longest that an owner's code is good for, milliseconds. */
const CODE_LIFE = 24 * 60 * 60_000

/** A channel that the KDC opened. */
export interface OpenedTalk {
  readonly legs: readonly ShownChain[]
  /** The client that speaks in it. */
  readonly client: string
  /** What its tickets say, where no caveat withholds it. */
  readonly claims: PlainClaims
  readonly byAttacker: boolean
}

export class ChannelInvariants {
  readonly #reference: Reference
  readonly #identify: Identify

  constructor(reference: Reference, identify: Identify) {
    this.#reference = reference
    this.#identify = identify
  }

  /** @param by the honest client that opens it; nothing if that is the attacker */
  opened(view: ApView, by: string | undefined, now: number): OpenedTalk {
    const own = this.#chain(view.own)
    const delegated = view.delegated && { ...this.#chain(view.delegated), client: view.delegated.client }
    const legs = delegated === undefined ? [own] : [own, delegated]
    this.#requireStanding(legs, now)
    const facts = { service: KDC, now, method: undefined, target: '' }
    const verdict = serviceVerdict({ own, delegated, proved: legs }, facts)
    require('claims' in verdict, `the KDC opened a channel that it must refuse as ${verdict.code}`)
    const entitled = by !== undefined || legs.every(leg => this.#reference.mayUse(leg))
    require(entitled, `the KDC opened a channel of ${own.ticket.client} for who has no key for it`)
    return { legs, client: verdict.client, claims: verdict.claims, byAttacker: by === undefined }
  }

  /** The KDC did what a caller asked. */
  answered(talk: OpenedTalk, method: string, args: readonly Value[], now: number): void {
    const { legs, client } = talk
    this.#requireStanding(legs, now)
    const { invitations } = this.#reference
    if (invitations.has(client) || method === 'enrol') {
      require(method === 'enrol' && invitations.has(client), `the KDC let ${client} call ${method}`)
      invitations.requireUsable(client, now)
      return
    }
    if (OWNERS.has(method)) this.#requireOwned(talk, method, args, now)
    else if (ITSELF.has(method)) this.#requireItself(legs, method, now)
    else require(ANYBODY.has(method), `the KDC let ${client} call ${method}, which is for administrators`)
  }

  /** Both the ticket and the rules of now say that the caller owns what the call is about; and nobody owns the KDC. */
  #requireOwned({ client, claims }: OpenedTalk, method: string, args: readonly Value[], now: number): void {
    const { policy, invitations } = this.#reference
    const present = policy.ownedBy(client, now)
    const owned = ownedIn(claims).filter(each => present.includes(each))
    const about = String(OF_RULES.has(method) ? args[1] : args[0])
    const subject = method === 'uninvite' ? (invitations.termsOf(about)?.target ?? '') : about
    require(policy.covers(owned, subject), `the KDC let ${client} ${method} ${subject}, and it owns ${owned}`)
    if (method !== 'invite') return
    require(Number(args[2]) <= now + CODE_LIFE, `the KDC let an owner make a code for more than a day`)
    const isLess = policy.givesNoMore(subject, owned, now)
    require(isLess, `the KDC let ${client} invite ${subject}, who may do more than ${client}`)
  }

  /** Only somebody who has the key, or had it a moment ago: no delegate, no narrowed ticket, no old session. */
  #requireItself(legs: readonly ShownChain[], method: string, now: number): void {
    const [own, delegated] = legs
    require(own !== undefined && delegated === undefined, `the KDC let a delegate call ${method}`)
    const { client, caveats, authTime } = own.ticket
    const whole = caveats.length === 0 && own.caveats.length === 0
    require(whole, `the KDC let ${client} call ${method} by a ticket with caveats`)
    const age = now - authTime
    require(age <= FRESH && age >= -APART, `the KDC let ${client} call ${method} by a login of ${age} ms ago`)
  }

  /** The tickets of a channel stand at its opening and at every call. */
  #requireStanding(legs: readonly ShownChain[], now: number): void {
    for (const { ticket, caveats } of legs) {
      const { client, incarnation, revoked, end } = ticket
      require(!revoked, `the KDC talked with ${client}, whose ticket is revoked`)
      require(this.#reference.isActive(client), `the KDC talked with ${client}, who is disabled or removed`)
      const present = this.#reference.principal(client)?.incarnation === incarnation
      require(present, `the KDC talked with another ${client}`)
      const ends = [...ticket.caveats, ...caveats].filter(([name]) => name === 'expires')
      require(now <
        Math.min(end, ...ends.map(([, time]) => Number(time))), `a channel of ${client} has ended`)
    }
  }

  #chain({ ticket, caveats }: LegView): ShownChain {
    const issued = this.#identify(ticket)
    require(issued !== undefined, 'the KDC opened a channel under a ticket that it never issued')
    return { ticket: issued, caveats }
  }
}
