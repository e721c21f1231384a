import { toHex } from '../shared/bytes.js'
import type { Value } from '../shared/encoding/encoding.js'
import type { Principal } from '../shared/principal.js'
import { caveatTexts } from '../shared/ticket/caveat-text.js'
import { type Caveat, decodeCaveat } from '../shared/ticket/caveats.js'
import { formatTime } from '../shared/time.js'
import { type Fact, fact } from './facts.js'

/** What `orthrus inspect` says about caveats. */

export function caveatFacts(caveats: readonly Uint8Array[]): Fact {
  const decoded = caveats.map(caveatIn)
  return fact(
    decoded.map(caveat => (caveat === undefined ? { name: 'unknown' } : caveatValue(caveat))),
    caveatTexts(caveats),
  )
}

/** The only party that can use the credential. */
export function delegateFact(caveats: readonly Uint8Array[]): Fact {
  const delegates = new Set<Principal>()
  for (const caveat of caveats.map(caveatIn)) if (caveat?.name === 'holder') delegates.add(caveat.holder)
  const [delegate = null] = delegates
  if (delegate === null) return fact(null, 'none: it is a secret, and anyone who has it can use it')
  if (delegates.size === 1) return fact(delegate, `${delegate}, which presents it beside a ticket of its own`)
  return fact([...delegates], `${[...delegates].join(' and ')}: nobody can use it, because nobody is both`)
}

function caveatIn(bytes: Uint8Array): Caveat | undefined {
  try {
    return decodeCaveat(bytes)
  } catch {
    return undefined
  }
}

/** For machines, with times as in the rest of the answer. */
function caveatValue(caveat: Caveat): object {
  if (caveat.name === 'expires') return { ...caveat, time: formatTime(caveat.time) }
  return caveat.name === 'app' ? { ...caveat, value: jsonValue(caveat.value) } : caveat
}

/** JSON has no bytes: they are given in hex. */
function jsonValue(value: Value): unknown {
  if (value instanceof Uint8Array) return { hex: toHex(value) }
  return Array.isArray(value) ? value.map(jsonValue) : value
}
