import type { RandomSource } from './random.js'

/** Returns a number from 0 up to, but not including, 1. It only spreads load; nothing secret depends on it. */
export type Fraction = () => number

export function fractionFrom(random: RandomSource): Fraction {
  return () => drawFraction(random)
}

/** One such number, from 4 bytes. */
export function drawFraction(random: RandomSource): number {
  const [first = 0, second = 0, third = 0, fourth = 0] = random(4)
  return (first * 2 ** 24 + second * 2 ** 16 + third * 2 ** 8 + fourth) / 2 ** 32
}
