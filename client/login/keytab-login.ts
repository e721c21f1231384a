import { readKeytabFile } from '#keytab-file'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../../shared/keytab/keytab.js'
import type { KeytabPlace } from '../../shared/keytab/keytab-kdcs.js'
import { type Principal, parsePrincipal, parseRealm, principalIn, realmOf } from '../../shared/principal.js'
import type { Identity, OwnKeys } from './identity.js'
import { type KeytabFileSource, KeytabIdentity, loginKeys } from './keytab-identity.js'

/** Logins with a keytab. A page loads this only if it has one, which few do. */

export { kdcsOfKeytab } from '../../shared/keytab/keytab-kdcs.js'

/** What `connect` is told of the keytab. */
export interface KeytabChoice extends KeytabPlace {
  readonly principal?: string
  readonly realm?: string
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
