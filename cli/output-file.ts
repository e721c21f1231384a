import { randomBytes } from 'node:crypto'
import { access, constants, type FileHandle, open, realpath, rename, stat, unlink } from 'node:fs/promises'
import { noteUnfinished } from '../shared/keytab/unfinished-files.node.js'
import { CommandFailed } from './failure.js'

/** A file that a command writes for its user, such as that of `--output`. */
export interface OutputFile {
  /**
   * Replaces what was there with the whole new content.
   * @throws CommandFailed
   */
  write(bytes: Uint8Array): Promise<void>
  /** Leaves what was there unchanged. */
  abandon(): Promise<void>
}

/**
 * Reserves a place for the file before anything is requested. An existing file is replaced when the whole new one is on
 * the disk, and keeps its mode. If the name is a link, the file behind it is replaced.
 * @throws CommandFailed if it cannot be written
 */
export async function reserveOutput(path: string): Promise<OutputFile> {
  const place = await attempt(path, () => findPlace(path))
  if (!place.isReplaceable) return device(path)
  const temporary = `${place.target}.${randomBytes(6).toString('hex')}.tmp`
  const forget = noteUnfinished(temporary)
  // Written only through this handle: another user of the folder could put another file under the name.
  const file = await attempt(path, () => openNew(temporary, place.mode))
  const abandon = async (): Promise<void> => {
    await file.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    forget()
  }
  const write = (bytes: Uint8Array): Promise<void> =>
    attempt(path, async () => {
      await file.writeFile(bytes)
      await file.sync()
      await rename(temporary, place.target)
    }).finally(abandon)
  return { write, abandon }
}

async function openNew(path: string, mode: number | undefined): Promise<FileHandle> {
  const file = await open(path, 'wx')
  if (mode !== undefined) await file.chmod(mode)
  return file
}

interface Place {
  readonly target: string
  /** The mode of the existing file. */
  readonly mode: number | undefined
  /** Whether a new file may take its name. `/dev/null`, a pipe and the like are written into instead. */
  readonly isReplaceable: boolean
}

async function findPlace(path: string): Promise<Place> {
  const found = await stat(path).catch(cause => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  })
  if (found === undefined) return { target: path, mode: undefined, isReplaceable: true }
  if (found.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
  // Replacing a file needs only permission for its folder. A file that is write-protected stays.
  await access(path, constants.W_OK)
  return { target: await realpath(path), mode: found.mode & 0o777, isReplaceable: found.isFile() }
}

async function device(path: string): Promise<OutputFile> {
  const file: FileHandle = await attempt(path, () => open(path, 'w'))
  const abandon = () => file.close().catch(() => {})
  return { write: bytes => attempt(path, () => file.writeFile(bytes)).finally(abandon), abandon }
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason'
    const reason =
      code === 'EISDIR'
        ? 'is a folder: name a file'
        : `cannot be written: ${code}; check its folder and the space there`
    throw new CommandFailed(`${path} ${reason}`, { cause })
  }
}
