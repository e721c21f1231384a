import { LIMIT } from '../constants.js'

/** Writes the MessagePack subset of docs/protocol.md section 3, each value in its one spelling. */

export type Value = null | boolean | number | string | Uint8Array | Value[]

/** The longest byte string of the subset. */
const BYTES_MAX = 0xffff

/** A character of UTF-16 takes at most three bytes, and every other form at most nine. */
const FORM_MAX = 9
const CHARACTER_MAX = 3

/** Below it, numbers are whole ones of the shortest form; from it on, floats. */
const FLOATS_FROM = 2 ** 32

/** Most texts are at most this long. For them the call of a `TextEncoder` costs more than its work. */
const SHORT_TEXT = 64

const utf8 = new TextEncoder()
const floatBytes = new Uint8Array(8)
const floatView = new DataView(floatBytes.buffer)

let bytes = new Uint8Array(4096)
let used = 0

/** @throws TypeError if the subset cannot express a value, which is the caller's mistake. */
export function encode(list: readonly Value[]): Uint8Array {
  return encodeScratch(list).slice()
}

/** As `encode`, without a copy. The next call overwrites the result: copy or seal it immediately. */
export function encodeScratch(list: readonly Value[]): Uint8Array {
  used = 0
  writeList(list, 1)
  return bytes.subarray(0, used)
}

function write(value: Value, depth: number): void {
  reserve(FORM_MAX)
  if (typeof value === 'string') writeText(value)
  else if (typeof value === 'number') writeNumber(value)
  else if (value instanceof Uint8Array) writeBytes(value)
  else if (Array.isArray(value)) writeList(value, depth)
  else if (value === null) bytes[used++] = 0xc0
  else if (typeof value === 'boolean') bytes[used++] = value ? 0xc3 : 0xc2
  else throw new TypeError(`no encoding for a value of type ${typeof value}`)
}

function writeList(list: readonly Value[], depth: number): void {
  if (depth > LIMIT.DEPTH) throw new TypeError(`lists nest at most ${LIMIT.DEPTH} deep`)
  reserve(FORM_MAX)
  if (list.length < 0x10) bytes[used++] = 0x90 | list.length
  else writeLength(0xdc, list.length)
  for (const item of list) write(item, depth + 1)
}

function writeNumber(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0))
    throw new TypeError(`a number must be whole and from 0 to 2^53-1, not ${value}`)
  if (value < 0x80) bytes[used++] = value
  else if (value < 0x100) writeByte(0xcc, value)
  else if (value < 0x10000) writeLength(0xcd, value)
  else if (value < FLOATS_FROM) writeWord(0xce, value)
  else {
    floatView.setFloat64(0, value)
    bytes[used++] = 0xcb
    bytes.set(floatBytes, used)
    used += 8
  }
}

function writeBytes(value: Uint8Array): void {
  // The form for more is one that `decode` refuses.
  if (value.length > BYTES_MAX) throw new TypeError(`a byte string has at most ${BYTES_MAX} bytes`)
  if (value.length < 0x100) writeByte(0xc4, value.length)
  else writeLength(0xc5, value.length)
  reserve(value.length)
  bytes.set(value, used)
  used += value.length
}

function writeText(text: string): void {
  reserve(FORM_MAX + CHARACTER_MAX * text.length)
  if (text.length <= SHORT_TEXT && writeAscii(text)) return
  if (!text.isWellFormed()) throw new TypeError('text with half a surrogate pair')
  // How long its length is depends on the length in bytes, which is known only behind it.
  const room = FORM_MAX
  const { written } = utf8.encodeInto(text, bytes.subarray(used + room))
  const start = used
  if (written < 0x20) bytes[used++] = 0xa0 | written
  else if (written < 0x100) writeByte(0xd9, written)
  else writeLength(0xda, written)
  bytes.copyWithin(used, start + room, start + room + written)
  used += written
}

/** @returns false, with nothing written, if a character is not ASCII */
function writeAscii(text: string): boolean {
  const { length } = text
  const start = used + (length < 0x20 ? 1 : 2)
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return false
    bytes[start + i] = code
  }
  if (length < 0x20) bytes[used] = 0xa0 | length
  else writeByte(0xd9, length)
  used = start + length
  return true
}

function writeByte(form: number, value: number): void {
  bytes[used++] = form
  bytes[used++] = value
}

/** Of two bytes, or in the form behind it of four, which `decode` refuses for a list or a text. */
function writeLength(form: number, value: number): void {
  if (value > 0xffff) writeWord(form + 1, value)
  else {
    bytes[used++] = form
    bytes[used++] = value >>> 8
    bytes[used++] = value
  }
}

function writeWord(form: number, value: number): void {
  bytes[used++] = form
  for (let shift = 24; shift >= 0; shift -= 8) bytes[used++] = value >>> shift
}

function reserve(more: number): void {
  if (used + more <= bytes.length) return
  const larger = new Uint8Array(2 * (used + more))
  larger.set(bytes.subarray(0, used))
  bytes = larger
}
