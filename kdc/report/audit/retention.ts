import { decodeAuditLine } from '../../../shared/administration/audit-line.js'
import { toBase64url } from '../../../shared/bytes.js'
import { type AuditKey, follows, type Link, openLink } from './chain.js'
import { lastLinkOf } from './end-of-log.js'
import { type AuditFile, auditFiles, sizeOf } from './files.js'
import { linesOf } from './lines-of.js'
import { type AuditNote, REMOVED } from './notes.js'

/** How much of an audit log is kept. */
export interface Retention {
  /** When a file is older than this, it is removed, milliseconds. */
  readonly maxAge: number
  /** How large all files may be together, bytes. */
  readonly maxBytes: number
  /** How large one file gets, bytes. Another one is begun each day, too. */
  readonly fileBytes: number
}

export interface Outdated {
  /** Empty if nothing may be removed. */
  readonly files: readonly AuditFile[]
  readonly note: AuditNote
}

/**
 * Which files may go, from the oldest on. How old a file is says the first line of the next one, which must be chained
 * to its last one: otherwise somebody changed one of them, and the KDC must not remove the traces.
 * @param now milliseconds
 */
export async function outdatedFiles(
  directory: string,
  key: AuditKey,
  { maxAge, maxBytes, fileBytes }: Retention,
  now: number,
): Promise<Outdated | undefined> {
  const files = await auditFiles(directory)
  // A file that somebody made larger must not make the others go.
  const sizes = await Promise.all(files.map(async ({ path }) => Math.min(fileBytes, await sizeOf(path))))
  let total = sizes.reduce((sum, size) => sum + size, 0)
  const outdated: AuditFile[] = []
  let from: { readonly n: number; readonly previous: Uint8Array } | undefined
  let reason = 'age'
  for (const [i, file] of files.slice(0, -1).entries()) {
    const next = files[i + 1]
    if (next === undefined) break
    const isTooMuch = total > maxBytes
    const joint = await jointOf(key, file, next)
    if (joint === undefined) {
      if (!isTooMuch) break
      const reason = 'old files are not removed, because somebody changed one of them'
      return { files: [], note: { isFault: true, reason, details: { files: [file.name, next.name] } } }
    }
    if (!isTooMuch && now - joint.endedAt <= maxAge) break
    if (isTooMuch && now - joint.endedAt <= maxAge) reason = 'size'
    outdated.push(file)
    total -= sizes[i] ?? 0
    from = { n: joint.first.n, previous: joint.last.mac }
  }
  if (from === undefined) return undefined
  const details = {
    files: outdated.map(({ name }) => name),
    because: reason,
    from: from.n,
    previous: toBase64url(from.previous),
  }
  return { files: outdated, note: { isFault: false, reason: REMOVED, details } }
}

interface Joint {
  readonly last: Link
  readonly first: Link
  /** When the file ended, milliseconds. */
  readonly endedAt: number
}

/** Where one file ends and the next one begins; `undefined` unless the one is chained to the other. */
async function jointOf(key: AuditKey, file: AuditFile, next: AuditFile): Promise<Joint | undefined> {
  const [last, first] = [await lastLinkOf(file), await firstLinkOf(next)]
  if (last === undefined || first === undefined) return undefined
  if (first.link.n !== last.n + 1 || !follows(key, last.mac, first.link)) return undefined
  return { last, first: first.link, endedAt: first.at }
}

/** The first line of a file, and its time; `undefined` if it is no line of a log. */
export async function firstLinkOf({
  path,
}: AuditFile): Promise<{ readonly link: Link; readonly at: number } | undefined> {
  for await (const { bytes, isWhole } of linesOf(path)) {
    const link = isWhole ? openLink(bytes) : undefined
    if (link === undefined) return undefined
    const at = timeOf(bytes)
    return at === undefined ? undefined : { link, at }
  }
  return undefined
}

function timeOf(line: Uint8Array): number | undefined {
  try {
    return Date.parse(decodeAuditLine(Buffer.from(line).toString('utf8')).at)
  } catch {
    return undefined
  }
}
