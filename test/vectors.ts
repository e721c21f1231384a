import { readFileSync } from 'node:fs'
import type { Value } from '../shared/encoding/encoding.js'

/** The exact bytes of an independent implementation, `test/vectors/NAME.json`, typed by who reads them. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), 'utf8')) as T
}

export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], byte => Number.parseInt(byte, 16))
}

export type Json = null | boolean | number | string | { readonly hex: string } | readonly Json[]

/** A value of the encoding as the vectors write it: bytes are `{ "hex": ... }`. */
export function fromJson(json: Json): Value {
  if (Array.isArray(json)) return json.map(fromJson)
  if (typeof json === 'object' && json !== null) return hex((json as { hex: string }).hex)
  return json as null | boolean | number | string
}

/** A source of randomness that gives these bytes, in turn, and nothing else. */
export function fixedRandom(...draws: Uint8Array[]): (length: number) => Uint8Array {
  return length => {
    const draw = draws.shift()
    if (draw?.length !== length) throw new Error(`no ${length} random bytes were prepared`)
    return draw
  }
}
