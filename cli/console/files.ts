import { readdir, readFile, stat } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OrthrusError } from '../../shared/errors.js'
import type { RealmName } from '../../shared/principal.js'

/** The page, read once at the start: nothing that a request says leads to the disk. */

export interface ServedFile {
  readonly type: string
  readonly body: Uint8Array
  /** Its name has the hash of what is in it, so that it never changes. */
  readonly isLasting: boolean
}

/** By the path of the request. */
export type ServedFiles = ReadonlyMap<string, ServedFile>

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.md', 'text/plain; charset=utf-8'],
])

/** Of all files, and how large each may be, bytes. A page has a dozen. */
const LIMITS = { FILES: 64, BYTES: 4 * 1024 * 1024 } as const

const PAGE = 'index.html'
/** In its place the page has the name of the realm: letters, digits, dots and hyphens. */
const PLACEHOLDER = 'content="REALM"'

/** Beside the folder of the command in the package; elsewhere if the sources run. */
const PLACES = ['../console/', '../../dist/console/'].map(place => new URL(place, import.meta.url))

/** @throws OrthrusError `unavailable` if the page was not built, or is not what the build makes */
export async function filesOfConsole(): Promise<ServedFiles> {
  for (const place of PLACES) {
    const folder = fileURLToPath(place)
    if (await isThere(join(folder, PAGE))) return readFiles(folder)
  }
  throw refused('the page of the console is not there')
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

async function readFiles(folder: string): Promise<ServedFiles> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile())
  if (files.length > LIMITS.FILES)
    throw refused(`the page of the console has more than ${LIMITS.FILES} files`)
  const served = new Map<string, ServedFile>()
  for (const entry of files) {
    const path = join(entry.parentPath, entry.name)
    const name = relative(folder, path).split(sep).join('/')
    const type = TYPES.get(extname(name))
    const body = await readFile(path)
    if (type === undefined || body.length > LIMITS.BYTES)
      throw refused(`the page of the console has a file that is not of it: ${name}`)
    served.set(`/${name === PAGE ? '' : name}`, { type, body, isLasting: name.startsWith('assets/') })
  }
  return served
}

/** The files of a realm: its name is all that the page is told. */
export function filesOfRealm(files: ServedFiles, realm: RealmName): ServedFiles {
  const page = files.get('/')
  if (page === undefined) return files
  const text = Buffer.from(page.body).toString('utf8').replace(PLACEHOLDER, `content="${realm}"`)
  return new Map([...files, ['/', { ...page, body: Buffer.from(text) }]])
}

function refused(reason: string): OrthrusError {
  return new OrthrusError('unavailable', reason, {
    final: true,
    hint: 'install the package again, or run: npm run build',
  })
}
