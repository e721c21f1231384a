import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { type FileHandle, link, lstat, open, readdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, exists, syncFolder } from '../folder.node.js'
import { requirePath } from './keytab-path.js'
import {
  type FileFacts,
  invalidFile,
  type PrivateFileKind,
  type PrivateFileOptions,
  requirePrivate,
  unopened,
} from './private-file.js'
import { noteUnfinished, removeAbandoned } from './unfinished-files.node.js'

/** Reads and makes the files that hold keys. Each is opened once, and then used only through its handle. */

// Windows has neither flag.
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0
const NON_BLOCKING = constants.O_NONBLOCK ?? 0

/** What systems say about hard links on a file system that has none. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * The text of a private file. The checks apply to the opened file, not to its name.
 * @throws OrthrusError `keytab_invalid` as `requirePrivate`, or if it cannot be opened or read
 */
export async function readPrivateFile(
  kind: PrivateFileKind,
  path: string,
  options: PrivateFileOptions = {},
): Promise<string> {
  requirePath(path)
  const { text } = await readPrivateVersion(kind, path, options)
  return text
}

/** The text of a private file, and which file it was. @throws OrthrusError as `readPrivateFile` */
export async function readPrivateVersion(
  kind: PrivateFileKind,
  path: string,
  options: PrivateFileOptions = {},
): Promise<{ readonly text: string; readonly facts: Stats }> {
  const { bytes, facts } = await readPrivateBytes(kind, path, options)
  return { text: bytes.toString('utf8'), facts }
}

/**
 * The bytes of a private file, for what overwrites them when it has read them: a text stays in memory until it is
 * collected. @throws OrthrusError as `readPrivateFile`
 */
export async function readPrivateBytes(
  kind: PrivateFileKind,
  path: string,
  options: PrivateFileOptions = {},
): Promise<{ readonly bytes: Buffer; readonly facts: Stats }> {
  const file = await openToRead(kind, path, options)
  try {
    const facts = await file.stat()
    requirePrivate(kind, path, facts, process.getuid?.(), options)
    return { bytes: await readWhole(kind, path, file, facts), facts }
  } finally {
    await file.close()
  }
}

async function openToRead(
  kind: PrivateFileKind,
  path: string,
  options: PrivateFileOptions,
): Promise<FileHandle> {
  const follow = options.allowReadable === true ? 0 : NO_FOLLOW
  try {
    // Not blocking, because opening a pipe would wait for a writer.
    return await open(path, constants.O_RDONLY | NON_BLOCKING | follow)
  } catch (cause) {
    throw unopened(kind, path, codeOf(cause), options, cause)
  }
}

/** Reads no more than the size that was checked, since a file may grow meanwhile. */
async function readWhole(
  kind: PrivateFileKind,
  path: string,
  file: FileHandle,
  { size }: FileFacts,
): Promise<Buffer> {
  const bytes = Buffer.alloc(size + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  if (length !== size)
    throw invalidFile(kind, path, 'changed while it was read', 'try again when it is whole')
  return bytes.subarray(0, length)
}

/**
 * A private file under a temporary name, reserved so that nothing is registered whose key could not be written down.
 */
export interface PrivatePlace {
  /** Writes the whole file or nothing, for its owner only, on stable storage, and never over an existing file. */
  write(text: string): Promise<void>
  /** Removes what was not written. */
  abandon(): Promise<void>
}

/**
 * Everything goes through one handle. Another user who may write the folder can put another file under either name, but
 * sees nothing of the key and is noticed.
 * @throws OrthrusError `keytab_invalid` if the file exists or cannot be written
 */
export async function reservePrivateFile(kind: PrivateFileKind, path: string): Promise<PrivatePlace> {
  requirePath(path)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const forget = noteUnfinished(temporary)
  const file = await explained(kind, path, () => reserve(path, temporary)).catch((cause: unknown) => {
    forget()
    throw cause
  })
  let closing: Promise<void> | undefined
  const abandon = (): Promise<void> => {
    closing ??= file
      .close()
      .finally(() => unlink(temporary).catch(() => undefined))
      .finally(forget)
    return closing
  }
  const write = (text: string): Promise<void> =>
    explained(kind, path, () => fill(kind, file, { temporary, path }, text)).finally(abandon)
  return { write, abandon }
}

async function reserve(path: string, temporary: string): Promise<FileHandle> {
  if (await exists(path)) throw Object.assign(new Error(), { code: 'EEXIST' })
  const opened = await openNew(temporary)
  await removeAbandoned(path, await opened.stat(), { lstat, readdir, unlink })
  return opened
}

/**
 * Makes the file in one step, if nothing has to be done in between.
 * @throws OrthrusError as `reservePrivateFile`
 */
export async function writePrivateFile(kind: PrivateFileKind, path: string, text: string): Promise<void> {
  const place = await reservePrivateFile(kind, path)
  await place.write(text)
}

async function openNew(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW, 0o600)
  try {
    // This sets aside the umask of the process and what the folder passes on.
    await file.chmod(0o600)
    await requireLinks(path)
    return file
  } catch (cause) {
    await file.close()
    await unlink(path).catch(() => undefined)
    throw cause
  }
}

/** The file gets its name by a link, so whether there are any is known before a key is made that could be lost. */
async function requireLinks(path: string): Promise<void> {
  const tried = `${path}.link`
  const forget = noteUnfinished(tried)
  try {
    await link(path, tried)
    await unlink(tried)
  } finally {
    forget()
  }
}

interface Names {
  readonly temporary: string
  readonly path: string
}

async function fill(
  kind: PrivateFileKind,
  file: FileHandle,
  { temporary, path }: Names,
  text: string,
): Promise<void> {
  await file.writeFile(text)
  await file.sync()
  // A link fails if the name is taken, whereas a rename would replace what is there.
  await link(temporary, path)
  const [written, named] = [await file.stat({ bigint: true }), await lstat(path, { bigint: true })]
  if (written.ino !== named.ino || written.dev !== named.dev) {
    throw invalidFile(
      kind,
      path,
      'is another file than the one that was written',
      `somebody else can write ${dirname(path)}: look at both, and write keys where only you can`,
    )
  }
  await syncFolder(dirname(path))
}

async function explained<T>(kind: PrivateFileKind, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'OrthrusError') throw cause
    throw unwritten(kind, path, cause)
  }
}

function unwritten(kind: PrivateFileKind, path: string, cause: unknown): Error {
  const code = codeOf(cause)
  if (code === 'EEXIST')
    return invalidFile(kind, path, 'exists already', `move it away, or ${kind.hintIfTaken}`)
  return invalidFile(kind, path, `could not be written: ${code}`, hintOn(code, path), cause)
}

function hintOn(code: string, path: string): string {
  if (NO_LINKS.has(code)) {
    return `the folder ${dirname(path)} is on a file system without hard links, as FAT and some shared folders are: write the file elsewhere, and move it there`
  }
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return 'the disk is full: free some space'
  return `check that the folder ${dirname(path)} exists, and that you may write into it`
}
