import type { Command, Option } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Realm } from '../client/connect.js'
import type { KeytabLogin, PasswordLogin, Timeouts } from '../client/connect-options.js'
import { type Logger, silentLogger } from '../shared/logger.js'
import { parsePrincipal } from '../shared/principal.js'
import { RepeatedOption } from './arguments.js'
import { isThere } from './data-folder.js'
import { DEFAULT_DATA, DEFAULT_KDC } from './defaults.js'
import { given } from './given.js'
import { askPassword } from './password.js'
import type { Terminal } from './terminal.js'

/** The options that say where the KDC is and which principal the command acts as. */
export interface ConnectionOptions {
  readonly kdc?: readonly string[]
  readonly keytab?: string
  readonly principal?: string
  readonly password?: boolean
  readonly allowReadableKeytab?: boolean
  readonly json?: boolean
}

/** The option of every command that talks to a KDC. */
export function kdcOption(
  otherwise = `ORTHRUS_KDC; else what the keytab names; else ${DEFAULT_KDC}`,
): Option {
  return new RepeatedOption(
    '--kdc <url>',
    `where the KDC listens, or several with commas (${otherwise})`,
    addUrls,
  )
}

/** URLs with commas between them, behind those `before` them. They are checked where they are used. */
function addUrls(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').map(url => url.trim())]
}

export function withConnection(command: Command, otherwise?: string): Command {
  const keytab = ['ORTHRUS_KEYTAB', ...(otherwise === undefined ? [] : [`else ${otherwise}`])].join('; ')
  return command
    .addOption(kdcOption())
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

/**
 * The KDCs: of the option, else of the environment, else those that the keytab names, else the one of this machine.
 * @throws TypeError, which does not repeat a value that may contain a password
 * @throws OrthrusError `keytab_invalid`
 */
export async function kdcUrls(terminal: Terminal, options: ConnectionOptions): Promise<readonly string[]> {
  const variable = setting(terminal, 'ORTHRUS_KDC')
  const named = options.kdc ?? (variable === undefined ? undefined : addUrls(variable))
  if (named === undefined) return await urlsOfKeytab(terminal, options)
  const odd = named.find(text => !URL.canParse(text) || !/^wss?:$/.test(new URL(text).protocol))
  if (odd === undefined) return [...new Set(named)]
  const told = odd.includes('@') ? '' : `: ${JSON.stringify(odd)}`
  const source = options.kdc === undefined ? 'ORTHRUS_KDC' : '--kdc'
  throw new TypeError(
    `${source} is not the URL of a KDC${told}; write ws://127.0.0.1:8750 or wss://kdc.example`,
  )
}

async function urlsOfKeytab(
  terminal: Terminal,
  { keytab = setting(terminal, 'ORTHRUS_KEYTAB'), password, allowReadableKeytab = false }: ConnectionOptions,
): Promise<readonly string[]> {
  if (keytab === undefined || password === true) return [DEFAULT_KDC]
  const { kdcsOfKeytab } = await import('../client/connect-identity.js')
  const named = await kdcsOfKeytab({ keytab, allowReadableKeytab })
  return named.length === 0 ? [DEFAULT_KDC] : named
}

/** The KDCs that a keytab may name which is carried to another host: none where one is of this machine. */
export function kdcsForOthers(urls: readonly string[]): readonly string[] {
  return urls.some(isOfThisMachine) ? [] : urls
}

/** Whether a URL leads to the machine that it is used on. */
export function isOfThisMachine(text: string): boolean {
  return URL.canParse(text) && /^(?:localhost|\[::1\]|127\..*)$/.test(new URL(text).hostname)
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
  readonly timeouts?: Timeouts
}

/** Connects as the principal of the keytab or password, and closes after `use`, which is told the KDCs too. */
export async function withRealm<T>(
  terminal: Terminal,
  options: ConnectionOptions,
  use: (realm: Realm, kdc: readonly string[]) => Promise<T>,
  others: Partial<Sizes> & Others = {},
): Promise<T> {
  const kdc = await kdcUrls(terminal, options)
  const login = await loginOf(terminal, options)
  // The command's own error says everything.
  const common = { kdc, logger: silentLogger, ...others }
  const { connect } = await import('../client/connect.js')
  const realm = await connect({ ...common, ...login })
  try {
    return await use(realm, kdc)
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
  use: (administration: Administration, realm: Realm, kdc: readonly string[]) => Promise<T>,
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
  const { kdc: named, principal, allowReadableKeytab } = options
  const login = { keytab, ...given({ kdc: named, principal, allowReadableKeytab }) }
  return withRealm(terminal, login, (realm, kdc) =>
    withChannel(realm, administration => use(administration, realm, kdc)),
  )
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
