import { constants } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { equalBytes, sha256 } from '#primitives'
import { concatBytes, fromBase64url, toBase64url } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import { syncFolder } from '../store/level/folder.js'

/** The bytes of a master key, for the vault and its file. */
export let revealMasterKey: (key: MasterKey) => Uint8Array

/** What the KDC's records are sealed under. It shows itself nowhere: not in text, JSON or an inspection. */
export class MasterKey {
  readonly #bytes: Uint8Array

  /** Takes the bytes over: the caller must not keep or change them. @throws TypeError unless 32 bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== SIZE.KEY)
      throw new TypeError(`a master key has ${SIZE.KEY} bytes, not ${bytes.length}`)
    this.#bytes = bytes
  }

  static {
    revealMasterKey = key => key.#bytes
  }

  toString(): string {
    return '[MasterKey]'
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

const FIRST_LINE = '# orthrus master key 1'
const PREFIX = 'orthrusmaster1_'
const OTHERS = 0o077

/**
 * Draws a key and writes it to a new file of mode 0600; both file and name are on stable storage when it resolves.
 * @throws OrthrusError `keytab_invalid` where there is such a file already, or it cannot be written.
 */
export async function createMasterKey(path: string, random: RandomSource): Promise<MasterKey> {
  const key = new MasterKey(random(SIZE.KEY))
  const file = await open(path, 'wx', 0o600).catch(cause => {
    if (codeOf(cause) === 'EEXIST')
      throw invalid(path, 'exists already', 'it is never written over: move it away')
    throw invalid(path, `cannot be made: ${codeOf(cause)}`, 'check the folder that it goes into', cause)
  })
  try {
    await writeSynced(file, formatMasterKey(key))
    await syncFolder(dirname(path))
  } catch (cause) {
    // A file that is cut off would be in the way of the next attempt.
    await rm(path, { force: true })
    throw invalid(path, `cannot be written: ${codeOf(cause)}`, 'is the disk full?', cause)
  }
  return key
}

/**
 * What is checked is the file that was opened, not the name.
 * @throws OrthrusError `keytab_invalid` where it is missing, no plain file, somebody else's, readable by others, or not
 * a master key as it was written.
 */
export async function readMasterKey(path: string): Promise<MasterKey> {
  const file = await openPlain(path)
  try {
    await requirePrivate(file, path)
    return parseMasterKey(path, await file.readFile('latin1'))
  } finally {
    await file.close()
  }
}

async function writeSynced(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function openPlain(path: string): Promise<FileHandle> {
  try {
    // Not blocking, as opening a pipe would wait for a writer.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT')
      throw invalid(path, 'does not exist', 'restore it from a backup: nothing else opens the database')
    if (code === 'ELOOP') throw invalid(path, 'is a symbolic link', 'put the file itself in its place')
    throw invalid(path, `cannot be opened: ${code}`, 'check who owns it and its mode', cause)
  }
}

async function requirePrivate(file: FileHandle, path: string): Promise<void> {
  const stat = await file.stat()
  if (!stat.isFile()) throw invalid(path, 'is no plain file', 'put the file itself in its place')
  if (stat.size !== FILE_BYTES) throw altered(path)
  if (process.platform !== 'win32' && (stat.mode & OTHERS) !== 0) {
    throw invalid(path, 'can be read by others', `run: chmod 600 ${path}`)
  }
  const user = process.getuid?.()
  if (user !== undefined && user !== 0 && stat.uid !== user) {
    throw invalid(
      path,
      'belongs to another user',
      `run the KDC as the user who owns it, or: chown ${user} ${path}`,
    )
  }
}

function formatMasterKey(key: MasterKey): string {
  const bytes = revealMasterKey(key)
  return `${FIRST_LINE}\n${PREFIX}${toBase64url(concatBytes(bytes, checkOf(bytes)))}\n`
}

const FILE_BYTES = formatMasterKey(new MasterKey(new Uint8Array(SIZE.KEY))).length

function parseMasterKey(path: string, text: string): MasterKey {
  const start = `${FIRST_LINE}\n${PREFIX}`
  if (!text.startsWith(start) || !text.endsWith('\n')) throw altered(path)
  let checked: Uint8Array
  try {
    checked = fromBase64url(text.slice(start.length, -1))
  } catch {
    throw altered(path)
  }
  const bytes = checked.slice(0, SIZE.KEY)
  if (!equalBytes(checked.subarray(SIZE.KEY), checkOf(bytes))) throw altered(path)
  return new MasterKey(bytes)
}

function checkOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).subarray(0, SIZE.CHECK)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}

function altered(path: string): OrthrusError {
  return invalid(path, 'is not a master key as it was written', 'restore it from a backup')
}

function invalid(path: string, reason: string, hint: string, cause?: unknown): OrthrusError {
  return new OrthrusError('keytab_invalid', `the master key ${path} ${reason}`, { final: true, hint, cause })
}
