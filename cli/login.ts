import { randomBytes } from 'node:crypto'
import { Command } from 'commander'
import type { KeptLogin } from '../client/kept-login/kept-login.js'
import type { LoginFolder } from '../client/kept-login/login-files.node.js'
import { OrthrusError } from '../shared/errors.js'
import type { PasswordParameters } from '../shared/exchange/params.js'
import { silentLogger } from '../shared/logger.js'
import { type Principal, parsePrincipal, parseRealm, principalIn, realmOf } from '../shared/principal.js'
import type { Grant } from '../shared/ticket/grant.js'
import { formatDuration } from '../shared/time.js'
import { parseDuration } from './arguments.js'
import { kdcNamed, kdcOption, kdcUrls } from './connection.js'
import { requireLogins, whichLogins } from './logins.js'
import { askPassword, passwordFromInput } from './password.js'
import { whileWorking } from './progress.js'
import { answer, type Terminal } from './terminal.js'

interface LoginCommandOptions {
  readonly kdc?: readonly string[]
  readonly realm?: string
  readonly passwordStdin?: boolean
  readonly unsealed?: boolean
  /** Milliseconds. */
  readonly lifetime?: number
  readonly json?: boolean
}

/** `orthrus login`: a password becomes a TGT in a file, for the commands that follow (docs/people.md). */
export function loginCommand(terminal: Terminal): Command {
  return new Command('login')
    .description('log in with your password, for the commands that follow')
    .argument('<name>', 'who you are, as ann@demo.example')
    .addOption(kdcOption('ORTHRUS_KDC; else where you logged in before, or ws://127.0.0.1:8750'))
    .option('--realm <realm>', 'the realm of a name that is given without one')
    .option('--password-stdin', 'take the password from a line of standard input')
    .option('--unsealed', 'do not seal the login by a key of your session: for jobs that have none')
    .option('--lifetime <time>', 'ask for a login that ends sooner, as 1h', parseDuration)
    .option('--json', 'answer in JSON')
    .action((name: string, options: LoginCommandOptions) => logIn(terminal, name, options))
}

async function logIn(terminal: Terminal, name: string, options: LoginCommandOptions): Promise<void> {
  const logins = await requireLogins(terminal)
  const client = await whoLogsIn(logins, name, options.realm)
  const before = await logins.read(client).catch(() => undefined)
  const kdc = await kdcFor(terminal, options, before)
  const password = await passwordOf(terminal, client, options)
  const made = await whileWorking(terminal, 'logging in', () =>
    logInAt({ client, kdc, password, before, lifetime: options.lifetime ?? 0 }),
  )
  const login = { id: randomBytes(16).toString('hex'), client, kdc, tickets: [], ...made }
  await logins.write(login, { seal: options.unsealed !== true })
  tellLogin(terminal, options, logins, login)
}

/** A password that comes by a pipe is taken only if that is said: what else is in the pipe would be sent as a guess. */
async function passwordOf(
  terminal: Terminal,
  client: Principal,
  { passwordStdin }: LoginCommandOptions,
): Promise<string> {
  if (passwordStdin === true) return passwordFromInput()
  if (process.stdin.isTTY === true) return askPassword(terminal, client)
  throw new TypeError('standard input is no terminal: --password-stdin takes the password from a line of it')
}

/** @throws TypeError if the name is none, or its realm is not known */
async function whoLogsIn(logins: LoginFolder, name: string, realm: string | undefined): Promise<Principal> {
  if (name.includes('@')) {
    const client = parsePrincipal(name)
    if (realm === undefined || realmOf(client) === parseRealm(realm)) return client
    throw new TypeError(`${client} is not of the realm ${realm}: give one of the two`)
  }
  if (realm !== undefined) return principalIn(parseRealm(realm), name)
  const [before, ...more] = await whichLogins(logins, { name })
  if (before !== undefined && more.length === 0) return before
  throw new TypeError(`say in which realm: orthrus login ${name}@REALM`)
}

/** Where the login is made: where it was made before, if nothing else is said. */
async function kdcFor(
  terminal: Terminal,
  options: LoginCommandOptions,
  before: KeptLogin | undefined,
): Promise<readonly string[]> {
  if (before !== undefined && !kdcNamed(terminal, options)) return before.kdc
  const { kdc } = options
  return kdcUrls(terminal, { ...(kdc === undefined ? {} : { kdc }), password: true })
}

interface PasswordLoginAt {
  readonly client: Principal
  readonly kdc: readonly string[]
  readonly password: string
  readonly before: KeptLogin | undefined
  /** Milliseconds; 0 the longest allowed. */
  readonly lifetime: number
}

/** @throws OrthrusError as `connect` does */
async function logInAt({ client, kdc, password, before, lifetime }: PasswordLoginAt): Promise<{
  readonly tgt: Grant
  readonly parameters: PasswordParameters | null
}> {
  const { connect } = await import('../client/connect.js')
  const { partsOf } = await import('../client/realm.js')
  const parametersCache = new Map<string, PasswordParameters>()
  if (before !== undefined && before.parameters !== null) parametersCache.set(client, before.parameters)
  const realm = await connect({ kdc, principal: client, password, parametersCache, logger: silentLogger })
  try {
    const login = partsOf(realm).source.login
    if (login === undefined) throw new TypeError('a password is a key of its own')
    const tgt = await login.renewableTgt(lifetime)
    return { tgt, parameters: parametersCache.get(client) ?? null }
  } catch (cause) {
    throw parametersCache.size > 0 ? tellingLogout(client, cause) : cause
  } finally {
    realm.close()
  }
}

/** The file remembers how the password became the key, and a logout forgets it. */
function tellingLogout(client: Principal, cause: unknown): unknown {
  if (!(cause instanceof OrthrusError) || !/ have changed since /.test(cause.reason)) return cause
  const { code, reason, final, facts } = cause
  return new OrthrusError(code, reason, {
    ...facts,
    final,
    hint: `if your password was changed, run: orthrus logout ${client}, and log in again; if not, somebody may be answering in the KDC's place`,
    cause,
  })
}

function tellLogin(
  terminal: Terminal,
  options: LoginCommandOptions,
  logins: LoginFolder,
  { client, tgt }: KeptLogin,
): void {
  const { endTime, renewTill } = tgt
  const left = formatDuration(Math.max(0, endTime - Date.now()))
  const renewed =
    renewTill === null
      ? ''
      : `, and can be renewed for ${formatDuration(Math.max(0, renewTill - Date.now()))}`
  const value = { client, endTime, renewTill, file: logins.pathOf(client) }
  answer(terminal, options, value, `logged in as ${client}: ends in ${left}${renewed}`)
}
