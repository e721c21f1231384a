import { unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, exists, syncFolder } from '../../shared/folder.node.js'
import type { PrivateFileKind } from '../../shared/keytab/private-file.js'
import { readPrivateFile, writePrivateFile } from '../../shared/keytab/private-file.node.js'
import { formatSavedFeed, parseSavedFeed, type SavedFeed } from './saved-feed.js'

const FEED_FILE: PrivateFileKind = {
  name: 'saved feed',
  flag: 'feedFile',
  option: 'feedFile',
  hintIfMissing: 'it is written when the service is closed',
  hintIfTaken: 'give each process a feedFile of its own',
  sizeMax: 256 * 1024 * 1024,
}

/**
 * What the last orderly end left, and removes it: after a crash there must be none, since it would be of an earlier end.
 * Undefined if there is none.
 * @throws OrthrusError if it is not private or not whole
 */
export async function takeSavedFeed(path: string): Promise<SavedFeed | undefined> {
  if (!(await exists(path))) return undefined
  try {
    return parseSavedFeed(await readPrivateFile(FEED_FILE, path))
  } finally {
    await remove(path)
  }
}

/** @throws OrthrusError if it cannot be written, or if there is one already */
export async function writeSavedFeed(path: string, saved: SavedFeed): Promise<void> {
  await writePrivateFile(FEED_FILE, path, formatSavedFeed(saved))
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path)
    await syncFolder(dirname(path))
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause
  }
}
