import { type LocalCode, OrthrusError } from '../errors.js'

/**
 * The one rule for every file that holds a key: a keytab, the administrator's keytab, the master key, the login of a
 * person. Each has the same checks, messages and ways out; `private-file.node.ts` reads and makes the files.
 */

export interface PrivateFileKind {
  /** The name of such a file in a message. */
  readonly name: string
  /** The code of its errors. Default: `keytab_invalid`. */
  readonly code?: LocalCode
  /** The option that accepts a file that others can read, if there is one: on the command line, and in a program. */
  readonly wayOut?: { readonly flag: string; readonly option?: string }
  /** What to do if there is no such file. */
  readonly hintIfMissing: string
  /** What to do if there is one already, besides moving it away. */
  readonly hintIfTaken: string
  /** Bytes. */
  readonly sizeMax: number
}

export const KEYTAB_FILE: PrivateFileKind = {
  name: 'keytab',
  wayOut: { flag: '--allow-readable-keytab', option: 'allowReadableKeytab' },
  hintIfMissing: 'make one with: orthrus admin add NAME',
  hintIfTaken: 'name another file',
  sizeMax: 1024 * 1024,
}

/** A keytab whose key is changed in place: it is replaced by a file of its owner alone. */
export const CHANGING_KEYTAB_FILE: PrivateFileKind = {
  name: KEYTAB_FILE.name,
  hintIfMissing: KEYTAB_FILE.hintIfMissing,
  hintIfTaken: KEYTAB_FILE.hintIfTaken,
  sizeMax: KEYTAB_FILE.sizeMax,
}

export const MASTER_KEY_FILE: PrivateFileKind = {
  name: 'master key',
  wayOut: { flag: '--allow-readable-master-key', option: 'allowReadableMasterKey' },
  hintIfMissing: 'put it there from where it is kept: nothing else opens the database, and no backup has it',
  hintIfTaken: 'make the realm in another folder: a master key is never written over',
  sizeMax: 1024,
}

/** The tickets of a person who has logged in (docs/people.md). */
export const LOGIN_FILE: PrivateFileKind = {
  name: 'login',
  code: 'login_invalid',
  hintIfMissing: 'run: orthrus login NAME',
  hintIfTaken: 'log out first: orthrus logout NAME',
  sizeMax: 1024 * 1024,
}

export interface PrivateFileOptions {
  /** Accepts a file that others can read, or that a symbolic link leads to, which is how containers mount secrets. */
  readonly allowReadable?: boolean
}

/** What the system reports about a file. */
export interface FileFacts {
  readonly mode: number
  readonly uid: number
  /** Bytes. */
  readonly size: number
  isFile(): boolean
}

const ROOT = 0
/** The bits of a mode that give anybody but the owner any permission. */
const OTHERS = 0o077
/** Of them, those that let them write. */
const OTHERS_WRITE = 0o022

/**
 * The rule: a plain file that belongs to the user who reads it or to root, and that nobody else can read or write.
 * `allowReadable` lets others read it, and never write it, nor own it: whoever writes the file chooses the key in it, whose
 * it is, and the KDCs that are believed for it.
 * @param user the user who reads it; `undefined` on Windows, which has neither such owners nor such modes
 * @throws OrthrusError `keytab_invalid`, with what to do
 */
export function requirePrivate(
  kind: PrivateFileKind,
  path: string,
  facts: FileFacts,
  user: number | undefined,
  { allowReadable = false }: PrivateFileOptions = {},
): void {
  if (!facts.isFile()) throw invalidFile(kind, path, 'is not a plain file', 'name the file itself')
  if (facts.size > kind.sizeMax) {
    throw invalidFile(kind, path, `is larger than ${kind.sizeMax} bytes`, `is it a ${kind.name}?`)
  }
  if (user === undefined) return
  if (facts.uid !== user && facts.uid !== ROOT) {
    const hint = `it must belong to the user who reads it, or to root: run this as its owner, or: chown ${user} ${path}`
    throw invalidFile(kind, path, `belongs to another user (uid ${facts.uid})`, hint)
  }
  const mode = (facts.mode & 0o777).toString(8)
  if (allowReadable && (facts.mode & OTHERS_WRITE) !== 0) {
    const hint = `whoever writes it chooses the key; that others may read it is allowed, and no more: chmod go-w ${path}`
    throw invalidFile(kind, path, `can be changed by others (mode ${mode})`, hint)
  }
  if (!allowReadable && (facts.mode & OTHERS) !== 0) {
    const hint = `run: chmod 600 ${path}${wayOut(kind)}`
    throw invalidFile(kind, path, `can be read or changed by others (mode ${mode})`, hint)
  }
}

/**
 * The error for a file that could not be opened.
 * @param code the system's, such as `ENOENT`
 */
export function unopened(
  kind: PrivateFileKind,
  path: string,
  code: string,
  { allowReadable = false }: PrivateFileOptions,
  cause: unknown,
): OrthrusError {
  if (code === 'ENOENT') return invalidFile(kind, path, 'does not exist', kind.hintIfMissing)
  // The codes with which Linux and macOS, and FreeBSD, refuse to follow a link.
  if (!allowReadable && (code === 'ELOOP' || code === 'EMLINK')) {
    return invalidFile(kind, path, 'is a symbolic link', `name the file itself${wayOut(kind)}`)
  }
  const hint =
    code === 'EACCES' || code === 'EPERM'
      ? 'the user who runs this may not read it, or may not enter a folder above it: check their owner and mode'
      : 'check the file and the folders above it'
  return invalidFile(kind, path, `cannot be opened: ${code}`, hint, cause)
}

function wayOut({ wayOut }: PrivateFileKind): string {
  if (wayOut === undefined) return ''
  const { flag, option } = wayOut
  const inProgram = option === undefined ? '' : `, or ${option}: true`
  return `; where a container mounts it like this: ${flag}${inProgram}`
}

/** @param reason what is wrong with the file; neither it nor the hint may quote what is in the file */
export function invalidFile(
  { name, code = 'keytab_invalid' }: PrivateFileKind,
  path: string,
  reason: string,
  hint: string,
  cause?: unknown,
): OrthrusError {
  return new OrthrusError(code, `the ${name} ${path} ${reason}`, { final: true, hint, cause })
}
