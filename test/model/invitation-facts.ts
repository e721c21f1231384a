import { require } from './reference.js'

/** What is known of invitations, by docs/protocol.md section 12: each is for one principal, and for one host. */

interface Facts {
  readonly target: string
  /** Milliseconds. */
  readonly endsAt: number
  /** A host has joined with it. */
  isUsed: boolean
  isWithdrawn: boolean
  /** The key that it handed out last. */
  staged: { readonly kvno: number; readonly byAttacker: boolean } | undefined
}

export class InvitationFacts {
  readonly #all = new Map<string, Facts>()

  add(name: string, target: string, endsAt: number): void {
    this.#all.set(name, { target, endsAt, isUsed: false, isWithdrawn: false, staged: undefined })
  }

  has(name: string): boolean {
    return this.#all.has(name)
  }

  targetOf(name: string): string | undefined {
    return this.#all.get(name)?.target
  }

  /** Whether a host can still join with it. */
  isUsable(name: string, now: number): boolean {
    const facts = this.#all.get(name)
    return facts !== undefined && !facts.isUsed && !facts.isWithdrawn && now < facts.endsAt
  }

  requireUsable(name: string, now: number): void {
    require(this.isUsable(name, now), `the KDC takes ${name}, which was used or has ended`)
  }

  /** It handed out a key; what it handed out before is dropped. */
  enrolled(name: string, kvno: number, byAttacker: boolean, now: number): void {
    this.requireUsable(name, now)
    const facts = this.#all.get(name)
    if (facts !== undefined) facts.staged = { kvno, byAttacker }
  }

  /** The key of the target that was staged by other means, or made current, is no invitation's. */
  dropStaged(target: string): void {
    for (const facts of this.#all.values()) if (facts.target === target) facts.staged = undefined
  }

  /** Which invitation handed out this key, and to whom. */
  handedOut(
    target: string,
    kvno: number,
  ): { readonly name: string; readonly byAttacker: boolean } | undefined {
    for (const [name, { target: whose, staged }] of this.#all) {
      if (whose === target && staged?.kvno === kvno) return { name, byAttacker: staged.byAttacker }
    }
    return undefined
  }

  /** Somebody has shown a key that it handed out: it is good for nothing any more. */
  use(name: string, now: number): void {
    this.requireUsable(name, now)
    const facts = this.#all.get(name)
    if (facts !== undefined) Object.assign(facts, { isUsed: true, staged: undefined })
  }

  withdraw(name: string): void {
    const facts = this.#all.get(name)
    if (facts !== undefined) Object.assign(facts, { isWithdrawn: true, staged: undefined })
  }

  /** All those for exactly this principal. */
  withdrawFor(target: string): string[] {
    const names = [...this.#all].filter(([, facts]) => facts.target === target).map(([name]) => name)
    for (const name of names) this.withdraw(name)
    return names
  }
}
