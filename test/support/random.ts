import { createCipheriv, createHash } from 'node:crypto'
import type { RandomSource } from '../../shared/crypto/random.js'

/** How much of the stream is made at a time, bytes. */
const BLOCK = 16 * 1024

/** Random draws determined by a seed, so that a failed run can be repeated. */
export class Random {
  readonly #stream: ReturnType<typeof createCipheriv>
  #block = Buffer.alloc(0)
  #used = 0

  /** @param name separates streams of one seed, so that one that draws more does not change the draws of others */
  constructor(seed: number, name: string) {
    const key = createHash('sha256').update(`${seed} ${name}`).digest().subarray(0, 16)
    this.#stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  }

  readonly bytes: RandomSource = length => {
    const from = this.#take(length)
    return new Uint8Array(this.#block.buffer, this.#block.byteOffset + from, length).slice()
  }

  /** From 0 up to, but not including, 1. */
  fraction(): number {
    const from = this.#take(4)
    return this.#block.readUInt32LE(from) / 2 ** 32
  }

  /** @returns where in the block they begin */
  #take(length: number): number {
    if (this.#used + length > this.#block.length) {
      this.#block = this.#stream.update(Buffer.alloc(Math.max(BLOCK, length)))
      this.#used = 0
    }
    this.#used += length
    return this.#used - length
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1))
  }

  /** The same, but numbers of each length are equally frequent; `least` is above 0. */
  magnitude(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.fraction())
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  sign(): 1 | -1 {
    return this.chance(0.5) ? 1 : -1
  }

  pick<T>(from: readonly T[]): T {
    return from[this.between(0, from.length - 1)] as T
  }

  /** One of the names, each as often as its number says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const names = Object.keys(weights) as K[]
    let left = this.fraction() * names.reduce((sum, name) => sum + weights[name], 0)
    for (const name of names) {
      left -= weights[name]
      if (left < 0) return name
    }
    return names.at(-1) as K
  }
}
