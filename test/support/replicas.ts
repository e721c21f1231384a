import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { createDispatch, type Dispatch } from '../../kdc/exchange/dispatch.js'
import { NO_RATE_LIMITS } from '../../kdc/limits/rate-limits.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { type OpenRealm, openRealm } from '../../kdc/realm/realm.js'
import { reportReplica } from '../../kdc/realm/replica-report.js'
import { logListener } from '../../kdc/report/log.js'
import { createReport } from '../../kdc/report/report.js'
import type { Etcd } from '../../kdc/store/etcd/etcd.js'
import { createEtcdStore, joinEtcdStore } from '../../kdc/store/etcd/store.js'
import type { Replica } from '../../kdc/store/store.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { toldKeys } from '../../kdc/vault/shared-keys.js'
import { Vault } from '../../kdc/vault/vault.js'
import type { AdministrationMethod } from '../../shared/administration/methods.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
import type { Clock } from '../../shared/time.js'
import type { Timers } from '../../shared/timers.js'
import { TestClock } from './clock.js'
import { FakeClient, FakeEtcd } from './fake-etcd.js'
import { TestLogger } from './logger.js'
import { REALM } from './realm.js'

/** Several KDCs in one process that share a store, on one clock that the test moves. */

export const PREFIX = `/orthrus/${REALM}/`

/** Moves time, and lets what is ready happen before it goes on. Far fewer turns than `elapse` takes. */
export class ReplicaClock extends TestClock {
  async go(milliseconds: number, etcd?: FakeEtcd): Promise<void> {
    const until = this.monotonic() + milliseconds
    await turn()
    while (this.runNext(until)) {
      etcd?.tick()
      await turn()
    }
    this.moveTo(until)
    etcd?.tick()
    await turn()
  }
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

export interface TestKdc {
  readonly client: FakeClient
  readonly replica: Replica
  readonly realm: OpenRealm
  readonly logger: TestLogger
  readonly dispatch: Dispatch
  call(method: AdministrationMethod, args: readonly Value[]): Promise<readonly Value[]>
  close(): Promise<void>
}

export interface TestCluster {
  readonly clock: ReplicaClock
  readonly etcd: FakeEtcd
  readonly kdcs: readonly TestKdc[]
  /** Starts another one, with the master key of all, if no other is given. */
  start(keys?: Pick<KdcParts, 'key' | 'previous'>): Promise<TestKdc>
  /** A copy of the master key of all. */
  masterKey(): MasterKey
  /** Moves time on until the promise is settled. */
  during<T>(promise: Promise<T>, most?: number): Promise<T>
}

export async function testCluster(count: number, random: RandomSource, delay = 1): Promise<TestCluster> {
  const clock = new ReplicaClock()
  const etcd = new FakeEtcd(clock)
  const key = random(32)
  await makeRealm(new FakeClient(etcd, clock), new MasterKey(key.slice()), random, clock)
  const kdcs: TestKdc[] = []
  const during = async <T>(promise: Promise<T>, most = 20_000): Promise<T> => {
    let isOver = false
    const over = (): void => {
      isOver = true
    }
    promise.then(over, over)
    for (let passed = 0; !isOver; passed += 5) {
      if (passed > most) throw new Error(`it took over ${most} ms`)
      await clock.go(5, etcd)
    }
    return promise
  }
  const masterKey = (): MasterKey => new MasterKey(key.slice())
  const start: TestCluster['start'] = async (keys = { key: masterKey() }) => {
    const client = new FakeClient(etcd, clock)
    client.delay = () => delay
    client.watchDelay = () => delay
    const kdc = await during(openKdc({ etcd: client, clock, timers: client.timers, ...keys, random }))
    const whole = { ...kdc, client }
    kdcs.push(whole)
    return whole
  }
  for (let i = 0; i < count; i++) await start()
  return { clock, etcd, kdcs, start, masterKey, during }
}

export async function makeRealm(
  etcd: Etcd,
  key: MasterKey,
  random: RandomSource,
  clock: Clock,
): Promise<void> {
  const store = createEtcdStore({ etcd, prefix: PREFIX })
  await createRealm({ vault: new Vault(store, key, random), realm: REALM, clock, random })
}

export interface KdcParts {
  readonly etcd: Etcd
  readonly clock: Clock
  readonly timers: Timers
  readonly key: MasterKey
  readonly previous?: MasterKey
  readonly random: RandomSource
}

/** A KDC without a transport, on the realm that etcd has. */
export async function openKdc({
  etcd,
  clock,
  timers,
  key,
  previous,
  random,
}: KdcParts): Promise<Omit<TestKdc, 'client'>> {
  const keys = { current: key, previous }
  const store = await joinEtcdStore({ etcd, prefix: PREFIX, clock, timers, random, told: toldKeys(keys) })
  const { replica } = store
  if (replica === undefined) throw new Error('it has no place')
  const vault = new Vault(store, key, random, { previous })
  const realm = await openRealm({ vault, clock, timers, random }).catch(async (cause: unknown) => {
    await store.close()
    throw cause
  })
  const logger = new TestLogger()
  const report = createReport([logListener(logger, () => clock.monotonic())])
  reportReplica(realm.vault, report)
  const dispatch = createDispatch({ realm, rates: NO_RATE_LIMITS, timers, random, report })
  const own = ownContext(realm, report)
  const close = async (): Promise<void> => {
    realm.close()
    await store.close()
  }
  return { replica, realm, logger, dispatch, call: (method, args) => callMethod(own, method, args), close }
}
