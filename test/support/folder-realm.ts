import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Administration } from '../../client/channel/administration.js'
import { openKdcChannel } from '../../client/channel/kdc-channel.js'
import { connect, type Realm } from '../../client/connect.js'
import { DATA_FILES } from '../../kdc/data-files.js'
import { startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { createMasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import type { PolicyRule } from '../../shared/administration/rule.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { patternIn } from '../../shared/pattern.js'
import { parseRealm, principalIn } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { temporaryFolder } from '../end-to-end/processes.js'

/**
 * A realm in a folder of its own, as `orthrus init` and some hours of administration leave it, for a KDC process to
 * serve.
 */

export const REALM = parseRealm('demo.example')
export { NO_TERMS }

export interface FaultRealm {
  readonly folder: string
  /** The data folder, `orthrus-data` in it. */
  readonly data: string
  /** The text of a principal's keytab. */
  keytab(name: string): string
  remove(): Promise<void>
}

/**
 * Registers the names, and lets clients have tickets for services: `[client, service]`. Those named `operator/...`
 * administer.
 */
export async function makeRealm(
  names: readonly string[],
  allowed: readonly (readonly [client: string, service: string])[] = [],
): Promise<FaultRealm> {
  const { folder, remove } = await temporaryFolder()
  const data = join(folder, 'orthrus-data')
  await mkdir(data, { mode: 0o700 })
  const masterKey = await createMasterKey(join(data, DATA_FILES.MASTER_KEY), systemRandom)
  const store = await openLevelStore(join(data, DATA_FILES.DATABASE), { create: true })
  const vault = new Vault(store, masterKey, systemRandom)
  const keytabs = new Map<string, string>()
  keytabs.set(
    'admin',
    formatKeytab([await createRealm({ vault, realm: REALM, clock: systemClock, random: systemRandom })]),
  )
  const kdc = await startKdc({ store, masterKey, listen: { port: 0 } })
  const administration = new Administration(kdc.administration)
  for (const name of names) {
    const principal = principalIn(REALM, name)
    const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
    if (key !== null) keytabs.set(name, formatKeytab([{ principal, kvno, key }]))
  }
  await administration.setRule({ ...allow('operator/*', 'kdc'), claims: [['role', 'admin']] })
  for (const [client, service] of allowed) await administration.setRule(allow(client, service))
  await kdc.close()
  const keytab = (name: string): string => {
    const text = keytabs.get(name)
    if (text === undefined) throw new TypeError(`${name} was not made with the realm`)
    return text
  }
  return { folder, data, keytab, remove }
}

export function allow(client: string, service: string): PolicyRule {
  const pair = { client: patternIn(REALM, client), service: patternIn(REALM, service) }
  return { ...pair, effect: 'allow', ...NO_TERMS }
}

export function connectAs(realm: FaultRealm, url: string, name: string): Promise<Realm> {
  return connect({ kdc: url, keytab: { text: realm.keytab(name) } })
}

export interface Administrator {
  readonly administration: Administration
  close(): void
}

/** Over a channel of its own, on a connection of its own. */
export async function administer(realm: FaultRealm, url: string, name = 'admin'): Promise<Administrator> {
  const client = await connectAs(realm, url, name)
  return { administration: new Administration(await openKdcChannel(client)), close: () => client.close() }
}
