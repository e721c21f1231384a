import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { OrthrusError } from '../../shared/errors.js'
import { codeOf, exists } from '../../shared/folder.node.js'
import { MASTER_KEY_FILE, type PrivateFileKind } from '../../shared/keytab/private-file.js'
import { readPrivateBytes } from '../../shared/keytab/private-file.node.js'
import { MasterKey, readMasterKey } from './master-key.js'
import { runForMasterKey } from './master-key-command.js'
import { keyOfHandover } from './master-key-text.js'

/** Where the master key comes from: every command that opens the data asks here. */

/** The credential of systemd, as in `LoadCredential=orthrus-master-key:/etc/orthrus/master.key`. */
export const MASTER_KEY_CREDENTIAL = 'orthrus-master-key'

/** Holds the text of the key. The name says what it costs. */
export const MASTER_KEY_VARIABLE = 'ORTHRUS_MASTER_KEY_VISIBLE_IN_ENVIRONMENT'

const CREDENTIALS_FOLDER = 'CREDENTIALS_DIRECTORY'

export type Environment = Readonly<Record<string, string | undefined>>

/** A place. It has no secret in it. */
export type MasterKeySource =
  | { readonly kind: 'file'; readonly path: string; readonly allowReadable: boolean }
  | { readonly kind: 'credential'; readonly path: string }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'command'; readonly words: readonly string[] }

export interface MasterKeyChoice {
  /** The file in the data folder, for when nothing else is chosen. */
  readonly usualFile: string
  readonly file?: string | undefined
  /** A program and its arguments. */
  readonly command?: readonly string[] | undefined
  readonly allowReadable?: boolean | undefined
}

/**
 * Chooses the source: what was asked for by an option, then the variable, then the credential of systemd, then the
 * file in the data folder.
 * @throws TypeError if two are asked for: a forgotten one could be the wrong one
 */
export async function masterKeySource(choice: MasterKeyChoice, env: Environment): Promise<MasterKeySource> {
  const { file, command, usualFile, allowReadable = false } = choice
  const asked: MasterKeySource[] = []
  if (file !== undefined) asked.push({ kind: 'file', path: file, allowReadable })
  if (command !== undefined) asked.push({ kind: 'command', words: command })
  if ((env[MASTER_KEY_VARIABLE] ?? '') !== '')
    asked.push({ kind: 'environment', variable: MASTER_KEY_VARIABLE })
  const [source, other] = asked
  if (source !== undefined && other !== undefined) {
    throw new TypeError(
      `the master key is to come from ${toldSource(source)} and from ${toldSource(other)}: name only one of them`,
    )
  }
  return source ?? (await credentialIn(env)) ?? { kind: 'file', path: usualFile, allowReadable }
}

async function credentialIn(env: Environment): Promise<MasterKeySource | undefined> {
  const folder = env[CREDENTIALS_FOLDER]
  if (folder === undefined || folder === '') return undefined
  const path = join(folder, MASTER_KEY_CREDENTIAL)
  return (await exists(path)) ? { kind: 'credential', path } : undefined
}

/** The source for people, with nothing secret: of a command only the program, whose arguments may be. */
export function toldSource(source: MasterKeySource): string {
  switch (source.kind) {
    case 'file':
      return `the file ${source.path}`
    case 'credential':
      return `the credential ${source.path}`
    case 'environment':
      return `the variable ${source.variable}`
    case 'command':
      return `the command ${source.words[0]}`
  }
}

/**
 * @param source of `masterKeySource`
 * @throws OrthrusError `keytab_invalid` if there is no key, or what is there is none
 */
export async function openMasterKey(source: MasterKeySource, env: Environment): Promise<MasterKey> {
  if (source.kind === 'file')
    return await readMasterKey(source.path, { allowReadableMasterKey: source.allowReadable })
  const bytes = await handedOver(source, env)
  const key = keyOfHandover(bytes)
  bytes.fill(0)
  if (key !== undefined) return new MasterKey(key)
  throw new OrthrusError('keytab_invalid', `${toldSource(source)} has no master key, or a part of one`, {
    final: true,
    hint: 'it must hold what orthrus init wrote to master.key: one line that begins with orthrusmaster1_',
  })
}

async function handedOver(
  source: Exclude<MasterKeySource, { kind: 'file' }>,
  env: Environment,
): Promise<Uint8Array> {
  if (source.kind === 'command') return await runForMasterKey(source.words, withoutOwn(env))
  if (source.kind === 'environment') return Buffer.from(env[source.variable] ?? '')
  return await readCredential(source.path)
}

/** What only the KDC itself may use: the key, the socket that it was handed, and the way to its service manager. */
const OWN_VARIABLES: ReadonlySet<string> = new Set([
  MASTER_KEY_VARIABLE,
  ...['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES', 'NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'],
])

/** What the command gets of the environment. */
function withoutOwn(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OWN_VARIABLES.has(name)))
}

const CREDENTIAL_FILE: PrivateFileKind = {
  ...MASTER_KEY_FILE,
  name: 'credential',
  hintIfMissing: `look at LoadCredential=${MASTER_KEY_CREDENTIAL}:FILE in the unit`,
}

const ANYBODY = 0o007

/**
 * systemd makes the file for the service: of root, with an access list that shows in the bits of the group. So these
 * are no sign of anybody else, and those of all others are.
 */
async function readCredential(path: string): Promise<Uint8Array> {
  const { bytes, facts } = await readPrivateBytes(CREDENTIAL_FILE, path, { allowReadable: true })
  const folder = await lstat(join(path, '..')).catch((cause: unknown) => {
    throw new OrthrusError('keytab_invalid', `the folder of ${path} cannot be looked at: ${codeOf(cause)}`, {
      final: true,
      cause,
    })
  })
  // Files that only the folder protects are private too, if the folder is.
  if (process.platform === 'win32' || (facts.mode & ANYBODY) === 0 || (folder.mode & ANYBODY) === 0)
    return bytes
  bytes.fill(0)
  throw new OrthrusError('keytab_invalid', `the credential ${path} can be read or changed by others`, {
    final: true,
    hint: 'is this the folder that systemd made for the service? Start it with systemctl',
  })
}
