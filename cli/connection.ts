import type { Command, Option } from 'commander'
import type { Administration } from '../client/channel/administration.js'
import type { Realm } from '../client/connect.js'
import type { KeptLogin, KeytabLogin, PasswordLogin, Timeouts } from '../client/connect-options.js'
import { isOfThisMachine } from '../shared/keytab/kdc-line.js'
import { type Logger, silentLogger } from '../shared/logger.js'
import { parsePrincipal } from '../shared/principal.js'
import { RepeatedOption } from './arguments.js'
import { isThere } from './data-folder.js'
import { DEFAULT_DATA, DEFAULT_KDC } from './defaults.js'
import { given } from './given.js'
import { chooseLogin, type LoginOptions } from './logins.js'
import { askPassword } from './password.js'
import { whileWorking } from './progress.js'
import { type Terminal, warn } from './terminal.js'

/** The options that say where the KDC is and which principal the command acts as. */
export interface ConnectionOptions extends LoginOptions {
  readonly kdc?: readonly string[]
  readonly keytab?: string
  readonly principal?: string
  /** A login that was made before, by `orthrus login`; and its realm. */
  readonly login?: string
  readonly realm?: string
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

/** The same, for commands that a person who has logged in can give without a keytab. */
export function withIdentity(command: Command, otherwise?: string): Command {
  return withConnection(command, otherwise)
    .option('--login <name>', 'act as this person, who has logged in, in place of a keytab')
    .option('--realm <realm>', 'act as the person who has logged in there, in place of a keytab')
}

/** The same for administrators. */
export function withAdminConnection(command: Command): Command {
  return withIdentity(command, ADMIN_KEYTAB)
}

/** Where `init` puts it, beside the database. */
export const ADMIN_KEYTAB = `${DEFAULT_DATA}/admin.keytab`

/** The same, with a login by password for people. */
export function withLogin(command: Command): Command {
  return withIdentity(command).option(
    '--password',
    'ask for the password of --principal, in place of a keytab',
  )
}

/** Whether an option or the environment names the KDC. */
export function kdcNamed(terminal: Terminal, { kdc }: Pick<ConnectionOptions, 'kdc'>): boolean {
  return kdc !== undefined || setting(terminal, 'ORTHRUS_KDC') !== undefined
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

/** The largest message and response, bytes. */
export interface Sizes {
  readonly maxRequest: number
  readonly maxResponse: number
}

/** What a command that runs for long connects with. */
interface Others {
  /** The services that it is about, as they were named. */
  readonly services?: readonly string[]
  readonly logger?: Logger
  readonly fetch?: typeof globalThis.fetch
  readonly timeouts?: Timeouts
}

/** Connects as the principal of the keytab or password, and closes after `use`, which is told the KDCs too. */
export async function withRealm<T>(
  terminal: Terminal,
  options: ConnectionOptions,
  use: (realm: Realm, kdc: readonly string[]) => Promise<T>,
  { services, ...others }: Partial<Sizes> & Others = {},
): Promise<T> {
  const login = await loginOf(terminal, options, services)
  // The command's own error says everything.
  const common = { logger: silentLogger, ...others }
  const { connect } = await import('../client/connect.js')
  const realm = await connect({ ...common, ...login })
  try {
    // The password becomes a key here, and not in the midst of what the command prints.
    if ('password' in login) await whileWorking(terminal, 'logging in', () => loggedIn(realm))
    return await use(realm, await kdcsOf(realm))
  } finally {
    // What was granted is there for the next command.
    await savedBy(realm)
    realm.close()
  }
}

async function loggedIn(realm: Realm): Promise<void> {
  const { partsOf } = await import('../client/realm.js')
  await partsOf(realm).source.tgt()
}

/** A login that was made before knows its KDCs by itself. */
async function kdcsOf(realm: Realm): Promise<readonly string[]> {
  const { partsOf } = await import('../client/realm.js')
  return partsOf(realm).connection.urls
}

async function savedBy(realm: Realm): Promise<void> {
  const { partsOf } = await import('../client/realm.js')
  await partsOf(realm).source.saved?.()
}

/** Whether the command has a key or a password to log in with, apart from a login that was made before. */
export function hasLogin(terminal: Terminal, options: ConnectionOptions): boolean {
  const { keytab, password } = options
  if (password === true || namesLogin(options)) return true
  return (keytab ?? setting(terminal, 'ORTHRUS_KEYTAB')) !== undefined
}

function namesLogin({ login, realm }: ConnectionOptions): boolean {
  return login !== undefined || realm !== undefined
}

/** Who the command acts as: an option wins over the environment, and that over a login that was made before. */
async function loginOf(
  terminal: Terminal,
  options: ConnectionOptions,
  services?: readonly string[],
): Promise<KeytabLogin | PasswordLogin | KeptLogin> {
  requireOneIdentity(options)
  if (options.password === true) return passwordLogin(terminal, options)
  if (namesLogin(options) || (options.keytab ?? setting(terminal, 'ORTHRUS_KEYTAB')) === undefined) {
    const login = await chooseLogin(terminal, options, services)
    // It knows its KDC: the environment may name that of another realm.
    if (login !== undefined)
      return { ...login, ...(options.kdc === undefined ? {} : { kdc: await kdcUrls(terminal, options) }) }
  }
  const { principal } = options
  return {
    kdc: await kdcUrls(terminal, options),
    keytab: keytabPath(terminal, options),
    ...(principal === undefined ? {} : { principal }),
    ...(options.allowReadableKeytab === true ? { allowReadableKeytab: true } : {}),
  }
}

/** @throws TypeError if the options name two */
function requireOneIdentity(options: ConnectionOptions): void {
  const named = [
    ...(options.password === true ? ['--password'] : []),
    ...(options.keytab === undefined ? [] : ['--keytab']),
    ...(options.login === undefined ? [] : ['--login']),
    ...(options.login === undefined && options.realm !== undefined ? ['--realm'] : []),
  ]
  if (named.length > 1)
    throw new TypeError(`${named[0]} and ${named[1]} are two ways to log in: give one of them`)
}

async function passwordLogin(terminal: Terminal, options: ConnectionOptions): Promise<PasswordLogin> {
  const { principal } = options
  if (principal?.includes('@') !== true)
    throw new TypeError('say whose password it is: --principal NAME@REALM --password')
  return {
    kdc: await kdcUrls(terminal, options),
    principal,
    password: await askPassword(terminal, parsePrincipal(principal)),
  }
}

/** The keytab that is to be used. @throws TypeError if none is named */
export function keytabPath(terminal: Terminal, options: ConnectionOptions): string {
  const keytab = options.keytab ?? setting(terminal, 'ORTHRUS_KEYTAB')
  if (keytab === undefined)
    throw new TypeError(
      'say whose key to use: --keytab FILE, or ORTHRUS_KEYTAB=FILE; a person runs: orthrus login NAME@REALM',
    )
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
  // --password is left out: for `add` it is about the person to register, not about the administrator.
  const { kdc, principal, allowReadableKeytab, realm } = options
  const own = given({ kdc, principal, allowReadableKeytab, realm })
  const login = { ...own, ...(await administratorOf(terminal, options)) }
  return withRealm(terminal, login, (realm, urls) =>
    withChannel(
      realm,
      administration => use(administration, realm, urls),
      warning => warn(terminal, options, warning),
    ),
  )
}

/**
 * Whose key or login to administer with. A person who has logged in somewhere, and stands in the folder of a realm that may
 * be another one, has to say which of the two is meant.
 * @throws TypeError if there is nobody, or it is not clear who
 */
async function administratorOf(
  terminal: Terminal,
  options: ConnectionOptions,
): Promise<Pick<ConnectionOptions, 'keytab' | 'login'>> {
  const keytab = options.keytab ?? (namesLogin(options) ? undefined : setting(terminal, 'ORTHRUS_KEYTAB'))
  if (keytab !== undefined) return { keytab, ...given({ login: options.login }) }
  const isHere = !namesLogin(options) && (await isThere(ADMIN_KEYTAB))
  const chosen = await chooseLogin(terminal, options, [], isHere ? [`--keytab ${ADMIN_KEYTAB}`] : [])
  if (chosen !== undefined && isHere) {
    throw new TypeError(
      `there are a login of ${chosen.login} and ${ADMIN_KEYTAB}: say which one is meant, with --login ${chosen.login} or --keytab ${ADMIN_KEYTAB}`,
    )
  }
  if (chosen !== undefined) return { login: chosen.login }
  if (isHere) return { keytab: ADMIN_KEYTAB }
  throw new TypeError(
    `say whose key to use: --keytab FILE, or ORTHRUS_KEYTAB=FILE; there is no ${ADMIN_KEYTAB} here, which "orthrus init" makes; a person runs: orthrus login NAME@REALM`,
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
  warn?: (warning: string) => void,
): Promise<T> {
  const { administrationOf } = await import('../client/admin.js')
  const administration = administrationOf(realm, undefined, warn)
  try {
    // What is typed as a time from now on is meant by the KDC's clock, which is known from then on.
    await administration.ready()
    return await use(administration)
  } finally {
    administration.close()
  }
}
