import { randomBytes } from '#primitives'

/** Draws that many bytes. Tests pass their own; everything else is the platform's generator. */
export type RandomSource = (length: number) => Uint8Array

export const systemRandom: RandomSource = randomBytes
