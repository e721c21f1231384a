import { type Chain, isSame, type PlainCaveat, type PlainTicket } from '../properties/model.js'
import { ATTACKERS, EVERYBODY, KDC, KRBTGT, MALLORY, PEOPLE } from './cast.js'
import { type Dropped, InvitationFacts, type Terms } from './invitation-facts.js'
import { KeyFacts } from './key-facts.js'
import { PolicyFacts } from './policy-facts.js'

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
  /** The entry that first kills it, and of which revocation log; nothing while it lives. */
  deadBy: LogPlace | undefined
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

/** An entry of a revocation log: a restored KDC has another log. */
export interface LogPlace {
  readonly log: string
  readonly seq: number
}

export interface PrincipalFacts {
  incarnation: number
  exists: boolean
  enabled: boolean
  /** Milliseconds; nothing if it has no end. */
  endsAt?: number | undefined
}

export class Reference {
  readonly keys = new KeyFacts()
  readonly invitations = new InvitationFacts()
  readonly policy = new PolicyFacts()
  /** The number of the newest entry of the revocation log, for what is revoked without an administrator's answer. */
  newestEntry: () => number = () => 0
  /** Of the KDC, milliseconds: rates are counted by it. */
  monotonic: () => number = () => 0
  readonly tickets = new Map<string, Issued>()
  readonly principals = new Map<string, PrincipalFacts>(
    EVERYBODY.map(name => [name, { incarnation: 1, exists: true, enabled: true }]),
  )
  /** The id of the revocation log. */
  log = ''
  /** Its last entry. */
  newest = 0
  /** How often the series of tickets of a name was drawn again. */
  readonly #series = new Map<string, number>()
  readonly #stolenKeys = new Set<string>()
  readonly #handed: Handed[] = []
  readonly #handedTo: { readonly service: string; readonly handed: Handed }[] = []

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
    const have = active.filter(name => this.keys.current(name) !== undefined && !PEOPLE.includes(name))
    return [KDC, ...have]
  }

  /** From now on the KDC refuses every ticket that the principal has. @param seq the entry that says so */
  revoke(name: string, seq: number): void {
    this.#appended(seq)
    this.#endSeries(name, seq)
  }

  #appended(seq: number): void {
    require(seq > this.newest, `entry ${seq} of the revocation log came after ${this.newest}`)
    this.newest = seq
  }

  /** @param by the owner who invites; nothing if an administrator does */
  invite(name: string, terms: Terms, kvno: number, by?: string): void {
    this.principals.set(name, { incarnation: 1, exists: true, enabled: true })
    this.keys.replaced(name, kvno)
    this.invitations.add(name, terms, by === undefined ? undefined : { name: by, series: this.#seriesOf(by) })
  }

  /** Each restored KDC has drawn all of them again. */
  #seriesOf(name: string): string {
    return `${this.log} ${this.#series.get(name) ?? 0}`
  }

  /** The code of an owner is good only while the owner could still make it (section 9). */
  #requireInviter(invitation: string, target: string, now: number): void {
    const by = this.invitations.inviterOf(invitation)
    if (by === undefined) return
    const { name, series } = by
    require(series ===
      this.#seriesOf(name), `a code of ${name} is good beyond the tickets that it was made with`)
    require(this.isActive(name), `a code of ${name} is good, who is disabled or removed`)
    const owned = this.policy.ownedBy(name, now)
    require(this.policy.covers(owned, target), `a code of ${name} makes ${target}, which is not its any more`)
    require(this.policy.givesNoMore(target, owned, now), `a code of ${name} makes ${target}, who may more`)
  }

  /** The invitation is good for nothing any more, nor is what it handed out. */
  endInvitation(name: string, seq: number): void {
    this.#drop(name, this.invitations.withdraw(name))
    this.#endSeries(name, seq)
  }

  /** An invitation handed out a key for this principal, which it may have made for it. */
  enrolled(name: string, principal: string, kvno: number, byAttacker: boolean, now: number): void {
    const { invitations, keys } = this
    const facts = this.principal(principal)
    this.#requireInviter(name, principal, now)
    if (invitations.isForFleet(name)) {
      const waiting = invitations.waitingFor(principal, now)
      const isFree = keys.current(principal) === undefined && (waiting ?? name) === name
      require(!facts?.exists || isFree, `${principal} exists, and another host was made it`)
    }
    keys.staged(principal, kvno)
    invitations.dropStaged(principal)
    if (facts?.exists !== true) this.#made(principal)
    if (invitations.isForFleet(name)) this.#endFrom(name, principal, now)
    this.#drop(name, invitations.enrolled(name, principal, { kvno, byAttacker }, now))
  }

  /** Whatever end the host had that left the instance behind does not bind the one that has it now. */
  #endFrom(invitation: string, principal: string, now: number): void {
    const life = this.invitations.termsOf(invitation)?.principalsLife ?? null
    Object.assign(this.principal(principal) ?? {}, { endsAt: life === null ? undefined : now + life })
  }

  #made(principal: string): void {
    const incarnation = (this.principal(principal)?.incarnation ?? 0) + 1
    this.principals.set(principal, { incarnation, exists: true, enabled: true })
  }

  /** A principal that was made for a key goes with it. */
  #drop(invitation: string, dropped: readonly Dropped[]): void {
    for (const { principal, kvno } of dropped) {
      this.keys.dropNext(principal, kvno)
      const facts = this.principal(principal)
      if (facts !== undefined && this.invitations.isForFleet(invitation)) facts.exists = false
    }
  }

  /**
   * The KDC let somebody log in under this kvno; 0 is a person's password. One that an invitation handed out makes its holder the target, and
   * everything of the target that was before is dead.
   */
  loggedIn(name: string, asked: number, now: number): void {
    const kvno = asked === 0 && PEOPLE.includes(name) ? (this.keys.current(name) ?? 0) : asked
    if (this.invitations.has(name)) this.invitations.requireUsable(name, now)
    const isNew = kvno !== this.keys.current(name)
    const handed = isNew ? this.invitations.handedOut(name, kvno) : undefined
    this.keys.loggedIn(name, kvno)
    if (handed === undefined) return
    this.#requireInviter(handed.name, name, now)
    const isUsedUp = this.invitations.use(handed.name, name, now)
    const seq = this.newestEntry()
    this.#endSeries(name, seq)
    this.#endTicketsFor(name, seq)
    if (isUsedUp) this.#endSeries(handed.name, seq)
    this.#isAnother(name)
    if (handed.byAttacker) this.stealKey(name)
  }

  /** What was stolen of it before is of no use. */
  #isAnother(name: string): void {
    const facts = this.principal(name)
    if (facts !== undefined) facts.incarnation++
  }

  #endSeries(name: string, seq: number): void {
    this.newest = Math.max(this.newest, seq)
    this.#series.set(name, (this.#series.get(name) ?? 0) + 1)
    for (const ticket of this.tickets.values()) {
      // What is revoked already is of another series, which this entry does not name.
      if (ticket.client !== name || ticket.revoked) continue
      ticket.revoked = true
      ticket.deadBy ??= this.#place(seq)
    }
  }

  #endTicketsFor(name: string, seq: number): void {
    for (const ticket of this.tickets.values())
      if (ticket.service === name) ticket.deadBy ??= this.#place(seq)
  }

  #place(seq: number): LogPlace {
    return { log: this.log, seq }
  }

  /** And this one alone. */
  revokeTicket(ticket: Issued, seq: number): void {
    // A ticket that was revoked before has its entry already.
    if (seq > this.newest) this.#appended(seq)
    ticket.revoked = true
    ticket.deadBy ??= this.#place(seq)
  }

  /** All keys of the principal are dead: what is sealed for it, and what it has. */
  revokeKey(name: string, seq: number): void {
    this.revoke(name, seq)
    this.#endTicketsFor(name, seq)
    this.removed(name, seq)
  }

  /** And it was given another one by hand. */
  replaceKey(name: string, kvno: number, seq: number): void {
    this.revokeKey(name, seq)
    this.keys.renewed(name, kvno)
    this.#isAnother(name)
  }

  /** A person set another password. */
  passwordChanged(name: string, kvno: number, byAttacker: boolean): void {
    require(PEOPLE.includes(name), `the KDC let ${name} set a password, who has a random key`)
    this.revoke(name, this.newestEntry())
    this.invitations.dropStaged(name)
    this.keys.renewed(name, kvno)
    this.#isAnother(name)
    if (byAttacker) this.stealKey(name)
  }

  /** The KDC begins another log, and every series is drawn again: services learn nothing of that. */
  restored(log: string): void {
    this.log = log
    this.newest = 0
    for (const ticket of this.tickets.values()) ticket.revoked = true
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

  /** A client handed it to a service, sealed: whoever has the key of the service can read it. */
  handSealed(service: string, handed: Handed): void {
    this.#handedTo.push({ service, handed })
  }

  #wasEverStolen(name: string): boolean {
    const { incarnation = 0 } = this.principal(name) ?? {}
    return Array.from({ length: incarnation }, (_, i) => i + 1).some(one => this.isStolen(name, one))
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
    if (this.knowsWhole(chain.ticket) || this.#handed.some(handed => leadsTo(handed, chain))) return true
    return this.#handedTo.some(
      ({ service, handed }) => leadsTo(handed, chain) && this.#wasEverStolen(service),
    )
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
