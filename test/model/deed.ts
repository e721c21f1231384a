import type { AsyncCommand } from 'fast-check'
import type { Ticket } from '../../client/ticket/ticket.js'
import type { Attacker } from './attacker.js'
import type { HonestClient } from './honest-client.js'
import type { Reference, ShownChain } from './reference.js'
import type { World } from './world.js'

/** Everything of one run. */
export interface Run {
  readonly world: World
  readonly attacker: Attacker
  /** Credentials that the delegate was given for services. */
  readonly imported: { readonly ticket: Ticket; readonly chain: ShownChain }[]
  /** Clients that use a part of another client's TGT. */
  readonly borrowers: { readonly client: HonestClient; readonly chain: ShownChain }[]
}

/** A kind of action; `act` says whether there was anything to do. */
export interface Kind<A> {
  readonly name: string
  act(run: Run, args: A): Promise<boolean>
}

/** One thing done in a run, as fast-check draws it. */
export class Deed<A> implements AsyncCommand<Reference, Run> {
  readonly #kind: Kind<A>
  readonly #args: A

  constructor(kind: Kind<A>, args: A) {
    this.#kind = kind
    this.#args = args
  }

  check(): boolean {
    return true
  }

  async run(_: Reference, run: Run): Promise<void> {
    const done = await this.#kind.act(run, this.#args)
    await run.world.settle()
    if (done) run.world.tally.count(`done: ${this.#kind.name}`)
  }

  toString(): string {
    return `${this.#kind.name} ${JSON.stringify(this.#args)}`
  }
}

/** One of the list, counted from its end, for any number; nothing if the list is empty. */
export function among<T>(list: readonly T[], index: number): T | undefined {
  return list.at(-1 - (index % Math.max(1, list.length)))
}
