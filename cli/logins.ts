import type { LoginChoice } from '../client/kept-login/choose-login.js'
import type { LoginFolder } from '../client/kept-login/login-files.node.js'
import { type Principal, realmOf } from '../shared/principal.js'
import type { Terminal } from './terminal.js'

/** The logins of the person at the terminal (docs/people.md). */

/** What a command says of the login that it is to act under. */
export interface LoginOptions {
  readonly login?: string | undefined
  readonly realm?: string | undefined
  /** Without a keytab it names a login too. */
  readonly principal?: string | undefined
}

export interface ChosenLogin {
  readonly login: Principal
  readonly loginFolder: string
}

/** @returns undefined if the environment names no place for them */
export async function loginsHere(terminal: Terminal): Promise<LoginFolder | undefined> {
  const { LoginFolder } = await import('../client/kept-login/login-files.node.js')
  const { loginFolder } = await import('../client/kept-login/login-folder.node.js')
  const folder = await loginFolder(terminal.env)
  return folder === undefined ? undefined : new LoginFolder(folder)
}

/** The place for logins. @throws TypeError if the environment names none */
export async function requireLogins(terminal: Terminal): Promise<LoginFolder> {
  const logins = await loginsHere(terminal)
  if (logins !== undefined) return logins
  throw new TypeError('there is no place for a login: set HOME, or ORTHRUS_LOGINS=DIR')
}

/**
 * The login that a command acts under.
 * @param names of services that the command is about, whose realm tells which login is meant
 * @param others what else may be meant, as it is typed
 * @returns undefined if nobody has logged in, and none is asked for
 * @throws OrthrusError `login_invalid` if the one that is asked for is not there
 * @throws TypeError if there are several, which are named
 */
export async function chooseLogin(
  terminal: Terminal,
  { login, realm, principal }: LoginOptions,
  names: readonly string[] = [],
  others: readonly string[] = [],
): Promise<ChosenLogin | undefined> {
  const { loginMeant, loginsMeant } = await import('../client/kept-login/choose-login.js')
  const logins = await loginsHere(terminal)
  const all = (await logins?.list()) ?? []
  const name = login ?? principal
  // A name with its realm says all; services of another realm are then refused as what they are.
  const within = name?.includes('@') === true ? undefined : realmAmong(names, all)
  const choice = { name, realm: realm ?? within }
  const meant = loginsMeant(all, choice)
  const isAskedFor = choice.name !== undefined || realm !== undefined
  if (logins === undefined || (meant.length === 0 && !isAskedFor)) return undefined
  if (meant.length > 1) {
    throw new TypeError(
      `there are logins of ${meant.join(', ')}: say which one is meant, as ${[`--login ${meant[0]}`, ...others].join(', or ')}`,
    )
  }
  return { login: loginMeant(all, choice), loginFolder: logins.folder }
}

/** The realm of services that are named with one, if somebody has logged in there. */
function realmAmong(names: readonly string[], logins: readonly Principal[]): string | undefined {
  const realms = new Set(
    names.filter(name => name.includes('@')).map(name => name.slice(name.indexOf('@') + 1)),
  )
  const [realm] = realms
  return realms.size === 1 && logins.some(login => realmOf(login) === realm) ? realm : undefined
}

/** Those of the logins that are meant. @throws TypeError for what is no name and no realm */
export async function whichLogins(logins: LoginFolder, choice: LoginChoice): Promise<Principal[]> {
  const { loginsMeant } = await import('../client/kept-login/choose-login.js')
  return loginsMeant(await logins.list(), choice)
}

/**
 * The one that a command is about, whose argument is the name.
 * @param command as it is typed, for the error that names them all
 * @throws OrthrusError `login_invalid` if there is none
 * @throws TypeError if there are several, and for what is no name and no realm
 */
export async function whichLogin(
  logins: LoginFolder,
  choice: LoginChoice,
  command: string,
): Promise<Principal> {
  const { loginMeant } = await import('../client/kept-login/choose-login.js')
  const all = await logins.list()
  const meant = await whichLogins(logins, choice)
  if (meant.length < 2) return loginMeant(all, choice)
  throw new TypeError(
    `there are logins of ${meant.join(', ')}: say which one is meant, as ${command} ${meant[0]}`,
  )
}
