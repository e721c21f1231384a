import { LIMIT, SIZE } from '../constants.js'
import { LongTermKey } from '../crypto/keys.js'
import { isWireCode, malformed, type WireCode } from '../errors.js'
import { isGroup, isPattern, type Pattern } from '../pattern.js'
import { isPrincipal, isRealm, type Principal, type RealmName } from '../principal.js'
import type { Value } from './encoding.js'

/** Each function reads one decoded field and returns it with its type, or throws `malformed`. */

export function fields(value: Value | readonly Value[] | undefined, count: number): readonly Value[] {
  const list = listOf(value)
  if (list.length !== count) throw malformed(`${list.length} fields instead of ${count}`)
  return list
}

export function listOf(
  value: Value | readonly Value[] | undefined,
  most = Number.POSITIVE_INFINITY,
): readonly Value[] {
  if (!Array.isArray(value)) throw malformed('expected a list')
  if (value.length > most) throw malformed(`a list of ${value.length}, longer than ${most}`)
  return value
}

export function textOf(value: Value | undefined): string {
  if (typeof value !== 'string') throw malformed('expected text')
  return value
}

export function textsOf(value: Value | undefined, most?: number): string[] {
  return listOf(value, most).map(textOf)
}

/** One of these words. */
export function oneOf<const T extends string>(value: Value | undefined, choices: readonly T[]): T {
  const choice = choices.find(choice => choice === value)
  if (choice === undefined) throw malformed(`expected one of ${choices.join(', ')}`)
  return choice
}

export function numberOf(value: Value | undefined): number {
  if (typeof value !== 'number') throw malformed('expected a number')
  return value
}

export function booleanOf(value: Value | undefined): boolean {
  if (typeof value !== 'boolean') throw malformed('expected true or false')
  return value
}

export function bytesOf(value: Value | undefined, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed('expected bytes')
  if (length !== undefined && value.length !== length) {
    throw malformed(`${value.length} bytes instead of ${length}`)
  }
  return value
}

export function principalOf(value: Value | undefined): Principal {
  const text = textOf(value)
  if (!isPrincipal(text)) throw malformed('a name outside the grammar')
  return text
}

export function kvnoOf(value: Value | undefined): number {
  const kvno = numberOf(value)
  if (kvno === 0) throw malformed('a kvno of 0')
  return kvno
}

/** A code that may be sent. */
export function errorCodeOf(value: Value | undefined): WireCode {
  const code = textOf(value)
  if (!isWireCode(code)) throw malformed('an unknown error code')
  return code
}

/** The key is a copy: it is kept for longer than the message or record that it came in. */
export function longTermKeyOf(value: Value | undefined): LongTermKey {
  return new LongTermKey(bytesOf(value, SIZE.KEY).slice())
}

/** A lifetime, in milliseconds. */
export function lifetimeOf(value: Value | undefined): number {
  const lifetime = numberOf(value)
  if (lifetime === 0) throw malformed('a lifetime of 0')
  return lifetime
}

/** A number in which only the defined bits may be set. */
export function bitsOf(value: Value | undefined, defined: number): number {
  const bits = numberOf(value)
  // Bit operators see only 32 bits, hence the first comparison.
  if (bits > defined || (bits & ~defined) !== 0) throw malformed('an undefined bit is set')
  return bits
}

export function nullable<T>(value: Value | undefined, read: (value: Value | undefined) => T): T | null {
  return value === null ? null : read(value)
}

/** A request's services: at most 32 and none twice. */
export function servicesOf(value: Value | undefined): Principal[] {
  const services = listOf(value, LIMIT.SERVICES).map(principalOf)
  if (new Set(services).size !== services.length) throw malformed('the same service twice')
  return services
}

/** A list of caveats: at most 16, and 2 KiB together. Their contents are decoded only after the MAC was checked. */
export function caveatListOf(value: Value | undefined): Uint8Array[] {
  const caveats = listOf(value, LIMIT.CAVEATS).map(caveat => bytesOf(caveat))
  if (caveatBytes(caveats) > LIMIT.CAVEATS_BYTES) throw malformed('caveats of more than 2 KiB')
  return caveats
}

export function caveatBytes(caveats: readonly Uint8Array[]): number {
  return caveats.reduce((sum, caveat) => sum + caveat.length, 0)
}

export function ticketBytesOf(value: Value | undefined): Uint8Array {
  const ticket = bytesOf(value)
  if (ticket.length > LIMIT.TICKET_BYTES) throw malformed('a ticket of more than 4 KiB')
  return ticket
}

export function nonceOf(value: Value | undefined): Uint8Array {
  return bytesOf(value, SIZE.NONCE)
}

export function patternOf(value: Value | undefined): Pattern {
  const text = textOf(value)
  if (!isPattern(text)) throw malformed('a pattern outside the grammar')
  return text
}

export function groupOf(value: Value | undefined): Pattern {
  const text = textOf(value)
  if (!isGroup(text)) throw malformed('a group outside the grammar')
  return text as Pattern
}

export function realmNameOf(value: Value | undefined): RealmName {
  const text = textOf(value)
  if (!isRealm(text)) throw malformed('a realm outside the grammar')
  return text
}
