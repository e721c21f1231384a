import { loadKeytabLogin } from '#kept-login'
import { parsePrincipal, parseRealm, principalIn } from '../shared/principal.js'
import { isPasswordLogin, type KeytabLogin, type PasswordLogin } from './connect-options.js'
import type { Exchanged } from './kdc-link/waiting.js'
import type { Identity } from './login/identity.js'
import type { KeytabFileSource } from './login/keytab-identity.js'
import { passwordIdentity } from './login/password.js'

/** Whom the options of `connect` log in. */

export interface IdentityContext extends Omit<KeytabFileSource, 'read'> {
  readonly exchange: (message: Uint8Array) => Promise<Exchanged>
}

/** The KDCs that a keytab names; none without a keytab. @throws OrthrusError `keytab_invalid` */
export async function kdcsOfKeytab({
  keytab,
  ...rest
}: Pick<Partial<KeytabLogin>, 'keytab' | 'allowReadableKeytab'>): Promise<string[]> {
  if (keytab === undefined) return []
  const login = await loadKeytabLogin()
  return login.kdcsOfKeytab({ keytab, ...rest })
}

/** @throws OrthrusError `keytab_invalid`. @throws TypeError */
export async function identityFrom(
  options: KeytabLogin | PasswordLogin,
  context: IdentityContext,
): Promise<Identity> {
  if (isPasswordLogin(options)) return passwordFrom(options, context.exchange)
  if (options.keytab === undefined)
    throw new TypeError("say which principal this is: connect({ keytab: 'web.keytab', ... })")
  const login = await loadKeytabLogin()
  return login.keytabIdentity(options, context)
}

function passwordFrom(
  { principal, password, realm, parametersCache = new Map(), onProgress }: PasswordLogin,
  exchange: (message: Uint8Array) => Promise<Exchanged>,
): Identity {
  const client = realm === undefined ? parsePrincipal(principal) : principalIn(parseRealm(realm), principal)
  return passwordIdentity({ client, password, parametersCache, onProgress, exchange })
}
