import type { RandomSource } from './random.js'

/** Returns a number from 0 up to, but not including, 1. It only spreads load; nothing secret depends on it. */
export type Fraction = () => number

export function fractionFrom(random: RandomSource): Fraction {
  return () => drawFraction(random)
}

/** One such number, from 4 bytes. */
export function drawFraction(random: RandomSource): number {
  const bytes = random(4)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32
}
