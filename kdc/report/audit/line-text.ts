import { AUDIT_LINE_BYTES, type AuditFields } from '../../../shared/administration/audit-line.js'
import { timeText } from './time-text.js'

/** What a line is made of. */
export interface AuditEntry {
  /** Milliseconds. */
  readonly at: number
  readonly fields: AuditFields
}

/** What is in a line whose details would make it too long. */
const CUT = { cut: 'the rest would make the line too long' } as const
const CUT_NAMES = 8
const CUT_TEXT = 512

/** What a line has besides: which KDC wrote it, its MAC, the end of its object, and its own end. */
const REST_BYTES = 128

/** The JSON object of a line up to its MAC, without its closing brace. @param n its number */
export function lineText(n: number, { at, fields }: AuditEntry): string {
  const whole = textOf(n, at, fields)
  // Most characters are one byte, and none is more than three.
  if (whole.length < AUDIT_LINE_BYTES / 4 || Buffer.byteLength(whole) < AUDIT_LINE_BYTES - REST_BYTES)
    return whole
  const { on, reason } = fields
  const short = { on: on?.slice(0, CUT_NAMES), reason: reason?.slice(0, CUT_TEXT), details: CUT }
  return textOf(n, at, { ...fields, ...short })
}

/** As `JSON.stringify` would write it, at a third of its cost: most fields are short texts in which nothing is escaped. */
function textOf(n: number, at: number, fields: AuditFields): string {
  const { kind, outcome, exchange, client, via, from, service, method, on, rule } = fields
  const { code, id, reason, ticket, tgt, ends, count, details } = fields
  // Words of closed lists, hexadecimal digits and times have nothing to escape.
  let text = `{"n":${n},"at":"${timeText(at)}","kind":"${kind}","outcome":"${outcome}"`
  if (exchange !== undefined) text += `,"exchange":"${exchange}"`
  if (client !== undefined) text += `,"client":${quoted(client)}`
  if (via !== undefined) text += `,"via":${quoted(via)}`
  if (from !== undefined) text += `,"from":${quoted(from)}`
  if (service !== undefined) text += `,"service":${quoted(service)}`
  if (method !== undefined) text += `,"method":${quoted(method)}`
  if (on !== undefined) text += `,"on":${JSON.stringify(on)}`
  if (rule !== undefined) text += `,"rule":${quoted(rule)}`
  if (code !== undefined) text += `,"code":"${code}"`
  if (id !== undefined) text += `,"id":"${id}"`
  if (reason !== undefined) text += `,"reason":${quoted(reason)}`
  if (ticket !== undefined) text += `,"ticket":"${ticket}"`
  if (tgt !== undefined) text += `,"tgt":"${tgt}"`
  if (ends !== undefined) text += `,"ends":"${ends}"`
  if (count !== undefined) text += `,"count":${count}`
  if (details !== undefined) text += `,"details":${JSON.stringify(details)}`
  return text
}

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** Printable ASCII without the quotation mark and the backslash. */
const PLAIN = /^[ !#-[\]-~]*$/
