import { require } from './reference.js'

/** What is known of invitations, by docs/protocol.md section 12: for which principal, or which fleet and how many. */

interface Facts extends Terms {
  used: number
  isWithdrawn: boolean
  /** Nothing if an administrator made it. */
  readonly by: Inviter | undefined
  /** The keys that it handed out and nobody has shown, by the principals that they are for; the newest last. */
  readonly staged: Map<string, Staged>
}

export interface Terms {
  /** One principal, or every instance of a name. */
  readonly target: string
  readonly uses: number
  /** Milliseconds. */
  readonly endsAt: number
  /** How long the principals that it makes exist, milliseconds; null for no end. */
  readonly principalsLife: number | null
}

/** The owner who made it, and which series of tickets it had then. */
export interface Inviter {
  readonly name: string
  readonly series: string
}

interface Staged {
  readonly kvno: number
  readonly byAttacker: boolean
}

/** A key that was handed out, and that nobody can log in with any more. */
export interface Dropped {
  readonly principal: string
  readonly kvno: number
}

export class InvitationFacts {
  readonly #all = new Map<string, Facts>()

  add(name: string, terms: Terms, by?: Inviter): void {
    this.#all.set(name, { ...terms, used: 0, isWithdrawn: false, staged: new Map(), by })
  }

  inviterOf(name: string): Inviter | undefined {
    return this.#all.get(name)?.by
  }

  has(name: string): boolean {
    return this.#all.has(name)
  }

  termsOf(name: string): Terms | undefined {
    return this.#all.get(name)
  }

  isForFleet(name: string): boolean {
    return this.#all.get(name)?.target.includes('*') === true
  }

  /** Whether a host can still join with it. */
  isUsable(name: string, now: number): boolean {
    const facts = this.#all.get(name)
    return facts !== undefined && facts.used < facts.uses && !facts.isWithdrawn && now < facts.endsAt
  }

  requireUsable(name: string, now: number): void {
    require(this.isUsable(name, now), `the KDC takes ${name}, which was used or has ended`)
  }

  /** It handed out a key. @returns what it handed out to more hosts than may still join, from the oldest */
  enrolled(name: string, principal: string, staged: Staged, now: number): Dropped[] {
    this.requireUsable(name, now)
    const facts = this.#all.get(name)
    if (facts === undefined) return []
    const { target, uses, used } = facts
    const [prefix = '', realm] = target.split('*')
    const covers =
      realm === undefined ? principal === target : principal.startsWith(prefix) && principal.endsWith(realm)
    require(covers, `${name} made ${principal}, and was for ${target}`)
    facts.staged.delete(principal)
    facts.staged.set(principal, staged)
    const excess = [...facts.staged].slice(0, Math.max(0, facts.staged.size - (uses - used)))
    for (const [dropped] of excess) facts.staged.delete(dropped)
    return excess.map(([dropped, { kvno }]) => ({ principal: dropped, kvno }))
  }

  /** The key of the principal that was staged by other means, or made current, is no invitation's. */
  dropStaged(principal: string): void {
    for (const { staged } of this.#all.values()) staged.delete(principal)
  }

  /** Which invitation handed out this key, and to whom. */
  handedOut(
    principal: string,
    kvno: number,
  ): { readonly name: string; readonly byAttacker: boolean } | undefined {
    for (const [name, { staged }] of this.#all) {
      const one = staged.get(principal)
      if (one?.kvno === kvno) return { name, byAttacker: one.byAttacker }
    }
    return undefined
  }

  /** Which usable invitation has handed out a key for this principal. */
  waitingFor(principal: string, now: number): string | undefined {
    const found = [...this.#all].find(
      ([name, { staged }]) => staged.has(principal) && this.isUsable(name, now),
    )
    return found?.[0]
  }

  /** Somebody has shown a key that it handed out. @returns whether it is good for nothing any more */
  use(name: string, principal: string, now: number): boolean {
    this.requireUsable(name, now)
    const facts = this.#all.get(name)
    if (facts === undefined) return false
    facts.used++
    facts.staged.delete(principal)
    return facts.used === facts.uses
  }

  /** @returns the keys that it handed out, which are good for nothing either */
  withdraw(name: string): Dropped[] {
    const facts = this.#all.get(name)
    if (facts === undefined) return []
    facts.isWithdrawn = true
    const staged = [...facts.staged].map(([principal, { kvno }]) => ({ principal, kvno }))
    facts.staged.clear()
    return staged
  }

  /** All those for exactly this principal. */
  withdrawFor(target: string): string[] {
    const names = [...this.#all].filter(([, facts]) => facts.target === target).map(([name]) => name)
    for (const name of names) this.withdraw(name)
    return names
  }
}
