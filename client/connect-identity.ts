import { readKeytabFile } from '#keytab-file'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../shared/keytab/keytab.js'
import { type Principal, parsePrincipal, parseRealm, principalIn, realmOf } from '../shared/principal.js'
import { isPasswordLogin, type KeytabLogin, type PasswordLogin } from './connect-options.js'
import type { Exchanged } from './kdc-link/connection.js'
import { type Identity, keytabIdentity } from './login/identity.js'
import { passwordIdentity } from './login/password.js'

/** Whom the options of `connect` log in. */

/** @throws OrthrusError `keytab_invalid`. @throws TypeError */
export async function identityFrom(
  options: KeytabLogin | PasswordLogin,
  exchange: (message: Uint8Array) => Promise<Exchanged>,
): Promise<Identity> {
  if (isPasswordLogin(options)) return passwordFrom(options, exchange)
  const { keytab, allowReadableKeytab = false } = options
  if (keytab === undefined)
    throw new TypeError("say which principal this is: connect({ keytab: 'web.keytab', ... })")
  const text =
    typeof keytab === 'string' ? await readKeytabFile(keytab, { allowReadableKeytab }) : keytab.text
  const path = typeof keytab === 'string' ? keytab : undefined
  const entries = parseKeytab(text, path)
  const keys = selectPrincipal(entries, principalAmong(entries, options), path)
  return keytabIdentity(keys as [KeytabEntry, ...KeytabEntry[]])
}

function principalAmong(
  entries: readonly KeytabEntry[],
  { principal, realm }: KeytabLogin,
): Principal | undefined {
  if (principal === undefined) return undefined
  if (realm !== undefined) return principalIn(parseRealm(realm), principal)
  const [first] = entries
  return first === undefined ? parsePrincipal(principal) : principalIn(realmOf(first.principal), principal)
}

function passwordFrom(
  { principal, password, realm, parametersCache = new Map() }: PasswordLogin,
  exchange: (message: Uint8Array) => Promise<Exchanged>,
): Identity {
  const client = realm === undefined ? parsePrincipal(principal) : principalIn(parseRealm(realm), principal)
  return passwordIdentity({ client, password, parametersCache, exchange })
}
