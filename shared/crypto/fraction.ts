import type { RandomSource } from './random.js'

/** A number from 0 up to, but not including, 1. It spreads load and protects nothing. */
export type Fraction = () => number

export function fractionFrom(random: RandomSource): Fraction {
  return () => drawFraction(random)
}

/** One such number, from 4 bytes. */
export function drawFraction(random: RandomSource): number {
  const bytes = random(4)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32
}
