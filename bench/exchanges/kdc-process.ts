import { Administration } from '../../client/channel/administration.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Pattern } from '../../shared/pattern.js'
import { parsePrincipal } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { serve } from '../processes.js'
import { REALM, type StartedKdc } from './realm.js'

/** The process of a real KDC, its store in memory, with clients and services that may use each other. */

/** Raised, because the bench asks more than any one client should. */
const NO_LIMIT = { points: 1_000_000_000, interval: 60_000 } as const
const LIMITS = { requestsPerClient: NO_LIMIT, params: NO_LIMIT } as const

interface StartOrder {
  readonly clients: number
  readonly services: number
}

async function start({ clients, services }: StartOrder): Promise<StartedKdc> {
  const [store, masterKey] = [createMemoryStore(), new MasterKey(systemRandom(SIZE.KEY))]
  const vault = new Vault(store, masterKey, systemRandom)
  await createRealm({ vault, realm: REALM, clock: systemClock, random: systemRandom })
  const kdc = await startKdc({ store, masterKey, limits: LIMITS, listen: { port: 0 } })
  const administration = new Administration(kdc.administration)
  const keytab = await addPrincipals(administration, { client: clients, service: services })
  await allowAll(administration, kdc)
  return { url: kdc.url, keytab: formatKeytab(keytab) }
}

async function addPrincipals(
  administration: Administration,
  counts: Readonly<Record<string, number>>,
): Promise<KeytabEntry[]> {
  const entries: KeytabEntry[] = []
  for (const [name, count] of Object.entries(counts)) {
    for (let instance = 0; instance < count; instance++) {
      const principal = parsePrincipal(`${name}/${instance}@${REALM}`)
      const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
      if (key !== null) entries.push({ principal, kvno, key })
    }
  }
  return entries
}

async function allowAll(administration: Administration, { realm }: RunningKdc): Promise<void> {
  const [client, service] = [`client/*@${realm}` as Pattern, `service/*@${realm}` as Pattern]
  const limits = { maxLife: null, methods: null, paths: null, delegable: true }
  await administration.setRule({ client, service, effect: 'allow', claims: [['role', 'reader']], ...limits })
}

serve({ start })
