import type { HeaderPair } from './header-rules.js'
import { valuesOf } from './header-rules.js'

/**
 * How long a body was before it was sealed: many programs take a body only with its length, and on the way it has another one,
 * or none. The proxy beside the caller tells it in a header that the request covers.
 */
export const LENGTH_HEADER = 'orthrus-body-length'

const LENGTH = /^(?:0|[1-9]\d{0,14})$/

/**
 * @param covered what the request covers, in lower case: what it does not cover anybody on the way may have written, and says
 * nothing
 * @returns bytes; undefined if nothing is told; NaN if it is no length
 */
export function toldLength(pairs: readonly HeaderPair[], covered: readonly string[]): number | undefined {
  if (!covered.includes(LENGTH_HEADER)) return undefined
  const [value, ...others] = valuesOf(pairs, LENGTH_HEADER)
  if (value === undefined) return undefined
  return others.length === 0 && LENGTH.test(value) ? Number(value) : Number.NaN
}
