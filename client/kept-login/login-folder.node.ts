import { lstat } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { codeOf, exists } from '../../shared/folder.node.js'
import { invalidFile, LOGIN_FILE, type PrivateFileKind } from '../../shared/keytab/private-file.js'

/** The folder that the logins of a person are kept in (docs/people.md). */

type Environment = Readonly<Record<string, string | undefined>>

/** A folder that only its owner may enter. */
const OTHERS = 0o077

/** What a message about the folder names it. */
const LOGIN_FOLDER: PrivateFileKind = { ...LOGIN_FILE, name: 'folder of logins' }

/**
 * `ORTHRUS_LOGINS`, if it is set. Otherwise the folder that the platform erases when the session of the person ends,
 * which is in memory: `$XDG_RUNTIME_DIR/orthrus`. Where there is none, the folder for what can be had again, which backups
 * leave out.
 * @returns undefined if the environment names no such place
 */
export async function loginFolder(
  env: Environment,
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  const own = env.ORTHRUS_LOGINS
  if (own !== undefined && own !== '') return resolve(own)
  const runtime = absolute(env.XDG_RUNTIME_DIR)
  // `su` and `sudo` may leave the variable of another user.
  if (runtime !== undefined && (await isOwnFolder(runtime))) return join(runtime, 'orthrus')
  const cache = cacheFolder(env, platform)
  return cache === undefined ? undefined : join(cache, 'orthrus', 'logins')
}

function cacheFolder(env: Environment, platform: NodeJS.Platform): string | undefined {
  if (platform === 'win32') return absolute(env.LOCALAPPDATA)
  const home = absolute(env.HOME)
  if (platform === 'darwin') return home === undefined ? undefined : join(home, 'Library', 'Caches')
  return absolute(env.XDG_CACHE_HOME) ?? (home === undefined ? undefined : join(home, '.cache'))
}

/** A path that is relative is to be ignored, as the XDG base directory specification says. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined
}

async function isOwnFolder(path: string): Promise<boolean> {
  const facts = await lstat(path).catch(() => undefined)
  return facts?.isDirectory() === true && facts.uid === process.getuid?.() && (facts.mode & OTHERS) === 0
}

/** @throws OrthrusError `login_invalid` if that may not be asked, as where HOME is that of another user */
export async function isFolderThere(path: string): Promise<boolean> {
  try {
    return await exists(path)
  } catch (cause) {
    const hint = `check HOME and the folders above it, or name a folder of your own: ORTHRUS_LOGINS=DIR`
    throw invalidFile(LOGIN_FOLDER, path, `cannot be looked at: ${codeOf(cause)}`, hint, cause)
  }
}

/**
 * Requires that nobody else can put a file in the place of a login, or see which there are.
 * @throws OrthrusError `login_invalid`
 */
export async function requireOwnFolder(path: string): Promise<void> {
  const facts = await lstat(path)
  if (!facts.isDirectory()) throw invalidFile(LOGIN_FOLDER, path, 'is not a folder', 'remove it')
  const user = process.getuid?.()
  if (user === undefined) return
  if (facts.uid !== user) {
    const hint = 'run this as that user, or name a folder of your own: ORTHRUS_LOGINS=DIR'
    throw invalidFile(LOGIN_FOLDER, path, `belongs to another user (uid ${facts.uid})`, hint)
  }
  if ((facts.mode & OTHERS) === 0) return
  const mode = (facts.mode & 0o777).toString(8)
  throw invalidFile(LOGIN_FOLDER, path, `can be entered by others (mode ${mode})`, `run: chmod 700 ${path}`)
}
