import { join } from 'node:path'
import type { RandomSource } from '../shared/crypto/random.js'
import { OrthrusError } from '../shared/errors.js'
import { codeOf, createFolder, exists } from '../shared/folder.node.js'
import type { Clock } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'
import {
  ALL_REFUSALS_LOGGED,
  AUDIT_BACKLOG,
  DEFAULT_AUDIT,
  REFUSALS_LOGGED,
  TICKETS_AUDITED,
} from './limits/defaults.js'
import { type Audit, openAudit } from './report/audit/audit.js'
import { AuditKey } from './report/audit/chain.js'
import { AUDIT_FILES, auditFiles } from './report/audit/files.js'
import type { KdcEvent } from './report/events.js'
import { createAuditKey, readAuditKey, rewrapAuditKey } from './vault/audit-key.js'
import type { MasterKeys } from './vault/sealed-records.js'
import type { Rewrap } from './vault/vault.js'

/** How the audit log is kept (docs/operations.md). */
export interface AuditSettings {
  /** Its folder. Default: `audit` in the data folder. */
  readonly directory?: string
  /** How old it gets, milliseconds. Default: 90 days. */
  readonly maxAge?: number
  /** How large it gets, bytes. Default: 2 GiB. */
  readonly maxBytes?: number
}

/** The largest file of the log, bytes: a sixteenth of all of it, if that is less. */
const FILE_BYTES = 16 * 2 ** 20
const FILES_LEAST = 16

/** What the audit log needs of its KDC. */
export interface AuditParts {
  readonly directory: string
  readonly settings: AuditSettings
  readonly keys: MasterKeys
  /** Has the key of the log sealed again when the master key changes. */
  readonly onRotation: (rewrap: Rewrap) => void
  readonly clock: Clock
  readonly timers: Timers
  readonly random: RandomSource
  readonly tell: (event: KdcEvent) => void
  /** This KDC, where several share the realm. */
  readonly replica: string | undefined
}

/**
 * Opens the audit log in a folder, which is made if it is not there.
 * @throws OrthrusError `unavailable` if the folder cannot be made or read, `keytab_invalid` if its key does not open
 */
export async function startAudit({
  directory,
  settings,
  keys,
  onRotation,
  random,
  ...parts
}: AuditParts): Promise<Audit> {
  try {
    await createFolder(directory)
    const key = new AuditKey(await keyOf(directory, keys, random))
    onRotation(changed => rewrapAuditKey(join(directory, AUDIT_FILES.KEY), changed, random))
    const { maxAge, maxBytes } = { ...DEFAULT_AUDIT, ...settings }
    const fileBytes = Math.min(FILE_BYTES, Math.floor(maxBytes / FILES_LEAST))
    const retention = { maxAge, maxBytes, fileBytes }
    const shares = { refusals: REFUSALS_LOGGED, allRefusals: ALL_REFUSALS_LOGGED, tickets: TICKETS_AUDITED }
    return await openAudit({ directory, key, retention, shares, backlogMax: AUDIT_BACKLOG, ...parts })
  } catch (cause) {
    if (cause instanceof OrthrusError) throw cause
    throw new OrthrusError(
      'unavailable',
      `the audit log in ${directory} cannot be opened: ${codeOf(cause)}`,
      {
        final: true,
        cause,
        hint: 'it must belong to the user who runs the KDC: check its owner and mode, and the room on its disk',
      },
    )
  }
}

/** A log without its key was somebody else's work: the KDC does not begin another one in its place. */
async function keyOf(directory: string, keys: MasterKeys, random: RandomSource): Promise<Uint8Array> {
  const path = join(directory, AUDIT_FILES.KEY)
  const isNew =
    !(await exists(path)) &&
    !(await exists(join(directory, AUDIT_FILES.LAST_MARK))) &&
    (await auditFiles(directory)).length === 0
  return isNew ? createAuditKey(path, keys.previous ?? keys.current, random) : readAuditKey(path, keys)
}
