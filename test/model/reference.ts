import { type Chain, isSame, type PlainCaveat, type PlainTicket } from '../properties/model.js'
import { ATTACKERS, EVERYBODY, KDC, KRBTGT, MALLORY } from './cast.js'
import { InvitationFacts } from './invitation-facts.js'
import { KeyFacts } from './key-facts.js'

/**
 * Everything that can be known of a run, as sets of facts: who was sent what, what was issued, who was told which
 * secret. It has no cryptography, and shares nothing with the code that it is compared with. Bytes are only names here.
 */

/** An invariant does not hold: the code under test did something that it must not do. */
export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken'

  constructor(what: string) {
    super(`INVARIANT: ${what}`)
  }
}

export function require(holds: boolean, what: string): asserts holds {
  if (!holds) throw new InvariantBroken(what)
}

/** A ticket that the KDC issued. */
export interface Issued extends PlainTicket {
  readonly id: string
  /** Which principal of that name: a name that was removed and made again is another one. */
  readonly incarnation: number
  /** Which service of that name, whose key it is sealed under; nothing if that is the KDC. */
  readonly serviceIncarnation: number | undefined
  /** The kvno of its service at that moment. */
  readonly kvno: number | undefined
  /** When its client logged in, milliseconds. */
  readonly authTime: number
  /** What the client presented for it; nothing if it logged in. */
  readonly under: ShownChain | undefined
  /** The KDC refuses it: its client was disabled, removed or revoked since, or it was itself. */
  revoked: boolean
  /** The entry of the revocation log that first kills it; nothing while it lives. */
  deadBy: number | undefined
  /** The attacker got its session key. */
  stolen: boolean
}

/** A ticket as somebody shows it. */
export interface ShownChain extends Chain {
  readonly ticket: Issued
}

/** A key that the attacker was given: that of the chain or, if it is closed, only for exactly that chain. */
export interface Handed extends ShownChain {
  readonly closed: boolean
}

export interface PrincipalFacts {
  incarnation: number
  exists: boolean
  enabled: boolean
}

export class Reference {
  readonly keys = new KeyFacts()
  readonly invitations = new InvitationFacts()
  /** The number of the newest entry of the revocation log, for what is revoked without an administrator's answer. */
  newestEntry: () => number = () => 0
  readonly tickets = new Map<string, Issued>()
  readonly principals = new Map<string, PrincipalFacts>(
    EVERYBODY.map(name => [name, { incarnation: 1, exists: true, enabled: true }]),
  )
  /** The last entry of the revocation log. */
  newest = 0
  readonly #stolenKeys = new Set<string>()
  readonly #handed: Handed[] = []

  principal(name: string): PrincipalFacts | undefined {
    return this.principals.get(name)
  }

  isActive(name: string): boolean {
    const facts = this.principal(name)
    return facts?.exists === true && facts.enabled
  }

  /** Whether there is a principal that tickets can be had for. */
  get services(): string[] {
    const active = [...this.principals.keys()].filter(name => this.isActive(name))
    return [KDC, ...active.filter(name => this.keys.current(name) !== undefined)]
  }

  /** From now on the KDC refuses every ticket that the principal has. @param seq the entry that says so */
  revoke(name: string, seq: number): void {
    this.#appended(seq)
    for (const ticket of this.tickets.values()) {
      if (ticket.client !== name) continue
      ticket.revoked = true
      ticket.deadBy ??= seq
    }
  }

  #appended(seq: number): void {
    require(seq > this.newest, `entry ${seq} of the revocation log came after ${this.newest}`)
    this.newest = seq
  }

  invite(name: string, target: string, endsAt: number, kvno: number): void {
    this.principals.set(name, { incarnation: 1, exists: true, enabled: true })
    this.keys.replaced(name, kvno)
    this.invitations.add(name, target, endsAt)
  }

  /** The invitation is good for nothing any more, nor is what it handed out. */
  endInvitation(name: string, seq: number): void {
    const target = this.invitations.targetOf(name)
    this.invitations.withdraw(name)
    if (target !== undefined) this.keys.dropNext(target, this.invitations)
    this.#endSeries(name, seq)
  }

  /**
   * The KDC let somebody log in under this kvno. One that an invitation handed out makes its holder the target, and
   * everything of the target that was before is dead.
   */
  loggedIn(name: string, kvno: number, now: number): void {
    if (this.invitations.has(name)) this.invitations.requireUsable(name, now)
    const isNew = kvno !== this.keys.current(name)
    const handed = isNew ? this.invitations.handedOut(name, kvno) : undefined
    this.keys.loggedIn(name, kvno)
    if (handed === undefined) return
    this.invitations.use(handed.name, now)
    const seq = this.newestEntry()
    this.#endSeries(name, seq)
    this.#endSeries(handed.name, seq)
    const facts = this.principal(name)
    if (facts === undefined) return
    facts.incarnation++
    if (handed.byAttacker) this.stealKey(name)
  }

  #endSeries(name: string, seq: number): void {
    this.newest = Math.max(this.newest, seq)
    for (const ticket of this.tickets.values()) {
      if (ticket.client !== name) continue
      ticket.revoked = true
      ticket.deadBy ??= seq
    }
  }

  /** And this one alone. */
  revokeTicket(ticket: Issued, seq: number): void {
    // A ticket that was revoked before has its entry already.
    if (seq > this.newest) this.#appended(seq)
    ticket.revoked = true
    ticket.deadBy ??= seq
  }

  /** All keys of the principal are dead: what is sealed for it, and what it has. */
  revokeKey(name: string, seq: number): void {
    this.revoke(name, seq)
    for (const ticket of this.tickets.values()) if (ticket.service === name) ticket.deadBy ??= seq
    this.removed(name, seq)
  }

  /** It has no keys, and codes for it end: they would make it again. */
  removed(name: string, seq: number): void {
    this.keys.removed(name)
    for (const ended of this.invitations.withdrawFor(name)) this.#endSeries(ended, seq)
  }

  /** From now on nothing is promised about this principal, until it is made again. */
  stealKey(name: string): void {
    this.#stolenKeys.add(`${name} ${this.principal(name)?.incarnation}`)
  }

  isStolen(name: string, incarnation = this.principal(name)?.incarnation): boolean {
    return this.#stolenKeys.has(`${name} ${incarnation}`)
  }

  hand(handed: Handed): void {
    this.#handed.push(handed)
  }

  /** Whether the attacker has the session key itself, and so everything that can be made of it. */
  knowsWhole(ticket: Issued): boolean {
    if (ticket.stolen || ticket.service === MALLORY || ATTACKERS.includes(ticket.client)) return true
    if (this.isStolen(ticket.client, ticket.incarnation)) return true
    if (this.isStolen(ticket.service, ticket.serviceIncarnation)) return true
    // Whoever can ask under a TGT can read what was answered under it.
    return ticket.under !== undefined && this.mayUse(ticket.under)
  }

  /** Whether the attacker has a key that leads to exactly this chain. */
  mayUse(chain: ShownChain): boolean {
    return this.knowsWhole(chain.ticket) || this.#handed.some(handed => leadsTo(handed, chain))
  }

  /** Whether the attacker may ask for a login in this name. */
  mayLogIn(name: string): boolean {
    return ATTACKERS.includes(name) || this.isStolen(name)
  }

  /** The TGTs among them. */
  isTgt(ticket: Issued): boolean {
    return ticket.service === KRBTGT
  }
}

function leadsTo({ ticket, caveats, closed }: Handed, chain: ShownChain): boolean {
  if (ticket !== chain.ticket) return false
  if (closed) return isSame({ ticket, caveats }, chain)
  return isSame({ ticket, caveats }, { ticket, caveats: beginning(chain.caveats, caveats.length) })
}

function beginning(caveats: readonly PlainCaveat[], length: number): readonly PlainCaveat[] {
  return caveats.slice(0, length)
}
