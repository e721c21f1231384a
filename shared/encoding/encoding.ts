import { plainBytes } from '../bytes.js'
import { LIMIT } from '../constants.js'
import { malformed } from '../errors.js'
import { encode, encodeScratch, type Value } from './encode.js'

/**
 * The MessagePack subset of docs/protocol.md section 3. The decoder is one strict walk that accepts exactly one spelling
 * of each value, so whatever decodes re-encodes to the same bytes. `encode.ts` writes.
 */

export { encode, encodeScratch, type Value }

/** Byte strings in the result are views of `bytes`. @throws OrthrusError `malformed` */
export function decode(bytes: Uint8Array): Value[] {
  const reader = new Reader(plainBytes(bytes))
  const value = reader.value(1)
  if (!Array.isArray(value)) throw malformed('the body is not a list')
  reader.end()
  return value
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Small values take far more room in memory than in a message, where an empty list is one byte. So decoded values are
 * counted by the memory that the platform needs for them, and a message is refused when they exceed a fixed allowance
 * plus a further one for each of its bytes. No message of the protocol reaches that. The worst are a caveat of 2 KiB
 * made of nothing but lists, and a page of 100 policy rules whose claims have two-letter names and empty lists as
 * values: 27 bytes of memory per byte.
 */
const MEMORY = { FLOOR: 256 * 1024, A_BYTE: 16, LIST: 48, ITEM: 8, BYTES: 112, TEXT: 24 } as const

/** Most texts are at most this long. For them the call of a `TextDecoder` costs more than its work. */
const SHORT_TEXT = 64

/** Short texts are assembled here, by length: as character codes, or as bytes if they are not ASCII. */
const shortCodes = Array.from({ length: SHORT_TEXT + 1 }, (_, length) => new Array<number>(length).fill(0))
const shortBytes = Array.from({ length: SHORT_TEXT + 1 }, (_, length) => new Uint8Array(length))

// A view of each message would cost more than to copy the few floats that it has.
const floatBytes = new Uint8Array(8)
const floatView = new DataView(floatBytes.buffer)

class Reader {
  readonly #bytes: Uint8Array
  #offset = 0
  #memory: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#memory = MEMORY.FLOOR + MEMORY.A_BYTE * bytes.length
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw malformed('extra bytes after the body')
  }

  value(depth: number): Value {
    const form = this.#uint8()
    if (form < 0x80) return form
    if ((form & 0xf0) === 0x90) return this.#list(form & 0x0f, depth)
    if ((form & 0xe0) === 0xa0) return this.#text(form & 0x1f)
    switch (form) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.#binary(this.#uint8())
      case 0xc5:
        return this.#binary(shortest(this.#uint16(), 0x100))
      case 0xcb:
        return this.#float64()
      case 0xcc:
        return shortest(this.#uint8(), 0x80)
      case 0xcd:
        return shortest(this.#uint16(), 0x100)
      case 0xce:
        return shortest(this.#uint32(), 0x10000)
      case 0xd9:
        return this.#text(shortest(this.#uint8(), 0x20))
      case 0xda:
        return this.#text(shortest(this.#uint16(), 0x100))
      case 0xdc:
        return this.#list(shortest(this.#uint16(), 0x10), depth)
      default:
        throw malformed('a MessagePack form that the protocol does not use')
    }
  }

  /** Each item takes at least one byte, so a length beyond the rest of the message is refused before allocating. */
  #list(length: number, depth: number): Value[] {
    if (depth > LIMIT.DEPTH) throw malformed('lists nested too deep')
    if (length > this.#bytes.length - this.#offset) throw malformed('a list longer than the message')
    this.#count(MEMORY.LIST + MEMORY.ITEM * length)
    const list = new Array<Value>(length)
    for (let i = 0; i < length; i++) list[i] = this.value(depth + 1)
    return list
  }

  #binary(length: number): Uint8Array {
    this.#count(MEMORY.BYTES)
    return this.#take(length)
  }

  #text(length: number): string {
    // The platform stores each text of one character only once.
    if (length > 1) this.#count(MEMORY.TEXT + length)
    return length <= SHORT_TEXT ? this.#shortText(length) : utf8Text(this.#take(length))
  }

  #shortText(length: number): string {
    const start = this.#advance(length)
    const codes = shortCodes[length] as number[]
    let all = 0
    for (let i = 0; i < length; i++) {
      const code = this.#bytes[start + i] as number
      codes[i] = code
      all |= code
    }
    if (all < 0x80) return String.fromCharCode.apply(null, codes)
    const bytes = shortBytes[length] as Uint8Array
    for (let i = 0; i < length; i++) bytes[i] = codes[i] as number
    return utf8Text(bytes)
  }

  #count(bytes: number): void {
    this.#memory -= bytes
    if (this.#memory < 0) throw malformed('too many small values for the length of the message')
  }

  #float64(): number {
    const start = this.#advance(8)
    for (let i = 0; i < 8; i++) floatBytes[i] = this.#bytes[start + i] as number
    const value = floatView.getFloat64(0)
    if (!Number.isSafeInteger(value) || value < 2 ** 32)
      throw malformed('a float that is not a whole number from 2^32 to 2^53-1')
    return value
  }

  #take(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  #uint8(): number {
    return this.#bytes[this.#advance(1)] as number
  }

  #uint16(): number {
    const high = this.#uint8()
    return 0x100 * high + this.#uint8()
  }

  #uint32(): number {
    const high = this.#uint16()
    return 0x10000 * high + this.#uint16()
  }

  #advance(length: number): number {
    const start = this.#offset
    if (length > this.#bytes.length - start) throw malformed('cut off')
    this.#offset = start + length
    return start
  }
}

function utf8Text(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed('text that is not UTF-8')
  }
}

function shortest(value: number, least: number): number {
  if (value < least) throw malformed('a longer encoding than needed')
  return value
}
