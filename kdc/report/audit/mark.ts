import { base64urlBytes, toBase64url } from '../../../shared/bytes.js'
import type { AuditKey } from './chain.js'

/**
 * The last mark: the number and the MAC of a line that is on stable storage. It is kept beside the log, and anybody may
 * keep a copy elsewhere: a log that lacks the line, or has another one in its place, was cut off or put back. A log that is begun has the mark of line 0 until its first sync.
 */
export interface Mark {
  readonly n: number
  readonly mac: Uint8Array
}

/** All marks have the same length, so that the file of the last one is written in place. */
const NUMBER_DIGITS = 16
const FORM = /^orthrus-audit-mark-1\.([0-9]{16})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})$/

export function formatMark(key: AuditKey, { n, mac }: Mark): string {
  const text = `orthrus-audit-mark-1.${String(n).padStart(NUMBER_DIGITS, '0')}.${toBase64url(mac)}`
  return `${text}.${key.seal(text)}`
}

/** Whether a text has the form of a mark, whoever made it: one that was cut off or mistyped has not. */
export function isMarkText(text: string): boolean {
  return FORM.test(text.trim())
}

/** @returns `undefined` unless the text is a mark that was made with this key */
export function parseMark(key: AuditKey, text: string): Mark | undefined {
  const trimmed = text.trim()
  const [, digits, mac, seal = ''] = FORM.exec(trimmed) ?? []
  const bytes = mac === undefined ? undefined : base64urlBytes(mac)
  const n = Number(digits)
  if (bytes === undefined || !Number.isSafeInteger(n)) return undefined
  return key.hasSealed(trimmed.slice(0, -seal.length - 1), seal) ? { n, mac: bytes } : undefined
}
