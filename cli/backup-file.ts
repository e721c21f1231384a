import { OrthrusError } from '../shared/errors.js'
import { codeOf } from '../shared/folder.node.js'
import { readBounded } from './bounded-input.js'

/** Node reads no larger file at once. */
const BACKUP = { max: 2 ** 31 - 1, because: 'no backup of a realm is that large' }

/** @throws OrthrusError `unavailable` if it cannot be read */
export async function readBackupFile(file: string): Promise<Uint8Array> {
  try {
    return await readBounded(file, BACKUP)
  } catch (cause) {
    if (cause instanceof TypeError) throw cause
    throw new OrthrusError('unavailable', `${file} cannot be read: ${codeOf(cause)}`, {
      final: true,
      cause,
      hint: 'name a file that "orthrus backup" wrote',
    })
  }
}
