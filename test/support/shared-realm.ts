import { onTestFinished } from 'vitest'
import { Administration } from '../../client/channel/administration.js'
import { type KdcSettings, type RunningKdc, startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import type { Store } from '../../kdc/store/store.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Pattern } from '../../shared/pattern.js'
import { parseRealm, principalIn, type RealmName } from '../../shared/principal.js'

/** A realm in one memory that several KDCs serve, each of which sees at once what another changes. */
export interface SharedRealm {
  readonly realm: RealmName
  readonly vault: Vault
  readonly kdcs: readonly RunningKdc[]
  readonly urls: readonly string[]
  /** Carried out by the first KDC. */
  readonly administration: Administration
  /** Registers a principal. @returns its keytab */
  add(name: string): Promise<{ readonly text: string; readonly entry: KeytabEntry }>
  allow(client: string, service: string): Promise<void>
}

export async function startSharedRealm(count: number, settings: KdcSettings = {}): Promise<SharedRealm> {
  const store = createMemoryStore()
  const masterKey = systemRandom(32)
  const realm = parseRealm('demo.example')
  const vault = new Vault(store, new MasterKey(masterKey.slice()), systemRandom)
  const { clock = { now: Date.now, monotonic: () => performance.now() } } = settings
  await createRealm({ vault, realm, clock, random: systemRandom })
  const kdcs: RunningKdc[] = []
  for (let i = 0; i < count; i++) {
    const own = { store: partOf(store), masterKey: new MasterKey(masterKey.slice()), listen: { port: 0 } }
    const kdc = await startKdc({ ...own, ...settings, clock })
    onTestFinished(() => kdc.close())
    kdcs.push(kdc)
  }
  const administration = new Administration((kdcs[0] as RunningKdc).administration)
  return {
    realm,
    vault,
    kdcs,
    urls: kdcs.map(({ url }) => url),
    administration,
    add: async name => {
      const principal = principalIn(realm, name)
      const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
      if (key === null) throw new Error('no key')
      const entry = { principal, kvno, key }
      return { text: formatKeytab([entry]), entry }
    },
    allow: (client, service) =>
      administration.setRule({
        client: principalIn(realm, client) as string as Pattern,
        service: principalIn(realm, service) as string as Pattern,
        effect: 'allow',
        ...NO_TERMS,
      }),
  }
}

/** The store as one KDC has it: it outlives that KDC. */
function partOf(store: Store): Store {
  return {
    get: (...args) => store.get(...args),
    list: (...args) => store.list(...args),
    commit: changes => store.commit(changes),
    watch: listener => store.watch(listener),
    snapshot: () => store.snapshot(),
    compact: () => store.compact(),
    close: async () => {},
  }
}
