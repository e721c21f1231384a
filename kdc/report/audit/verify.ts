import { join } from 'node:path'
import { codeOf } from '../../../shared/folder.node.js'
import type { AuditKey } from './chain.js'
import { readMark } from './end-of-log.js'
import { AUDIT_FILES, auditFiles } from './files.js'
import { type Finding, Walk } from './walk.js'

export interface Verification {
  readonly files: number
  /** The numbers of the first and the last line that is there; 0 for none. */
  readonly first: number
  readonly last: number
  readonly findings: readonly Finding[]
  /** What is as it may be, and worth knowing. */
  readonly notes: readonly Finding[]
}

/**
 * Checks every line of an audit log, that none is missing between them, and that none is missing at the end as far as
 * marks say. It only reads, so the KDC may be running.
 * @param marks further marks, which were kept elsewhere
 * @throws the system's error
 */
export async function verifyAudit(
  directory: string,
  key: AuditKey,
  marks: readonly string[] = [],
): Promise<Verification> {
  for (let attempts = ATTEMPTS; ; attempts--) {
    try {
      return await verifyOnce(directory, key, marks)
    } catch (cause) {
      // A KDC that runs removes old files.
      if (codeOf(cause) !== 'ENOENT' || attempts === 1) throw cause
    }
  }
}

const ATTEMPTS = 3

async function verifyOnce(directory: string, key: AuditKey, marks: readonly string[]): Promise<Verification> {
  // First, because a KDC that runs goes on writing lines.
  const last = await readMark(key, join(directory, AUDIT_FILES.LAST_MARK))
  const files = await auditFiles(directory)
  const walk = new Walk(key)
  for (const mark of marks) walk.expectMark(mark)
  if (last.kind === 'mark') walk.expect(last.mark, 'the last mark')
  for (const file of files) await walk.take(file, file === files.at(-1))
  if (last.kind === 'foreign')
    walk.find({ file: AUDIT_FILES.LAST_MARK, what: 'the last mark was not made by this KDC' })
  if (last.kind === 'missing' && files.length > 0) {
    walk.find({
      file: AUDIT_FILES.LAST_MARK,
      what: 'the last mark is missing: whether lines are missing at the end cannot be told',
    })
  }
  walk.end()
  return { files: files.length, first: walk.first, last: walk.n, findings: walk.findings, notes: walk.notes }
}
