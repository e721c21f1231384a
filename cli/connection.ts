import type { Command } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Realm } from '../client/connect.js'
import type { KeytabLogin, PasswordLogin } from '../client/connect-options.js'
import { type Logger, silentLogger } from '../shared/logger.js'
import { parsePrincipal } from '../shared/principal.js'
import { isThere } from './data-folder.js'
import { DEFAULT_DATA, DEFAULT_KDC } from './defaults.js'
import { given } from './given.js'
import { askPassword } from './password.js'
import type { Terminal } from './terminal.js'

/** The options that say where the KDC is and which principal the command acts as. */
export interface ConnectionOptions {
  readonly kdc?: string
  readonly keytab?: string
  readonly principal?: string
  readonly password?: boolean
  readonly allowReadableKeytab?: boolean
  readonly json?: boolean
}

/** The option of every command that talks to a KDC. */
export const KDC_OPTION = ['--kdc <url>', `where the KDC listens (ORTHRUS_KDC; else ${DEFAULT_KDC})`] as const

export function withConnection(command: Command, otherwise?: string): Command {
  const keytab = ['ORTHRUS_KEYTAB', ...(otherwise === undefined ? [] : [`else ${otherwise}`])].join('; ')
  return command
    .option(...KDC_OPTION)
    .option('--keytab <file>', `whose key to use (${keytab})`)
    .option('--principal <name>', 'which principal of the keytab, where it has several')
    .option('--allow-readable-keytab', 'accept a keytab that others can read, as containers mount secrets')
    .option('--json', 'answer in JSON')
}

/** The same for administrators. */
export function withAdminConnection(command: Command): Command {
  return withConnection(command, ADMIN_KEYTAB)
}

/** Where `init` puts it, beside the database. */
export const ADMIN_KEYTAB = `${DEFAULT_DATA}/admin.keytab`

/** The same, with a login by password for people. */
export function withLogin(command: Command): Command {
  return withConnection(command).option(
    '--password',
    'ask for the password of --principal, in place of a keytab',
  )
}

/** @throws TypeError, which does not repeat a value that may contain a password */
export function kdcUrl(terminal: Terminal, options: ConnectionOptions): string {
  const text = options.kdc ?? setting(terminal, 'ORTHRUS_KDC') ?? DEFAULT_KDC
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^wss?:$/.test(url.protocol)) return text
  const told = text.includes('@') ? '' : `: ${JSON.stringify(text)}`
  const source = options.kdc === undefined ? 'ORTHRUS_KDC' : '--kdc'
  throw new TypeError(
    `${source} is not the URL of a KDC${told}; write ws://127.0.0.1:8750 or wss://kdc.example`,
  )
}

/** The largest message and response, bytes. */
export interface Sizes {
  readonly maxRequest: number
  readonly maxResponse: number
}

/** What a command that runs for long connects with. */
interface Others {
  readonly logger?: Logger
  readonly fetch?: typeof globalThis.fetch
}

/** Connects as the principal of the keytab or password, and closes after `use`. */
export async function withRealm<T>(
  terminal: Terminal,
  options: ConnectionOptions,
  use: (realm: Realm) => Promise<T>,
  others: Partial<Sizes> & Others = {},
): Promise<T> {
  const kdc = kdcUrl(terminal, options)
  const login = await loginOf(terminal, options)
  // The command's own error says everything.
  const common = { kdc, logger: silentLogger, ...others }
  const { connect } = await import('../client/connect.js')
  const realm = await connect({ ...common, ...login })
  try {
    return await use(realm)
  } finally {
    realm.close()
  }
}

/** Whether the command has a key or a password to log in with. */
export function hasLogin(terminal: Terminal, { keytab, password }: ConnectionOptions): boolean {
  return password === true || (keytab ?? setting(terminal, 'ORTHRUS_KEYTAB')) !== undefined
}

async function loginOf(
  terminal: Terminal,
  options: ConnectionOptions,
): Promise<Omit<KeytabLogin, 'kdc'> | Omit<PasswordLogin, 'kdc'>> {
  const { principal, password } = options
  if (password === true) {
    if (options.keytab !== undefined)
      throw new TypeError('--password and --keytab are two ways to log in: give one of them')
    if (principal?.includes('@') !== true)
      throw new TypeError('say whose password it is: --principal NAME@REALM --password')
    return { principal, password: await askPassword(terminal, parsePrincipal(principal)) }
  }
  return {
    keytab: keytabPath(terminal, options),
    ...(principal === undefined ? {} : { principal }),
    ...(options.allowReadableKeytab === true ? { allowReadableKeytab: true } : {}),
  }
}

/** The keytab that is to be used. @throws TypeError if none is named */
export function keytabPath(terminal: Terminal, options: ConnectionOptions): string {
  const keytab = options.keytab ?? setting(terminal, 'ORTHRUS_KEYTAB')
  if (keytab === undefined) throw new TypeError('say whose key to use: --keytab FILE, or ORTHRUS_KEYTAB=FILE')
  return keytab
}

/** An environment variable. An empty one counts as not set. */
function setting(terminal: Terminal, name: 'ORTHRUS_KDC' | 'ORTHRUS_KEYTAB'): string | undefined {
  const value = terminal.env[name]
  return value === '' ? undefined : value
}

/** Connects as an administrator, by default with the keytab that `init` made, and closes after `use`. */
export async function withAdministration<T>(
  terminal: Terminal,
  options: ConnectionOptions,
  use: (administration: Administration, realm: Realm) => Promise<T>,
): Promise<T> {
  const keytab =
    options.keytab ??
    setting(terminal, 'ORTHRUS_KEYTAB') ??
    ((await isThere(ADMIN_KEYTAB)) ? ADMIN_KEYTAB : undefined)
  if (keytab === undefined) {
    throw new TypeError(
      `say whose key to use: --keytab FILE, or ORTHRUS_KEYTAB=FILE; there is no ${ADMIN_KEYTAB} here, which "orthrus init" makes`,
    )
  }
  // --password is left out: for `add` it is about the person to register, not about the administrator.
  const { kdc, principal, allowReadableKeytab } = options
  const login = { keytab, ...given({ kdc, principal, allowReadableKeytab }) }
  return withRealm(terminal, login, realm => withChannel(realm, administration => use(administration, realm)))
}

/** The KDC's time by what the realm knows of it, milliseconds. */
export async function kdcTimeOf(realm: Realm): Promise<number> {
  const { partsOf } = await import('../client/realm.js')
  return partsOf(realm).now()
}

/** Opens a channel for administration, and closes it after `use`. */
export async function withChannel<T>(
  realm: Realm,
  use: (administration: Administration) => Promise<T>,
): Promise<T> {
  const { administrationOf } = await import('../client/admin.js')
  const administration = administrationOf(realm)
  try {
    // What is typed as a time from now on is meant by the KDC's clock, which is known from then on.
    await administration.ready()
    return await use(administration)
  } finally {
    administration.close()
  }
}
