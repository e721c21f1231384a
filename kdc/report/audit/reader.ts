import {
  AUDIT_ROWS,
  type AuditFilter,
  type AuditPage,
  type AuditPlace,
  USE_ROWS,
  type Use,
  type UsesPage,
} from '../../../shared/administration/audit.js'
import type { AuditLine } from '../../../shared/administration/audit-line.js'
import { codeOf } from '../../../shared/folder.node.js'
import { type AuditFile, auditFiles, sizeOf } from './files.js'
import { passing } from './filter.js'
import { linesOf } from './lines-of.js'
import type { View } from './owner-view.js'
import { firstLinkOf } from './retention.js'

/** Reads an audit log in pages, while the KDC goes on writing it. */

/** The most bytes that are looked at for one page, so that no page takes the KDC's time from others. */
const PAGE_SCAN_BYTES = 2 * 1024 * 1024
/** The most bytes of lines in one page: an answer has a bound. */
const PAGE_BYTES = 512 * 1024
/** How close a search by time gets, bytes. */
const SEARCH_BYTES = 256 * 1024

/** What a reader may see of the log. */
export interface AuditScope {
  readonly filter: AuditFilter
  /** Absent for who may see all of it. */
  readonly view?: View
}

/** Lines that pass the filter, in their order, from a place on; from `since` on for the first page. */
export async function readAudit(
  directory: string,
  scope: AuditScope,
  place: AuditPlace | null,
): Promise<AuditPage> {
  const lines: string[] = []
  let bytes = 0
  const take: Take = (line, text) => {
    const told = scope.view === undefined ? text : JSON.stringify(line)
    lines.push(told)
    bytes += 3 * told.length
    return lines.length < AUDIT_ROWS && bytes < PAGE_BYTES
  }
  return { ...(await scan(directory, scope, place, take)), lines }
}

/** Who got, or was denied, tickets for what. Tickets for the KDC itself count only if they are asked for. */
export async function readUses(
  directory: string,
  scope: AuditScope,
  place: AuditPlace | null,
): Promise<UsesPage> {
  const uses = new Map<string, Use>()
  const reserved = scope.filter.service === null
  const scanned = await scan(directory, scope, place, line => {
    const { kind, client, service } = line
    if (kind !== 'ticket' || client === undefined || service === undefined) return true
    if (reserved && service.startsWith('krbtgt@')) return true
    const name = `${client} ${service}`
    uses.set(name, counted(uses.get(name) ?? { client, service, ...NONE }, line))
    return uses.size < USE_ROWS
  })
  return { ...scanned, uses: [...uses.values()] }
}

const NONE = { granted: 0, denied: 0, at: 0, from: '' } as const

function counted({ client, service, granted, denied }: Use, { outcome, at, from = '' }: AuditLine): Use {
  const [more, fewer] = outcome === 'granted' ? [1, 0] : [0, 1]
  return { client, service, granted: granted + more, denied: denied + fewer, at: Date.parse(at), from }
}

/** @returns whether more fits */
type Take = (line: AuditLine, text: string) => boolean

async function scan(
  directory: string,
  { filter, view = line => line }: AuditScope,
  place: AuditPlace | null,
  take: Take,
): Promise<{ next: AuditPlace; isEnd: boolean }> {
  const files = await auditFiles(directory)
  const begin = place ?? (await placeAt(files, filter.since))
  let next = begin
  let scanned = 0
  for (const file of files.filter(({ first }) => first >= begin.file)) {
    const from = file.first === begin.file ? begin.offset : 0
    next = { file: file.first, offset: from }
    for await (const { bytes, offset, end, isWhole } of existing(linesOf(file.path, from))) {
      // What is not whole is being written. Of a file that is over it is what a kill left.
      if (!isWhole) continue
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
      const passed = passing(filter, text)
      const line = passed && view(passed)
      next = { file: file.first, offset: end }
      scanned += end - offset
      const hasRoom = line === undefined || take(line, text)
      if (!hasRoom || scanned >= PAGE_SCAN_BYTES) return { next, isEnd: false }
    }
  }
  return { next, isEnd: true }
}

/** A file that is removed meanwhile has no lines any more. */
async function* existing<T>(lines: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* lines
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause
  }
}

/** Where lines of that time begin, or a little before. */
async function placeAt(files: readonly AuditFile[], since: number | null): Promise<AuditPlace> {
  const [oldest] = files
  if (oldest === undefined) return { file: 0, offset: 0 }
  if (since === null) return { file: oldest.first, offset: 0 }
  let found = oldest
  for (const file of files.toReversed()) {
    const first = await firstLinkOf(file)
    if (first === undefined || first.at > since) continue
    found = file
    break
  }
  return { file: found.first, offset: await offsetAt(found, since) }
}

/** A search by halves: times rise along a file, but for a clock that was set back. */
async function offsetAt({ path }: AuditFile, since: number): Promise<number> {
  let low = 0
  let high = await sizeOf(path)
  while (high - low > SEARCH_BYTES) {
    const middle = Math.floor((low + high) / 2)
    const line = await lineBehind(path, middle)
    if (line !== undefined && line.at < since) low = line.offset
    else high = middle
  }
  return low
}

/** The first whole line that begins behind an offset. */
async function lineBehind(path: string, from: number): Promise<{ offset: number; at: number } | undefined> {
  for await (const { bytes, offset, isWhole } of linesOf(path, from)) {
    // The first one began before.
    if (offset === from || !isWhole) continue
    const line = passing(ANY, Buffer.from(bytes).toString('utf8'))
    return line && { offset, at: Date.parse(line.at) }
  }
  return undefined
}

const ANY: AuditFilter = { client: null, service: null, outcome: null, since: null }
