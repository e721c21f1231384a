import { join } from 'node:path'
import { DATA_FILES } from '../kdc/data-files.js'
import { OrthrusError } from '../shared/errors.js'
import { codeOf, exists } from '../shared/folder.node.js'

/** Finds the folder of a realm for the commands. */

export interface RealmFiles {
  readonly database: string
  readonly masterKey: string
  readonly adminKeytab: string
  readonly audit: string
}

export function filesIn(folder: string): RealmFiles {
  return {
    database: join(folder, DATA_FILES.DATABASE),
    masterKey: join(folder, DATA_FILES.MASTER_KEY),
    adminKeytab: join(folder, DATA_FILES.ADMIN_KEYTAB),
    audit: join(folder, DATA_FILES.AUDIT),
  }
}

/** What `orthrus migrate` leaves of the database of a realm that it moved to etcd. */
export function movedDatabaseIn(folder: string): string {
  return join(folder, DATA_FILES.MOVED)
}

/** @throws OrthrusError `unavailable` if there is no realm, or it cannot be determined whether there is one */
export async function requireRealm(folder: string): Promise<void> {
  if (await isThere(filesIn(folder).database)) return
  const wasMoved = await isThere(movedDatabaseIn(folder))
  throw new OrthrusError('unavailable', `there is no realm in ${folder}`, {
    final: true,
    hint: wasMoved
      ? `orthrus migrate moved it to etcd: name its place there with --store, as the command said`
      : `make one with: orthrus init REALM --data ${folder}`,
  })
}

/**
 * @param keyIsElsewhere whether the master key of a realm there would not be in the folder
 * @throws OrthrusError `unavailable` if there is a realm, or a part of one that `orthrus init` does not finish
 */
export async function requireNoRealm(folder: string, keyIsElsewhere = false): Promise<void> {
  const { database, masterKey, adminKeytab } = filesIn(folder)
  const [hasDatabase, hasKey] = [await isThere(database), await isThere(masterKey)]
  const elsewhere = 'name another folder with --data'
  if (hasDatabase && (hasKey || keyIsElsewhere)) {
    throw new OrthrusError('unavailable', `${folder} has a realm already`, { final: true, hint: elsewhere })
  }
  for (const path of [database, masterKey, adminKeytab]) {
    if (!(await isThere(path))) continue
    const hint = `${elsewhere}, or restore what is missing from a backup: nothing here is written over`
    throw new OrthrusError('unavailable', `${folder} has a part of a realm: ${path} exists`, {
      final: true,
      hint,
    })
  }
}

/**
 * As `exists`. A folder that may not be entered is not a missing one.
 * @throws OrthrusError `unavailable` if it cannot be determined
 */
export async function isThere(path: string): Promise<boolean> {
  try {
    return await exists(path)
  } catch (cause) {
    throw new OrthrusError('unavailable', `${path} cannot be looked at: ${codeOf(cause)}`, {
      final: true,
      cause,
      hint: 'the user who runs this must be allowed to enter the folders above it: check their owner and mode',
    })
  }
}
