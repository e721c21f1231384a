import { Administration } from '../../client/channel/administration.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { SIZE } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Pattern } from '../../shared/pattern.js'
import { type Principal, parsePrincipal } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { machineTime } from '../machine-time.js'
import { serve } from '../processes.js'
import { REALM, type StartedKdc } from './realm.js'

/** The process of a real KDC, its store in memory, with clients and services that may use each other. */

/** Raised, because the bench asks more than any one client should. */
const NO_LIMIT = { points: 1_000_000_000, interval: 60_000 } as const
const LIMITS = { requestsPerClient: NO_LIMIT, params: NO_LIMIT } as const
/** How long all followers may take to apply an entry, milliseconds. */
const PATIENCE = 60_000

let administration: Administration

interface StartOrder {
  readonly clients: number
  readonly services: number
  /** All from one address. Default: the KDC's own limits. */
  readonly connections?: number
}

async function start({ clients, services, connections }: StartOrder): Promise<StartedKdc> {
  const [store, masterKey] = [createMemoryStore(), new MasterKey(systemRandom(SIZE.KEY))]
  const vault = new Vault(store, masterKey, systemRandom)
  await createRealm({ vault, realm: REALM, clock: systemClock, random: systemRandom })
  const many = connections === undefined ? {} : { connections, connectionsPerAddress: connections }
  const kdc = await startKdc({ store, masterKey, limits: { ...LIMITS, ...many }, listen: { port: 0 } })
  administration = new Administration(kdc.administration)
  const keytab = await addPrincipals({ client: clients, service: services })
  await allowAll(kdc)
  return { url: kdc.url, keytab: formatKeytab(keytab) }
}

async function addPrincipals(counts: Readonly<Record<string, number>>): Promise<KeytabEntry[]> {
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

async function allowAll({ realm }: RunningKdc): Promise<void> {
  const [client, service] = [`client/*@${realm}` as Pattern, `service/*@${realm}` as Pattern]
  const terms = { ...NO_TERMS, claims: [['role', 'reader'] as const], delegable: true }
  await administration.setRule({ client, service, effect: 'allow', ...terms })
}

/** What the process takes, without garbage, bytes. */
function memory(): number {
  globalThis.gc?.()
  return process.memoryUsage().rss
}

/** When the command was answered, and when all followers had said that they applied the entry, milliseconds. */
export interface Revocation {
  readonly seq: number
  readonly answeredAt: number
  readonly appliedAt: number
}

async function revoke(client: Principal): Promise<Revocation> {
  const { revocations } = administration
  const seq = await revocations.client(client)
  const answeredAt = machineTime()
  const { silent } = await revocations.followers({ seq, wait: PATIENCE })
  if (silent > 0) throw new Error(`${silent} followers did not apply the entry`)
  return { seq, answeredAt, appliedAt: machineTime() }
}

/** Fills the revocation log with that many entries, each of another series. */
async function fillLog({ client, entries }: { client: Principal; entries: number }): Promise<void> {
  for (let i = 0; i < entries; i++) await administration.revocations.client(client)
}

serve({ start, memory, revoke, fillLog })
