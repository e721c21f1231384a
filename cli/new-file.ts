import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, exists, syncFolder } from '../shared/folder.node.js'
import { noteUnfinished } from '../shared/keytab/unfinished-files.node.js'
import { CommandFailed } from './failure.js'

/** What systems say about hard links on a file system that has none. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/**
 * A new file for its owner alone, mode 0600, written in pieces under a temporary name. It gets its name when all of it
 * is on the disk, and never takes the place of another.
 */
export class NewFile {
  readonly #temporary: string
  readonly #file: FileHandle
  readonly #forget: () => void

  private constructor(temporary: string, file: FileHandle, forget: () => void) {
    this.#temporary = temporary
    this.#file = file
    this.#forget = forget
  }

  /** @param near the path that it will have, or one beside it @throws CommandFailed */
  static async begin(near: string): Promise<NewFile> {
    const temporary = `${near}.${randomBytes(6).toString('hex')}.tmp`
    const forget = noteUnfinished(temporary)
    try {
      const file = await open(temporary, 'wx', 0o600)
      // Whatever the umask of the process is.
      await file.chmod(0o600)
      return new NewFile(temporary, file, forget)
    } catch (cause) {
      forget()
      throw unwritten(near, cause)
    }
  }

  /** @throws CommandFailed */
  async write(piece: Uint8Array): Promise<void> {
    await this.#file.writeFile(piece).catch((cause: unknown) => {
      throw unwritten(this.#temporary, cause)
    })
  }

  /** Gives the file its name. @throws CommandFailed if there is another of that name, or it cannot be written */
  async finish(path: string): Promise<void> {
    try {
      await this.#file.sync()
      await this.#file.close()
      await nameIt(this.#temporary, path)
      await syncFolder(dirname(path))
      this.#forget()
    } catch (cause) {
      throw unwritten(path, cause)
    }
  }

  /** Removes what was not finished. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined)
    await unlink(this.#temporary).catch(() => undefined)
    this.#forget()
  }
}

/** A link fails if the name is taken, whereas a rename would replace what is there. */
async function nameIt(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
    await unlink(temporary)
  } catch (cause) {
    if (!NO_LINKS.has(codeOf(cause))) throw cause
    if (await exists(path)) throw Object.assign(new Error(), { code: 'EEXIST' })
    await rename(temporary, path)
  }
}

function unwritten(path: string, cause: unknown): CommandFailed {
  const code = codeOf(cause)
  if (code === 'EEXIST') {
    return new CommandFailed(`${path} exists already, and nothing is written over: name another file`, {
      cause,
    })
  }
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  const hint = full ? 'the disk is full: free some space' : 'check its folder, and that you may write there'
  return new CommandFailed(`${path} cannot be written: ${code}; ${hint}`, { cause })
}
