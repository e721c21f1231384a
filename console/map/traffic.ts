import type { Use } from '../../shared/administration/audit.js'
import { type Ask, type Denial, pairOf } from './asks.js'

/** Into how many parts the window is cut: what is older than the window leaves it in steps of one part. */
const PARTS = 60

/** The most pairs that are kept. */
export const PAIRS_MAX = 50_000
/**
 * The most pairs of one client that begin with a denial. It may ask for ever new names that do not exist, and must not take
 * the room of others by it.
 */
export const DENIED_PAIRS_MAX = 50

/** What one client asked of one service within the window. It goes on counting: read it when it is drawn. */
export interface Edge {
  readonly client: string
  readonly service: string
  /** Tickets granted and denied within the window. What was before the page is counted as spread evenly over it. */
  readonly granted: number
  readonly denied: number
  /** When it last asked, and from which address. */
  readonly at: number
  readonly from: string
  /** The last denial that this page saw, or undefined: `uses` tells no reasons. */
  readonly denial: Denial | undefined
}

/** How much of the past is still within the window, from 1 to 0: the same for all pairs. */
interface Left {
  share: number
}

type Asked = Pick<Ask, 'client' | 'service' | 'at' | 'from'>

class Pair implements Edge {
  readonly client: string
  readonly service: string
  at: number
  from: string
  denial: Denial | undefined
  past: Pick<Use, 'granted' | 'denied' | 'at'> | undefined
  /** Since the past was read. */
  readonly since: Share = { granted: 0, denied: 0 }
  readonly begunDenied: boolean
  readonly #left: Left

  constructor({ client, service, at, from }: Asked, left: Left, begunDenied: boolean) {
    this.client = client
    this.service = service
    this.at = at
    this.from = from
    this.begunDenied = begunDenied
    this.#left = left
  }

  get granted(): number {
    return this.since.granted + (this.past?.granted ?? 0) * this.#left.share
  }

  get denied(): number {
    return this.since.denied + (this.past?.denied ?? 0) * this.#left.share
  }
}

/** What a part of the window adds to a pair. */
interface Share {
  granted: number
  denied: number
}

/**
 * Who asked whom within a window that moves with time: the past once, as `uses` tells it, and each line after it. A line
 * that both tell is counted once.
 */
export class Traffic {
  /** How long the window is, milliseconds. */
  readonly window: number
  readonly #pairs = new Map<string, Pair>()
  /** The parts of the window, the oldest first. */
  readonly #parts: { readonly from: number; readonly shares: Map<Pair, Share> }[] = []
  readonly #left: Left = { share: 1 }
  /** How many pairs of each client began with a denial. */
  readonly #begunDenied = new Map<string, number>()
  #listed: readonly Edge[] | undefined
  #pastRead: number | undefined
  #early: Ask[] = []
  #unkept = 0

  constructor(window: number) {
    this.window = window
  }

  /** How many asks are not among the pairs, because there were too many of them. */
  get unkept(): number {
    return this.#unkept
  }

  get hasPast(): boolean {
    return this.#pastRead !== undefined
  }

  /**
   * What was asked before: call it once. Lines that were added before, and that it tells too, are counted once.
   * @param read when it was read, by the KDC's clock
   */
  setPast(uses: readonly Use[], read: number): void {
    const early = this.#early
    this.#pairs.clear()
    this.#parts.length = 0
    this.#begunDenied.clear()
    this.#early = []
    this.#unkept = 0
    this.#pastRead = read
    for (const use of uses) {
      const pair = this.#pair(use, use.granted > 0)
      if (pair !== undefined) pair.past = use
    }
    for (const ask of early) this.add(ask)
  }

  /** @returns whether it is among the pairs */
  add(ask: Ask): boolean {
    if (this.#pastRead === undefined && this.#early.length < PAIRS_MAX) this.#early.push(ask)
    const pair = this.#pair(ask, ask.granted)
    if (pair === undefined) {
      this.#unkept++
      return false
    }
    if (ask.denial !== undefined) pair.denial = ask.denial
    // The lines of a pair come in the order of their times, so this one is among what `uses` counted.
    if (pair.past !== undefined && ask.at <= pair.past.at) return true
    pair.at = Math.max(pair.at, ask.at)
    pair.from = ask.from
    const what = ask.granted ? 'granted' : 'denied'
    pair.since[what]++
    this.#share(pair, ask.at)[what]++
    return true
  }

  /** Why it was denied, of a line from before: it counts nowhere. */
  explain({ denial, ...asked }: Ask): void {
    const pair = this.#pairs.get(pairOf(asked))
    if (pair !== undefined && denial !== undefined && denial.at >= (pair.denial?.at ?? 0))
      pair.denial = denial
  }

  /**
   * Takes out what the window has left behind. @returns the pairs that asked within it: the same array as long as they
   * are the same ones
   */
  at(now: number): readonly Edge[] {
    const begin = now - this.window
    this.#forget(begin)
    this.#left.share = Math.min(1, Math.max(0, 1 - (now - (this.#pastRead ?? now)) / this.window))
    for (const [name, pair] of this.#pairs) {
      if (pair.at > begin) continue
      this.#pairs.delete(name)
      if (pair.begunDenied) this.#countDenied(pair.client, -1)
      this.#listed = undefined
    }
    this.#listed ??= [...this.#pairs.values()]
    return this.#listed
  }

  #pair(asked: Asked, granted: boolean): Pair | undefined {
    const name = pairOf(asked)
    const found = this.#pairs.get(name)
    if (found !== undefined) return found
    const { client } = asked
    if (this.#pairs.size >= PAIRS_MAX) return undefined
    if (!granted && (this.#begunDenied.get(client) ?? 0) >= DENIED_PAIRS_MAX) return undefined
    const made = new Pair(asked, this.#left, !granted)
    if (!granted) this.#countDenied(client, 1)
    this.#pairs.set(name, made)
    this.#listed = undefined
    return made
  }

  #countDenied(client: string, more: number): void {
    const count = (this.#begunDenied.get(client) ?? 0) + more
    if (count > 0) this.#begunDenied.set(client, count)
    else this.#begunDenied.delete(client)
  }

  #share(pair: Pair, at: number): Share {
    let part = this.#parts.at(-1)
    if (part === undefined || at >= part.from + this.window / PARTS) {
      part = { from: at, shares: new Map() }
      this.#parts.push(part)
    }
    const found = part.shares.get(pair)
    if (found !== undefined) return found
    const share = { granted: 0, denied: 0 }
    part.shares.set(pair, share)
    return share
  }

  #forget(before: number): void {
    const length = this.window / PARTS
    for (;;) {
      const [oldest] = this.#parts
      if (oldest === undefined || oldest.from + length > before) return
      this.#parts.shift()
      for (const [{ since }, { granted, denied }] of oldest.shares) {
        since.granted -= granted
        since.denied -= denied
      }
    }
  }
}
