import { sha256 } from '#primitives'
import { AUDIT_LINE_BYTES } from '../../../shared/administration/audit-line.js'
import { toBase64url } from '../../../shared/bytes.js'
import { codeOf } from '../../../shared/folder.node.js'
import { type AuditKey, FIRST_LINK, isSameMac, type Link, openLink } from './chain.js'
import { type AuditFile, auditFiles, plainFile, sizeOf } from './files.js'
import { linesOf } from './lines-of.js'
import { type Mark, parseMark } from './mark.js'
import type { AuditNote } from './notes.js'

/** Finds where a log ends, and what is wrong there. Nothing is changed: what a kill or a thief left stays to be seen. */

export interface LogEnd {
  /** The number and the MAC that the next line is chained to; 0 before the first line. */
  readonly n: number
  readonly mac: Uint8Array
  /** The file to go on with, and its size, bytes. */
  readonly file: AuditFile | undefined
  readonly size: number
  /** Whether the file ends in the middle of a line. */
  readonly isCut: boolean
  readonly notes: readonly AuditNote[]
}

/** How much of a file's end is read to find its last line, bytes. */
const TAIL_BYTES = 4 * AUDIT_LINE_BYTES

/**
 * @param remembered the last line that was stored, as the KDC that stored it knows, whatever the files say
 * @throws the system's error
 */
export async function findEnd(
  key: AuditKey,
  directory: string,
  lastMark: string,
  remembered?: Mark,
): Promise<LogEnd> {
  const files = await auditFiles(directory)
  const file = files.at(-1)
  const size = file === undefined ? 0 : await sizeOf(file.path)
  const last = await lastLink(files)
  const half = file === undefined ? undefined : await halfLineOf(file, size)
  const mark = await readMark(key, lastMark)
  const promised = later(mark.kind === 'mark' ? mark.mark : undefined, remembered)
  const notes = [
    ...markNotes(mark, files.length > 0),
    ...endNotes(promised, last),
    ...(half === undefined ? [] : [half]),
  ]
  const known = { n: last?.n ?? 0, mac: last?.mac ?? FIRST_LINK }
  // The chain goes on from what was promised, so that what is missing can never be filled in unseen.
  const { n, mac } = promised !== undefined && promised.n > known.n ? promised : known
  return { n, mac: mac.slice(), file, size, isCut: half !== undefined, notes }
}

/** `foreign`: it was not made with the key of this log. */
export type ReadMark =
  | { readonly kind: 'mark'; readonly mark: Mark }
  | { readonly kind: 'missing' }
  | { readonly kind: 'foreign' }

/** @throws the system's error */
export async function readMark(key: AuditKey, path: string): Promise<ReadMark> {
  try {
    const file = await plainFile(path)
    const text = await file.read(Buffer.alloc(256), 0, 256, 0).finally(() => file.close())
    const mark = parseMark(key, text.buffer.toString('latin1', 0, text.bytesRead))
    return mark === undefined ? { kind: 'foreign' } : { kind: 'mark', mark }
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return { kind: 'missing' }
    throw cause
  }
}

function later(one: Mark | undefined, other: Mark | undefined): Mark | undefined {
  return one === undefined || (other !== undefined && other.n >= one.n) ? other : one
}

function markNotes(read: ReadMark, hasFiles: boolean): AuditNote[] {
  const isFault = true
  if (read.kind === 'missing')
    return hasFiles ? [{ isFault, reason: 'the last mark was missing', details: {} }] : []
  if (read.kind === 'foreign')
    return [{ isFault, reason: 'the last mark was not made by this KDC', details: {} }]
  return []
}

function endNotes(promised: Mark | undefined, last: Link | undefined): AuditNote[] {
  if (promised === undefined) return []
  const isFault = true
  const { n, mac } = promised
  const found = last?.n ?? 0
  if (n > found) {
    const details = { first: found + 1, last: n }
    return [{ isFault, reason: 'lines were missing at the end', details }]
  }
  if (n === found && last !== undefined && !isSameMac(last.mac, mac)) {
    return [{ isFault, reason: 'the last line was another one', details: { line: n } }]
  }
  return []
}

/** The last line of a log that has the form of one. */
async function lastLink(files: readonly AuditFile[]): Promise<Link | undefined> {
  for (const file of files.toReversed()) {
    const found = await lastLinkOf(file)
    if (found !== undefined) return found
  }
  return undefined
}

/** The last line of a file that has the form of one, whatever stands behind it. */
export async function lastLinkOf({ path }: AuditFile): Promise<Link | undefined> {
  const from = Math.max(0, (await sizeOf(path)) - TAIL_BYTES)
  return (await lastLinkFrom(path, from)) ?? (from === 0 ? undefined : await lastLinkFrom(path, 0))
}

async function lastLinkFrom(path: string, from: number): Promise<Link | undefined> {
  let last: Link | undefined
  for await (const { bytes, isWhole } of linesOf(path, from)) {
    const link = isWhole ? openLink(bytes) : undefined
    if (link !== undefined) last = { n: link.n, text: link.text.slice(), mac: link.mac.slice() }
  }
  return last
}

/** What stands behind the last end of a line. */
async function halfLineOf({ name, path }: AuditFile, size: number): Promise<AuditNote | undefined> {
  const from = Math.max(0, size - TAIL_BYTES)
  const end = (await endOfLines(path, from)) ?? (from === 0 ? undefined : await endOfLines(path, 0)) ?? 0
  if (end >= size) return undefined
  const details = { file: name, offset: end, bytes: size - end, digest: await digestOf(path, end, size) }
  return { isFault: false, reason: HALF_LINE, details }
}

/** The reason of the line that follows a half one. */
export const HALF_LINE = 'a line was cut off, as by a kill or a power cut'

async function endOfLines(path: string, from: number): Promise<number | undefined> {
  let last: number | undefined
  for await (const { end, isWhole } of linesOf(path, from)) if (isWhole) last = end
  return last
}

/** The digest of a part of a file. */
export async function digestOf(path: string, from: number, to: number): Promise<string> {
  const bytes = Buffer.alloc(Math.max(0, to - from))
  const file = await plainFile(path)
  const { bytesRead } = await file.read(bytes, 0, bytes.length, from).finally(() => file.close())
  return toBase64url(sha256(new Uint8Array(bytes.buffer, bytes.byteOffset, bytesRead)))
}
