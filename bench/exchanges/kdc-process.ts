import { Administration } from '../../client/channel/administration.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { MEMBERS_MAX } from '../../shared/administration/groups.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { SIZE } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import type { Pattern } from '../../shared/pattern.js'
import { type Principal, parsePrincipal } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { sleep, systemTimers } from '../../shared/timers.js'
import { machineTime } from '../machine-time.js'
import { serve } from '../processes.js'
import { type StoreOrder, storesOf } from './kdc-store.js'
import { REALM, type StartedKdc } from './realm.js'

/** The process of a real KDC, its store in memory if no other is ordered, with clients and services that may use each other. */

/** Raised, because the bench asks more than any one client should. */
const NO_LIMIT = { points: 1_000_000_000, interval: 60_000 } as const
const LIMITS = { requestsPerClient: NO_LIMIT, params: NO_LIMIT } as const
/** How long all followers may take to apply an entry, milliseconds. */
const PATIENCE = 60_000
/** Between two looks at what waits for the audit log's disk, milliseconds. */
const AUDIT_PAUSE = 20

/** Between two looks at whether the KDC grants tickets, milliseconds. */
const CURRENT_PAUSE = 20

let kdc: RunningKdc
let administration: Administration

export interface StartOrder {
  readonly clients: number
  readonly services: number
  /** All from one address. Default: the KDC's own limits. */
  readonly connections?: number
  /** The folder of its audit log. Default: none is kept. */
  readonly audit?: string
  /** Default: nothing is counted. */
  readonly metrics?: boolean
  /** Whether rules name groups, which all of them are in. Default: patterns of names. */
  readonly groups?: boolean
  /** Default: in memory. */
  readonly store?: StoreOrder
  /** Of all KDCs of the realm. Default: drawn. */
  readonly masterKey?: Uint8Array
}

/** A further KDC of a realm that another process has made. */
export type JoinOrder = Required<Pick<StartOrder, 'store' | 'masterKey'>>

async function start(order: StartOrder): Promise<StartedKdc> {
  const { clients, services, connections, metrics = false } = order
  const audit = order.audit === undefined ? false : { directory: order.audit }
  const masterKey = new MasterKey(Uint8Array.from(order.masterKey ?? systemRandom(SIZE.KEY)))
  const stores = await storesOf(order.store, masterKey)
  const vault = new Vault(stores.made, masterKey, systemRandom)
  await createRealm({ vault, realm: REALM, clock: systemClock, random: systemRandom })
  const many = connections === undefined ? {} : { connections, connectionsPerAddress: connections }
  const limits = { ...LIMITS, ...many }
  const store = await stores.serving()
  kdc = await startKdc({ store, masterKey, limits, audit, metrics, listen: { port: 0 } })
  administration = new Administration(kdc.administration)
  const keytab = await addPrincipals({ client: clients, service: services })
  if (order.groups) await allowGroups(keytab)
  else await allow(`client/*@${REALM}`, `service/*@${REALM}`)
  return { url: kdc.url, keytab: formatKeytab(keytab) }
}

async function join(order: JoinOrder): Promise<void> {
  const masterKey = new MasterKey(Uint8Array.from(order.masterKey))
  const store = await (await storesOf(order.store, masterKey)).serving()
  kdc = await startKdc({ store, masterKey, limits: LIMITS, audit: false, listen: { port: 0 } })
}

/** @returns how long it took until it was answered, milliseconds */
async function disable(client: Principal): Promise<number> {
  await administration.enable(client)
  const begin = performance.now()
  await administration.disable(client)
  return performance.now() - begin
}

/** Resolves when the KDC grants tickets again after it was stopped. */
async function untilCurrent(): Promise<void> {
  while (!(await kdc.canServe())) await sleep(systemTimers, CURRENT_PAUSE)
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

async function allow(client: string, service: string): Promise<void> {
  const terms = { ...NO_TERMS, claims: [['role', 'reader'] as const], delegable: true }
  const pair = { client: client as Pattern, service: service as Pattern }
  await administration.setRule({ ...pair, effect: 'allow', ...terms })
}

async function allowGroups(entries: readonly KeytabEntry[]): Promise<void> {
  for (const name of ['client', 'service']) {
    const group = `@${name}s` as Pattern
    const principals = entries.map(({ principal }) => principal).filter(each => each.startsWith(`${name}/`))
    for (let i = 0; i < principals.length; i += MEMBERS_MAX)
      await administration.groups.add({ group, principals: principals.slice(i, i + MEMBERS_MAX) })
  }
  await allow('@clients', '@services')
}

/** How many lines the audit log has when nothing waits for its disk any more; 0 without one. */
async function audited(): Promise<number> {
  const { audit } = kdc
  if (audit === undefined) return 0
  if (audit.dropped > 0 || audit.isFailing) throw new Error('the audit log is not whole')
  if (audit.backlog === 0) return audit.lines
  await sleep(systemTimers, AUDIT_PAUSE)
  return audited()
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

serve({ start, join, disable, untilCurrent, memory, revoke, fillLog, audited })
