import { constants, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { OrthrusError } from '../../shared/errors.js'
import { codeOf } from '../../shared/folder.node.js'
import { hasSecret } from '../../shared/shown-text.js'

/** Reads a file of settings: TOML, with texts, numbers, truth values and lists, and one level of tables. */

export type Table = Readonly<Record<string, unknown>>

/** Bytes. */
const SIZE_MAX = 64 * 1024
const ROOT = 0
/** The bits of a mode that let anybody but the owner write. */
const WRITTEN_BY_OTHERS = 0o022
const NON_BLOCKING = constants.O_NONBLOCK ?? 0

/**
 * Whoever can write the file decides where the KDC listens, whom it trusts as a proxy and which program it runs for its
 * master key. So it must belong to whoever runs the KDC or to root, and nobody else may write it. All may read it.
 * @throws OrthrusError `unavailable` if it cannot be read or others may write it; TypeError if it is no TOML
 */
export async function readSettingsFile(path: string): Promise<Table> {
  const text = await readChecked(path)
  // A secret has no entry here, and the file may be readable by all.
  if (hasSecret(text)) throw new TypeError(`${path} has a key or another secret in it: it has no place here`)
  const { parse } = await import('smol-toml')
  try {
    return parse(text, { maxDepth: 4, unsafeKeyBehaviour: 'throw' })
  } catch (cause) {
    throw new TypeError(`${path}${told(cause)}`)
  }
}

/** Where and what, without the lines around it. */
function told(cause: unknown): string {
  const { message, line, column } = cause as { message?: unknown; line?: unknown; column?: unknown }
  const [what = ''] = String(message).replace('Invalid TOML document: ', '').split('\n')
  return typeof line === 'number' ? `:${line}:${String(column)}: ${what}` : ` is not TOML: ${what}`
}

async function readChecked(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | NON_BLOCKING).catch((cause: unknown) => {
    const hint = 'name the file that there is, or none: each setting has a default'
    throw refused(path, `cannot be opened: ${codeOf(cause)}`, hint, cause)
  })
  try {
    requireOwn(path, await file.stat(), process.getuid?.())
    return await readBounded(path, file)
  } finally {
    await file.close()
  }
}

/** @param user who runs this; `undefined` on Windows, which has neither such owners nor such modes */
export function requireOwn(
  path: string,
  facts: Pick<Stats, 'mode' | 'uid' | 'isFile'>,
  user: number | undefined,
): void {
  if (!facts.isFile()) throw refused(path, 'is not a plain file', 'name the file itself')
  if (user === undefined) return
  if (facts.uid !== user && facts.uid !== ROOT) {
    const hint = `it must belong to the user who runs the KDC, or to root: chown root ${path}`
    throw refused(path, `belongs to another user (uid ${facts.uid})`, hint)
  }
  if ((facts.mode & WRITTEN_BY_OTHERS) !== 0) {
    const mode = (facts.mode & 0o777).toString(8)
    throw refused(path, `can be written by others (mode ${mode})`, `run: chmod go-w ${path}`)
  }
}

async function readBounded(path: string, file: FileHandle): Promise<string> {
  const bytes = Buffer.alloc(SIZE_MAX + 1)
  let length = 0
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  if (length > SIZE_MAX) throw refused(path, `is larger than ${SIZE_MAX} bytes`, 'is it a file of settings?')
  return bytes.toString('utf8', 0, length)
}

function refused(path: string, reason: string, hint: string, cause?: unknown): OrthrusError {
  return new OrthrusError('unavailable', `the file of settings ${path} ${reason}`, {
    final: true,
    hint,
    cause,
  })
}
