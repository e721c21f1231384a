import { readKeytabFile } from '#keytab-file'
import { kdcsNamed } from '../shared/keytab/kdc-line.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../shared/keytab/keytab.js'
import { type Principal, parsePrincipal, parseRealm, principalIn, realmOf } from '../shared/principal.js'
import { isPasswordLogin, type KeytabLogin, type PasswordLogin } from './connect-options.js'
import type { Exchanged } from './kdc-link/waiting.js'
import type { Identity } from './login/identity.js'
import { type KeytabFileSource, KeytabIdentity, loginKeys, type OwnKeys } from './login/keytab-identity.js'
import { passwordIdentity } from './login/password.js'

/** Whom the options of `connect` log in. */

export interface IdentityContext extends Omit<KeytabFileSource, 'read'> {
  readonly exchange: (message: Uint8Array) => Promise<Exchanged>
}

/** The KDCs that a keytab names; none without a keytab. @throws OrthrusError `keytab_invalid` */
export async function kdcsOfKeytab({
  keytab,
  allowReadableKeytab = false,
}: Pick<Partial<KeytabLogin>, 'keytab' | 'allowReadableKeytab'>): Promise<string[]> {
  if (keytab === undefined) return []
  if (typeof keytab !== 'string') return kdcsNamed(keytab.text)
  return kdcsNamed(await readKeytabFile(keytab, { allowReadableKeytab }), keytab)
}

/** @throws OrthrusError `keytab_invalid`. @throws TypeError */
export async function identityFrom(
  options: KeytabLogin | PasswordLogin,
  context: IdentityContext,
): Promise<Identity> {
  if (isPasswordLogin(options)) return passwordFrom(options, context.exchange)
  const { keytab, allowReadableKeytab = false } = options
  if (keytab === undefined)
    throw new TypeError("say which principal this is: connect({ keytab: 'web.keytab', ... })")
  if (typeof keytab !== 'string') return new KeytabIdentity(keysFrom(keytab.text, undefined, options))
  const read = async (): Promise<OwnKeys> =>
    keysFrom(await readKeytabFile(keytab, { allowReadableKeytab }), keytab, options)
  return new KeytabIdentity(await read(), { ...context, read })
}

function keysFrom(text: string, path: string | undefined, options: KeytabLogin): OwnKeys {
  const entries = parseKeytab(text, path)
  return loginKeys(text, selectPrincipal(entries, principalAmong(entries, options), path))
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
