import { kdcsOfKeytab, keytabIdentity } from '../login/keytab-login.js'
import { loginMeant } from './choose-login.js'
import type { FoundLogin, WantedLogin } from './find-login.js'
import { KeptSource } from './kept-source.js'
import { LoginFolder } from './login-files.node.js'
import { loginFolder } from './login-folder.node.js'

export type { FoundLogin, WantedLogin } from './find-login.js'

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
