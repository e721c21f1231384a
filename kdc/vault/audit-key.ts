import { readdir, rename, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { base64urlBytes, toBase64url } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { openWith, sealWith } from '../../shared/crypto/seal.js'
import { encode } from '../../shared/encoding/encoding.js'
import { OrthrusError } from '../../shared/errors.js'
import { exists, syncFolder } from '../../shared/folder.node.js'
import type { PrivateFileKind } from '../../shared/keytab/private-file.js'
import { readPrivateFile, writePrivateFile } from '../../shared/keytab/private-file.node.js'
import { removeAllTemporary } from '../../shared/keytab/unfinished-files.node.js'
import { type MasterKey, revealMasterKey } from './master-key.js'
import type { MasterKeys } from './sealed-records.js'

/**
 * The key of the audit log, sealed under the master key in a file of its own beside the log. So another master key needs
 * only this file to be sealed again, and the log can be checked while the KDC runs.
 */

const FIRST_LINE = '# orthrus audit key 1'
const PREFIX = 'orthrusauditkey1_'
/** The associated data. Records have another one. */
const LABEL = 'orthrus audit key 1'

const AUDIT_KEY_FILE: PrivateFileKind = {
  name: 'audit key',
  hintIfMissing:
    'restore it from a backup; or move the folder of the audit log away, and the KDC begins another log',
  hintIfTaken: 'move the folder of the audit log away, and the KDC begins another log',
  sizeMax: 1024,
}

/** Draws a key and writes it to a new file. @throws OrthrusError `keytab_invalid` if it cannot be written */
export async function createAuditKey(
  path: string,
  master: MasterKey,
  random: RandomSource,
): Promise<Uint8Array> {
  const key = random(SIZE.KEY)
  await writePrivateFile(AUDIT_KEY_FILE, path, sealAuditKey(key, master, random))
  return key
}

/** @throws OrthrusError `keytab_invalid` if the file is missing, not private, altered, or sealed under another key */
export async function readAuditKey(path: string, { current, previous }: MasterKeys): Promise<Uint8Array> {
  const text = await readPrivateFile(AUDIT_KEY_FILE, path)
  const key = openAuditKey(text, current) ?? (previous && openAuditKey(text, previous))
  if (key !== undefined) return key
  throw new OrthrusError('keytab_invalid', `the audit key ${path} does not open`, {
    final: true,
    hint: `the master key is another one, or the file was altered: restore both from one backup. If the master key was changed without it: orthrus master-key rotate --data DIR --audit-directory ${dirname(path)} --previous-master-key-file OLD-KEY`,
  })
}

/** The text of the file. */
export function sealAuditKey(key: Uint8Array, master: MasterKey, random: RandomSource): string {
  const sealed = sealWith(revealMasterKey(master), encode([LABEL]), key, random)
  return `${FIRST_LINE}\n${PREFIX}${toBase64url(sealed)}\n`
}

/** @returns `undefined` if the text is not a key that was sealed under this master key */
export function openAuditKey(text: string, master: MasterKey): Uint8Array | undefined {
  const start = `${FIRST_LINE}\n${PREFIX}`
  if (!text.startsWith(start) || !text.endsWith('\n')) return undefined
  const sealed = base64urlBytes(text.slice(start.length, -1))
  const key = sealed && openWith(revealMasterKey(master), encode([LABEL]), sealed)
  return key?.length === SIZE.KEY ? key : undefined
}

/** Seals the key in the file under the current master key, in place of the one before, in one step. */
export async function rewrapAuditKey(path: string, keys: MasterKeys, random: RandomSource): Promise<void> {
  if (!(await exists(path))) return
  const key = await readAuditKey(path, keys)
  const next = `${path}.next`
  await rm(next, { force: true })
  await removeAllTemporary(next, { readdir, unlink })
  await writePrivateFile(AUDIT_KEY_FILE, next, sealAuditKey(key, keys.current, random))
  await rename(next, path)
  await syncFolder(dirname(path))
}
