import { toHex } from '../bytes.js'
import type { Value } from '../encoding/encoding.js'
import { formatTime } from '../time.js'
import { type Caveat, decodeCaveat } from './caveats.js'
import type { ClaimValue } from './claims.js'

/**
 * Caveats and claims in words, for people. Whoever makes a credential chooses its texts, so they are quoted with care.
 */

/** Caveats as they are in a ticket. One of unknown form is named as what it is. */
export function caveatTexts(caveats: readonly Uint8Array[]): string[] {
  return caveats.map(bytes => {
    try {
      return caveatText(decodeCaveat(bytes))
    } catch {
      return 'of unknown form: it never holds'
    }
  })
}

/** What a caveat restricts a ticket to, such as `methods GET, HEAD`. */
export function caveatText(caveat: Caveat): string {
  switch (caveat.name) {
    case 'expires':
      return `expires ${formatTime(caveat.time)}`
    case 'services':
      return `services ${listText(caveat.services)}`
    case 'methods':
      return `methods ${listText(caveat.methods)}`
    case 'paths':
      return `paths ${listText(caveat.prefixes)}`
    case 'claims':
      return `claims ${listText(caveat.claims)}`
    case 'holder':
      return `delegate ${caveat.holder}`
    case 'app':
      return `app ${plainText(caveat.app)} = ${valueText(caveat.value)}`
  }
}

/** A claim, such as `role = reader`. */
export function claimText(name: string, value: ClaimValue): string {
  return `${plainText(name)} = ${valueText(value as Value)}`
}

function listText(items: readonly string[]): string {
  return items.length === 0 ? '(none)' : items.map(plainText).join(', ')
}

function valueText(value: Value): string {
  if (typeof value === 'string') return plainText(value)
  if (value instanceof Uint8Array) return `bytes ${toHex(value)}`
  return Array.isArray(value) ? `[${value.map(valueText).join(', ')}]` : String(value)
}

/**
 * Letters, digits and what stands in names and paths. A text of anything else is quoted, so that it shows where it
 * ends.
 */
const PLAIN = /^[\p{L}\p{N}\p{M}_.:/@*%~+&$!;?-]+$/u
/** What would change how a terminal shows the rest, or is drawn as nothing: controls, spaces, fillers of letters. */
const UNSEEN = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu

/** The text as it is if it can be taken for nothing else, or else quoted, with escapes for what cannot be seen. */
export function plainText(text: string): string {
  if (PLAIN.test(text) && text.search(UNSEEN) < 0) return text
  return JSON.stringify(text).replace(UNSEEN, each => (each === ' ' ? each : escaped(each)))
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
