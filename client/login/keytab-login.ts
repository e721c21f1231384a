import { readKeytabFile } from '#keytab-file'
import { kdcsNamed } from '../../shared/keytab/kdc-line.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../../shared/keytab/keytab.js'
import { type Principal, parsePrincipal, parseRealm, principalIn, realmOf } from '../../shared/principal.js'
import type { Identity, OwnKeys } from './identity.js'
import { type KeytabFileSource, KeytabIdentity, loginKeys } from './keytab-identity.js'

/** Logins with a keytab. A page loads this only if it has one, which few do. */

/** What `connect` is told of the keytab. */
export interface KeytabChoice {
  readonly keytab: string | { readonly text: string }
  readonly allowReadableKeytab?: boolean
  readonly principal?: string
  readonly realm?: string
}

/** The KDCs that a keytab names. @throws OrthrusError `keytab_invalid` */
export async function kdcsOfKeytab({ keytab, allowReadableKeytab = false }: KeytabChoice): Promise<string[]> {
  if (typeof keytab !== 'string') return kdcsNamed(keytab.text)
  return kdcsNamed(await readKeytabFile(keytab, { allowReadableKeytab }), keytab)
}

/** @throws OrthrusError `keytab_invalid`. @throws TypeError */
export async function keytabIdentity(
  choice: KeytabChoice,
  context: Omit<KeytabFileSource, 'read'>,
): Promise<Identity> {
  const { keytab, allowReadableKeytab = false } = choice
  if (typeof keytab !== 'string') return new KeytabIdentity(keysFrom(keytab.text, undefined, choice))
  const read = async (): Promise<OwnKeys> =>
    keysFrom(await readKeytabFile(keytab, { allowReadableKeytab }), keytab, choice)
  return new KeytabIdentity(await read(), { ...context, read })
}

function keysFrom(text: string, path: string | undefined, choice: KeytabChoice): OwnKeys {
  const entries = parseKeytab(text, path)
  return loginKeys(text, selectPrincipal(entries, principalAmong(entries, choice), path))
}

function principalAmong(
  entries: readonly KeytabEntry[],
  { principal, realm }: KeytabChoice,
): Principal | undefined {
  if (principal === undefined) return undefined
  if (realm !== undefined) return principalIn(parseRealm(realm), principal)
  const [first] = entries
  return first === undefined ? parsePrincipal(principal) : principalIn(realmOf(first.principal), principal)
}
