import type { Fraction } from '../../shared/crypto/fraction.js'

/**
 * In which order URLs are tried. It is drawn at random once, so that clients spread over the KDCs, and goes round from
 * there: one that failed comes after all others. Nothing goes back to it by itself, but only what has to connect anyway.
 */
export class Turns {
  readonly #order: readonly string[]
  #next = 0

  constructor(urls: readonly string[], fraction: Fraction) {
    this.#order = shuffled(urls, fraction)
  }

  /** All URLs, as a round is to try them. */
  next(): string[] {
    return [...this.#order.slice(this.#next), ...this.#order.slice(0, this.#next)]
  }

  tried(url: string): void {
    this.#next = (this.#order.indexOf(url) + 1) % this.#order.length
  }
}

/** Draws one of the orders, all equally likely. */
function shuffled(urls: readonly string[], fraction: Fraction): string[] {
  const rest = [...urls]
  const order: string[] = []
  while (rest.length > 1) order.push(...rest.splice(Math.floor(fraction() * rest.length), 1))
  return [...order, ...rest]
}
