import { constants } from 'node:fs'
import { access, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, exists, syncFolder } from '../../shared/folder.node.js'
import { invalidFile, type PrivateFileKind } from '../../shared/keytab/private-file.js'
import { readPrivateFile, writePrivateFile } from '../../shared/keytab/private-file.node.js'
import type { Principal } from '../../shared/principal.js'
import { formatSavedFeed, looksLikeSavedFeed, parseSavedFeed, type SavedFeed } from './saved-feed.js'

const FEED_FILE: PrivateFileKind = {
  name: 'saved feed',
  hintIfMissing: 'it is written when the service is closed',
  hintIfTaken: 'give each process a feedFile of its own',
  sizeMax: 256 * 1024 * 1024,
}

/**
 * What the last orderly end left, and removes it: after a crash there must be none, since it would be of an earlier end.
 * Undefined if there is none. A file that is something else stays, as a keytab, or what another service saved.
 * @throws OrthrusError if it is not private, not whole or something else
 */
export async function takeSavedFeed(path: string, service: Principal): Promise<SavedFeed | undefined> {
  if (!(await exists(path))) return undefined
  const text = await readPrivateFile(FEED_FILE, path)
  if (!looksLikeSavedFeed(text)) {
    throw invalidFile(FEED_FILE, path, 'is not a saved feed', 'give feedFile a path of its own')
  }
  const saved = await parseOrRemove(path, text)
  if (saved.service !== service) {
    throw invalidFile(FEED_FILE, path, `is of ${saved.service}`, 'give each service a feedFile of its own')
  }
  await remove(path)
  return saved
}

/** One that is not whole is of no use to anybody, and would be in the way of the next. */
async function parseOrRemove(path: string, text: string): Promise<SavedFeed> {
  try {
    return parseSavedFeed(text)
  } catch (cause) {
    await remove(path)
    throw cause
  }
}

/**
 * Finds at the start what would keep the file from being written at the end.
 * @throws OrthrusError `keytab_invalid` if there is no folder for it, or none that can be written
 */
export async function requireFeedPlace(path: string): Promise<void> {
  const folder = dirname(path)
  await access(folder, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw invalidFile(
      FEED_FILE,
      path,
      `could not be written: ${codeOf(cause)}`,
      `check that the folder ${folder} exists, and that you may write into it`,
      cause,
    )
  })
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
