import {
  AUDIT_LINE_BYTES,
  type AuditLine,
  decodeAuditLine,
} from '../../../shared/administration/audit-line.js'
import { OrthrusError } from '../../../shared/errors.js'
import { codeOf } from '../../../shared/folder.node.js'
import { type AuditFile, auditFiles, plainFile, sizeOf } from './files.js'
import { firstLinkOf } from './retention.js'

/**
 * Finds lines of an audit log by the id of a refusal. An id says nothing of its time, so the log is gone through from its
 * newest file back, in pages.
 */

/** How much is looked at for one page, bytes, before the file that is begun is ended: a file has 16 MiB at most. */
export const SEARCH_PAGE_BYTES = 16 * 2 ** 20

const PIECE_BYTES = 256 * 1024
/** Of a file that somebody else made larger, the rest is not looked at. */
const FILE_BYTES = 4 * SEARCH_PAGE_BYTES
/** The most lines of one page. */
const LINES = 64
const LINE_FEED = 0x0a

export interface SearchedPage {
  /** The file, by the number of its first line, before which the next page begins; null if there is none. */
  readonly next: number | null
  /** How far back the log was gone through, milliseconds; null if it has no line. */
  readonly since: number | null
}

export interface SearchOptions {
  /** Where the page begins, as `next` says; null for the newest file. */
  readonly before: number | null
  /** How much of the log is gone through in all its pages, bytes, from its newest file back. */
  readonly reach: number
  /** Takes a line with the id. @returns whether it counts: a page with a line that does is the last */
  readonly passes: (line: AuditLine) => Promise<boolean>
}

/** The lines come in the order of their files from the newest back, and within a file in their own. */
export async function searchRefusals(
  directory: string,
  id: string,
  { before, reach, passes }: SearchOptions,
): Promise<SearchedPage> {
  const sized = await withSizes(await auditFiles(directory))
  let searched = 0
  let last: AuditFile | undefined
  let count = 0
  let isFound = false
  for (const { file, newer } of sized.filter(({ file }) => before === null || file.first < before)) {
    // What was refused of one request stands close together, but a file may have begun in between.
    const isNeighbour = isFound
    if (!isNeighbour && (newer >= reach || searched >= SEARCH_PAGE_BYTES)) break
    last = file
    for await (const { scanned, found } of linesWith(file.path, id)) {
      searched += scanned
      if (found !== undefined && count < LINES && (await passes(found))) count += 1
    }
    isFound = count > 0
    if (isNeighbour) break
  }
  if (last === undefined) return { next: null, since: null }
  const { first } = last
  const hasMore = sized.some(({ file, newer }) => file.first < first && newer < reach)
  const since = (await missing(firstLinkOf(last)))?.at ?? null
  return { next: isFound || !hasMore ? null : first, since }
}

interface SizedFile {
  readonly file: AuditFile
  /** How large all newer ones are together, bytes. */
  readonly newer: number
}

/** The newest first. */
async function withSizes(files: readonly AuditFile[]): Promise<SizedFile[]> {
  const sized: SizedFile[] = []
  let newer = 0
  for (const file of files.toReversed()) {
    sized.push({ file, newer })
    newer += (await missing(sizeOf(file.path))) ?? 0
  }
  return sized
}

/** A file that is removed meanwhile has no lines any more. */
async function missing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause
    return undefined
  }
}

interface Looked {
  /** How many bytes were looked at since the last one. */
  readonly scanned: number
  readonly found: AuditLine | undefined
}

/** Most lines are not taken apart, nor even parted from each other. */
async function* linesWith(path: string, id: string): AsyncGenerator<Looked> {
  const needle = Buffer.from(`"id":"${id}"`)
  const file = await missing(plainFile(path))
  if (file === undefined) return
  try {
    let kept: Buffer = Buffer.alloc(0)
    for (let offset = 0; offset < FILE_BYTES; ) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, offset)
      if (bytesRead === 0) return
      offset += bytesRead
      const block = Buffer.concat([kept, piece.subarray(0, bytesRead)])
      // What is behind the last end of a line is being written, or was cut off.
      const end = block.lastIndexOf(LINE_FEED) + 1
      yield { scanned: bytesRead, found: undefined }
      for (const text of textsWith(block.subarray(0, end), needle)) {
        const found = lineIn(text)
        if (found?.id === id) yield { scanned: 0, found }
      }
      kept = block.length - end > 2 * AUDIT_LINE_BYTES ? Buffer.alloc(0) : block.subarray(end)
    }
  } finally {
    await file.close()
  }
}

function* textsWith(block: Buffer, needle: Buffer): Generator<string> {
  for (let at = block.indexOf(needle); at >= 0; ) {
    const start = block.lastIndexOf(LINE_FEED, at) + 1
    const end = block.indexOf(LINE_FEED, at)
    if (end - start <= 2 * AUDIT_LINE_BYTES) yield block.toString('utf8', start, end)
    at = block.indexOf(needle, end)
  }
}

function lineIn(text: string): AuditLine | undefined {
  try {
    return decodeAuditLine(text)
  } catch (cause) {
    if (cause instanceof OrthrusError) return undefined
    throw cause
  }
}
