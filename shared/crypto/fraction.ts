import type { RandomSource } from './random.js'

/** A number from 0 up to, but not including, 1. It spreads load and protects nothing. */
export type Fraction = () => number

export function fractionFrom(random: RandomSource): Fraction {
  return () => {
    const [high = 0, low = 0] = random(2)
    return (high * 256 + low) / 65_536
  }
}
