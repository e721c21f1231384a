import { equalBytes, hmacSha256 } from '#primitives'
import { base64urlBytes, toBase64url } from '../../../shared/bytes.js'
import { SIZE } from '../../../shared/constants.js'

/**
 * The chain of the audit log. Each line ends with a MAC over the MAC of the line before and its own text, under a key
 * that only the KDC has. So whoever changes, adds, removes or moves a line without the key breaks the chain there.
 */

const MAC_BYTES = 16
const MAC_TEXT = 22
const BEFORE_MAC = ',"mac":"'
const BEHIND_MAC = '"}'
const SEAL_BYTES = BEFORE_MAC.length + MAC_TEXT + BEHIND_MAC.length

/** What the first line of a log is chained to. */
export const FIRST_LINK = new Uint8Array(MAC_BYTES)

const utf8 = new TextEncoder()

/** The key of the chain. Its bytes never appear in text, JSON or an inspection. */
export class AuditKey {
  readonly #line: Uint8Array
  readonly #mark: Uint8Array

  /** @throws TypeError unless there are 32 bytes */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== SIZE.KEY)
      throw new TypeError(`an audit key has ${SIZE.KEY} bytes, not ${bytes.length}`)
    this.#line = hmacSha256(bytes, utf8.encode('orthrus audit line 1'))
    this.#mark = hmacSha256(bytes, utf8.encode('orthrus audit mark 1'))
  }

  /** The MAC of a line. @param text the line up to its MAC */
  link(previous: Uint8Array, text: Uint8Array): Uint8Array {
    return hmacSha256(this.#line, previous, text).subarray(0, MAC_BYTES)
  }

  /** The seal of a mark that is kept outside of the log. */
  seal(text: string): string {
    return toBase64url(hmacSha256(this.#mark, utf8.encode(text)).subarray(0, MAC_BYTES))
  }

  hasSealed(text: string, seal: string): boolean {
    const [own, shown] = [base64urlBytes(this.seal(text)), base64urlBytes(seal)]
    return own !== undefined && shown !== undefined && equalBytes(own, shown)
  }

  toString(): string {
    return '[AuditKey]'
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

/** A line taken apart. */
export interface Link {
  readonly n: number
  /** The line up to its MAC. */
  readonly text: Uint8Array
  readonly mac: Uint8Array
}

/** @returns `undefined` for what is no line of an audit log. @param line without its end */
export function openLink(line: Uint8Array): Link | undefined {
  // A file of very many short lines must not cost several objects for each of them.
  if (line.length <= SEAL_BYTES) return undefined
  const text = line.subarray(0, -SEAL_BYTES)
  const seal = latin1(line.subarray(text.length))
  if (!seal.startsWith(BEFORE_MAC) || !seal.endsWith(BEHIND_MAC)) return undefined
  const mac = base64urlBytes(seal.slice(BEFORE_MAC.length, -BEHIND_MAC.length))
  const n = Number(/^\{"n":([1-9][0-9]{0,15}),/.exec(latin1(text.subarray(0, 24)))?.[1])
  if (mac?.length !== MAC_BYTES || !Number.isSafeInteger(n)) return undefined
  return { n, text, mac }
}

/** Whether two MACs are the same one. */
export function isSameMac(a: Uint8Array, b: Uint8Array): boolean {
  return equalBytes(a, b)
}

/** Whether the line follows one with that MAC. */
export function follows(key: AuditKey, previous: Uint8Array, { text, mac }: Link): boolean {
  return equalBytes(key.link(previous, text), mac)
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
