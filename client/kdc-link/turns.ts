import type { Fraction } from '../../shared/crypto/fraction.js'
import { type Clock, SECOND } from '../../shared/time.js'

/** Tuning: for how long the URL of a KDC that failed is tried after the others, milliseconds. */
const REST = 30 * SECOND

export interface TurnsOptions {
  readonly urls: readonly string[]
  readonly clock: Clock
  readonly fraction: Fraction
}

/**
 * In which order URLs are tried. It is drawn at random once, so that clients spread over the KDCs, and goes round from
 * there. Nothing goes back by itself to a KDC that failed: only what has to connect anyway comes to it again.
 */
export class Turns {
  readonly #clock: Clock
  readonly #order: readonly string[]
  readonly #failedAt = new Map<string, number>()
  #next = 0

  constructor({ urls, clock, fraction }: TurnsOptions) {
    this.#clock = clock
    this.#order = shuffled(urls, fraction)
  }

  /** The URLs as a round is to try them: those that failed a moment ago come last. */
  next(): string[] {
    const turn = [...this.#order.slice(this.#next), ...this.#order.slice(0, this.#next)]
    const now = this.#clock.monotonic()
    const rests = (url: string): boolean => now - (this.#failedAt.get(url) ?? Number.NEGATIVE_INFINITY) < REST
    return [...turn.filter(url => !rests(url)), ...turn.filter(rests)]
  }

  tried(url: string): void {
    this.#next = (this.#order.indexOf(url) + 1) % this.#order.length
  }

  avoid(url: string): void {
    this.#failedAt.set(url, this.#clock.monotonic())
  }

  use(url: string): void {
    this.#failedAt.delete(url)
  }
}

/** Every order is as likely as any other. */
function shuffled(urls: readonly string[], fraction: Fraction): string[] {
  const rest = [...urls]
  const order: string[] = []
  while (rest.length > 1) order.push(...rest.splice(Math.floor(fraction() * rest.length), 1))
  return [...order, ...rest]
}
