import { kdcsOfKeytab, keytabIdentity } from '../login/keytab-login.js'
import { loginMeant } from './choose-login.js'
import { KeptSource } from './kept-source.js'
import { LoginFolder } from './login-files.node.js'
import { loginFolder } from './login-folder.node.js'
import type { FoundLogin, NewLogin, WantedLogin } from './wanted-login.js'

export type { FoundLogin, NewLogin, WantedLogin } from './wanted-login.js'

/** Here it is loaded with the client, as most clients have a keytab. */
export const loadKeytabLogin = () => ({ kdcsOfKeytab, keytabIdentity })

/**
 * The login of the person who runs this, as `orthrus login` made it.
 * @throws OrthrusError `login_invalid` if there is none that can be used, or several and none is named
 * @throws TypeError for what is no name, no realm and no place
 */
export async function findLogin({ login: name, realm, ...wanted }: WantedLogin): Promise<FoundLogin> {
  const folder = wanted.loginFolder ?? (await loginFolder(process.env))
  if (folder === undefined)
    throw new TypeError('the environment names no place for logins: set ORTHRUS_LOGINS')
  const files = new LoginFolder(folder)
  const choice = { name: name === true ? undefined : name, realm }
  const login = await files.read(loginMeant(await files.list(), choice))
  return { kdc: login.kdc, source: options => new KeptSource(login, files, options) }
}

/** @throws TypeError always: a person who uses programs logs in once for all of them */
export async function requireKeeping(_where: 'tabs' | 'storage'): Promise<void> {
  throw new TypeError('keepLogin of connect is for pages: run orthrus login, and connect({ login: true })')
}

export async function keepLogin(_made: NewLogin, where: 'tabs' | 'storage'): Promise<FoundLogin> {
  await requireKeeping(where)
  throw new TypeError('no login is kept here')
}
