import { LIMIT } from '../constants.js'
import { encodeScratch, type Value } from '../encoding/encoding.js'
import { fields, listOf, textOf } from '../encoding/fields.js'
import { malformed } from '../errors.js'
import { compareNames } from './claim-names.js'

/** Claims: what policy says about a client, for the service to read (docs/protocol.md section 4). */

export type ClaimValue = string | number | boolean | readonly string[]
/** Sorted by the UTF-8 bytes of the names, each name once. */
export type Claims = readonly (readonly [name: string, value: ClaimValue])[]

export function encodeClaims(claims: Claims): Value[] {
  return claims.map(([name, value]) => [name, Array.isArray(value) ? [...value] : (value as Value)])
}

/** @throws OrthrusError `malformed` */
export function decodeClaims(value: Value | undefined): Claims {
  const list = listOf(value, LIMIT.CLAIMS)
  const claims = list.map(claim => {
    const [name, claimed] = fields(claim, 2)
    return [textOf(name), claimValueOf(claimed)] as const
  })
  for (let i = 1; i < claims.length; i++) {
    if (compareNames(claims[i - 1]?.[0] ?? '', claims[i]?.[0] ?? '') >= 0)
      throw malformed('claims out of order')
  }
  if (list.length > 0 && encodeScratch(list).length > LIMIT.CLAIMS_BYTES)
    throw malformed('claims of more than 2 KiB')
  return claims
}

function claimValueOf(value: Value | undefined): ClaimValue {
  if (Array.isArray(value)) return value.map(textOf)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  throw malformed('a claim whose value is not text, a number, true, false or a list of texts')
}
