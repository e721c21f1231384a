import { allocateBriefly, concatBytes, plainBytes } from '../bytes.js'
import { LIMIT, type MessageType, SIZE, VERSION } from '../constants.js'
import { createMac } from '../crypto/derive.js'
import type { AnyKey } from '../crypto/keys.js'
import { malformed, OrthrusError } from '../errors.js'
import { decode, encodeScratch, type Value } from './encoding.js'

/** The structure of every message: `version || type || body`, for some types followed by `|| mac` (section 3). */

export const HEADER_BYTES = 2

/** By their types. */
const headers: Uint8Array[] = []

/** The first two bytes of a message, also the aad where a message is sealed whole. The caller must not change them. */
export function header(type: MessageType): Uint8Array {
  headers[type] ??= new Uint8Array([VERSION, type])
  return headers[type]
}

/**
 * Checks size, then version.
 * @returns the type, known or not.
 * @throws OrthrusError `too_large` `unsupported_version`
 */
export function messageType(bytes: Uint8Array): number {
  if (bytes.length > LIMIT.MESSAGE_BYTES) {
    throw new OrthrusError('too_large', 'a message of more than 64 KiB', { final: true })
  }
  const [version, type] = bytes
  if (version !== undefined && version !== VERSION) {
    throw new OrthrusError('unsupported_version', `version ${version}`, { final: true, expected: VERSION })
  }
  if (type === undefined) throw malformed('a message without a header')
  return type
}

/** Makes the checks that come before the form of the body. @returns what follows the header */
export function contentOf(bytes: Uint8Array, type: MessageType): Uint8Array {
  const actual = messageType(bytes)
  if (actual !== type) throw malformed(`a message of type ${actual} instead of ${type}`)
  return plainBytes(bytes).subarray(HEADER_BYTES)
}

export function createMessage(type: MessageType, body: readonly Value[]): Uint8Array {
  return concatBytes(header(type), encodeScratch(body))
}

export function decodeMessage(bytes: Uint8Array, type: MessageType): Value[] {
  return decode(contentOf(bytes, type))
}

export interface CreatedMacMessage {
  readonly bytes: Uint8Array
  /** The bytes that the MAC covers. */
  readonly covered: Uint8Array
  readonly mac: Uint8Array
}

/** A message with its MAC, which covers all its bytes and then, in a reply, `answered`: the MAC of the request. */
export function createMacMessage<K extends AnyKey>(
  key: K,
  usage: K['usage'],
  type: MessageType,
  body: readonly Value[],
  answered?: Uint8Array,
): CreatedMacMessage {
  const content = encodeScratch(body)
  const bytes = allocateBriefly(HEADER_BYTES + content.length + SIZE.MAC)
  bytes.set(header(type))
  bytes.set(content, HEADER_BYTES)
  const covered = bytes.subarray(0, HEADER_BYTES + content.length)
  const mac =
    answered === undefined ? createMac(key, usage, covered) : createMac(key, usage, covered, answered)
  bytes.set(mac, covered.length)
  return { bytes, covered, mac }
}

/** Decodes a message, without checking its MAC. The result has the MAC and the bytes that it covers. */
export interface MacMessage {
  readonly body: Value[]
  readonly covered: Uint8Array
  readonly mac: Uint8Array
}

export function decodeMacMessage(bytes: Uint8Array, type: MessageType): MacMessage {
  const content = contentOf(bytes, type)
  const end = content.length - SIZE.MAC
  if (end < 0) throw malformed('a message without its MAC')
  return {
    body: decode(content.subarray(0, end)),
    covered: plainBytes(bytes).subarray(0, HEADER_BYTES + end),
    mac: content.subarray(end),
  }
}
