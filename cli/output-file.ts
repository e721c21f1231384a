import { randomBytes } from 'node:crypto'
import { access, constants, type FileHandle, open, realpath, rename, stat, unlink } from 'node:fs/promises'
import { CommandFailed } from './failure.js'

/** A file that a command writes for its user, as `--output` names it. */
export interface OutputFile {
  /** Whole, in place of what was there before. @throws CommandFailed */
  write(bytes: Uint8Array): Promise<void>
  /** Leaves what was there before as it is. */
  abandon(): Promise<void>
}

/**
 * Makes sure of a place for the file before anything is asked for that is to go there. A file that exists is replaced
 * when all of the new one is on the disk, and keeps its mode; where the name is a link, the file behind it is.
 * @throws CommandFailed where it cannot be written
 */
export async function reserveOutput(path: string): Promise<OutputFile> {
  const place = await attempt(path, () => findPlace(path))
  if (!place.isReplaceable) return device(path)
  const temporary = `${place.target}.${randomBytes(6).toString('hex')}.tmp`
  // Written through this handle only: another user of the folder could put another file under the name.
  const file = await attempt(path, () => openNew(temporary, place.mode))
  const abandon = async (): Promise<void> => {
    await file.close().catch(() => {})
    await unlink(temporary).catch(() => {})
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
  /** Of the file that is there. */
  readonly mode: number | undefined
  /** Whether a new file may take its name: `/dev/null`, a pipe and the like are written into instead. */
  readonly isReplaceable: boolean
}

async function findPlace(path: string): Promise<Place> {
  const found = await stat(path).catch(cause => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  })
  if (found === undefined) return { target: path, mode: undefined, isReplaceable: true }
  if (found.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
  // A new file in its place needs the folder's permission alone: one that is protected stays.
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
