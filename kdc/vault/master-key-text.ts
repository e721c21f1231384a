import { equalBytes } from '#primitives'
import { toBase64url } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { checkOf } from '../../shared/crypto/check.js'

/**
 * The text of a master key. It is read and checked as bytes, and never made a JavaScript string, because bytes can be
 * overwritten when they are no longer needed.
 */

const FIRST_LINE = '# orthrus master key 1'
const PREFIX = 'orthrusmaster1_'
const encoder = new TextEncoder()
const NEWLINE = 0x0a
const SPACES: ReadonlySet<number | undefined> = new Set([0x09, NEWLINE, 0x0d, 0x20])

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const NO_DIGIT = 64
/** The value of each digit of base64url, by its character. */
const VALUES = new Uint8Array(256).fill(NO_DIGIT)
for (let value = 0; value < DIGITS.length; value++) VALUES[DIGITS.charCodeAt(value)] = value

const CHECKED_BYTES = SIZE.KEY + SIZE.CHECK
const CHECKED_DIGITS = (CHECKED_BYTES * 4) / 3

export function formatMasterKeyText(key: Uint8Array): string {
  const checked = new Uint8Array(CHECKED_BYTES)
  checked.set(key)
  checked.set(checkOf(key), SIZE.KEY)
  const text = `${FIRST_LINE}\n${PREFIX}${toBase64url(checked)}\n`
  checked.fill(0)
  return text
}

/** @returns the key in the text of a whole file, `undefined` if any byte of it is another one */
export function keyOfFile(text: Uint8Array): Uint8Array | undefined {
  return text[text.length - 1] === NEWLINE && isAt(text, `${FIRST_LINE}\n`, 0)
    ? keyOfLine(text.subarray(FIRST_LINE.length + 1, -1))
    : undefined
}

/**
 * The key in what a command or a variable hands over. On such a way the first line is often left out, the newline at
 * the end lost, or others added; the check at the end of the key finds everything else.
 */
export function keyOfHandover(text: Uint8Array): Uint8Array | undefined {
  let [start, end] = [0, text.length]
  while (SPACES.has(text[end - 1])) end--
  if (isAt(text, FIRST_LINE, 0)) start = FIRST_LINE.length
  while (start < end && SPACES.has(text[start])) start++
  return keyOfLine(text.subarray(start, end))
}

function keyOfLine(line: Uint8Array): Uint8Array | undefined {
  if (line.length !== PREFIX.length + CHECKED_DIGITS || !isAt(line, PREFIX, 0)) return undefined
  const checked = new Uint8Array(CHECKED_BYTES)
  const isRead = readDigits(line.subarray(PREFIX.length), checked)
  const key = checked.slice(0, SIZE.KEY)
  const isRight = isRead && equalBytes(checked.subarray(SIZE.KEY), checkOf(key))
  checked.fill(0)
  return isRight ? key : undefined
}

/** Four digits are three bytes; no digit is left over. */
function readDigits(digits: Uint8Array, bytes: Uint8Array): boolean {
  const valueAt = (at: number): number => VALUES[digits[at] ?? 0] ?? NO_DIGIT
  for (let at = 0, to = 0; at < digits.length; at += 4, to += 3) {
    const [a, b, c, d] = [valueAt(at), valueAt(at + 1), valueAt(at + 2), valueAt(at + 3)]
    if (a === NO_DIGIT || b === NO_DIGIT || c === NO_DIGIT || d === NO_DIGIT) return false
    bytes[to] = (a << 2) | (b >> 4)
    bytes[to + 1] = (b << 4) | (c >> 2)
    bytes[to + 2] = (c << 6) | d
  }
  return true
}

function isAt(text: Uint8Array, expected: string, offset: number): boolean {
  const found = text.subarray(offset, offset + expected.length)
  return equalBytes(found, encoder.encode(expected))
}
