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
import { parsePrincipal } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { clientName, REALM, type StartedKdc } from '../exchanges/realm.js'
import { serve } from '../processes.js'
import { machineTime } from './machine-time.js'

/** The process of a KDC that many follow, its store in memory. */

/** A client that nobody else is, to be revoked again and again. */
const REVOKED = parsePrincipal(`revoked@${REALM}`)
/** How long all followers may take, milliseconds. */
const PATIENCE = 60_000
const NO_LIMIT = { points: 1_000_000_000, interval: 60_000 } as const

let kdc: RunningKdc
let administration: Administration

async function start({ followers }: { followers: number }): Promise<StartedKdc> {
  const [store, masterKey] = [createMemoryStore(), new MasterKey(systemRandom(SIZE.KEY))]
  await createRealm({
    vault: new Vault(store, masterKey, systemRandom),
    realm: REALM,
    clock: systemClock,
    random: systemRandom,
  })
  const connections = 2 * followers + 1_000
  const limits = { connections, connectionsPerAddress: connections, requestsPerClient: NO_LIMIT }
  kdc = await startKdc({ store, masterKey, limits, listen: { port: 0 } })
  administration = new Administration(kdc.administration)
  const keytab: KeytabEntry[] = []
  for (const principal of [REVOKED, ...Array.from({ length: followers }, (_, i) => clientName(i))]) {
    const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
    if (key !== null) keytab.push({ principal, kvno, key })
  }
  return { url: kdc.url, keytab: formatKeytab(keytab) }
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

async function revoke(): Promise<Revocation> {
  const { revocations } = administration
  const seq = await revocations.client(REVOKED)
  const answeredAt = machineTime()
  const { silent } = await revocations.followers({ seq, wait: PATIENCE })
  if (silent > 0) throw new Error(`${silent} followers did not apply the entry`)
  return { seq, answeredAt, appliedAt: machineTime() }
}

serve({ start, memory, revoke })
