import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { createDispatch, type Dispatch } from '../../kdc/exchange/dispatch.js'
import { NO_RATE_LIMITS } from '../../kdc/limits/rate-limits.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { type OpenRealm, openRealm } from '../../kdc/realm/realm.js'
import { reportReplica } from '../../kdc/realm/replica-report.js'
import { logListener } from '../../kdc/report/log.js'
import { createReport } from '../../kdc/report/report.js'
import { requireVersion, Watchers } from '../../kdc/store/changes.js'
import { EtcdReplica } from '../../kdc/store/etcd/replica.js'
import { lastKey } from '../../kdc/store/etcd/replica-keys.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import {
  type Change,
  type Listed,
  type Page,
  RECORD_KIND,
  type RecordKind,
  type Store,
} from '../../kdc/store/store.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import type { AdministrationMethod } from '../../shared/administration/methods.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
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
  readonly replica: EtcdReplica
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
  /** Starts another one. */
  start(): Promise<TestKdc>
  /** Moves time on until the promise is settled. */
  during<T>(promise: Promise<T>, most?: number): Promise<T>
}

export async function testCluster(count: number, random: RandomSource, delay = 1): Promise<TestCluster> {
  const clock = new ReplicaClock()
  const etcd = new FakeEtcd(clock)
  const key = random(32)
  await makeRealm(etcd, new MasterKey(key.slice()), random, clock)
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
  const start = async (): Promise<TestKdc> => {
    const client = new FakeClient(etcd, clock)
    client.delay = () => delay
    client.watchDelay = () => delay
    const kdc = await during(startKdc(client, clock, new MasterKey(key.slice()), random))
    kdcs.push(kdc)
    return kdc
  }
  for (let i = 0; i < count; i++) await start()
  return { clock, etcd, kdcs, start, during }
}

async function makeRealm(
  etcd: FakeEtcd,
  key: MasterKey,
  random: RandomSource,
  clock: TestClock,
): Promise<void> {
  const made = createMemoryStore()
  await createRealm({ vault: new Vault(made, key, random), realm: REALM, clock, random })
  for (const kind of Object.values(RECORD_KIND)) {
    for (const { name, value } of await made.list(kind, { limit: 100 })) {
      etcd.transact({
        compares: [],
        operations: [
          { kind: 'put', key: `${PREFIX}${kind}/${name}`, value },
          { kind: 'put', key: lastKey(PREFIX), value: new Uint8Array() },
        ],
      })
    }
  }
}

async function startKdc(
  client: FakeClient,
  clock: TestClock,
  key: MasterKey,
  random: RandomSource,
): Promise<TestKdc> {
  const { store, replica } = await openSharedStore(client, clock, random)
  const { timers } = client
  const realm = await openRealm({ vault: new Vault(store, key, random), clock, timers, random })
  const logger = new TestLogger()
  const report = createReport([logListener(logger, () => clock.monotonic())])
  reportReplica(realm.vault, report)
  const dispatch = createDispatch({ realm, rates: NO_RATE_LIMITS, timers, random, report })
  const own = ownContext(realm, report)
  const close = async (): Promise<void> => {
    realm.close()
    await store.close()
  }
  return {
    client,
    replica,
    realm,
    logger,
    dispatch,
    call: (method, args) => callMethod(own, method, args),
    close,
  }
}

/** The least that a store on etcd does; `EtcdStore` has a suite of its own. */
async function openSharedStore(
  etcd: FakeClient,
  clock: TestClock,
  random: RandomSource,
): Promise<{ store: Store; replica: EtcdReplica }> {
  const watchers = new Watchers()
  const apply = watchers.apply.bind(watchers)
  const replica = await EtcdReplica.join({ etcd, prefix: PREFIX, clock, timers: etcd.timers, random, apply })
  const keyOf = (kind: RecordKind, name: string): string => `${PREFIX}${kind}/${name}`
  const list = async (kind: RecordKind, { after, limit }: Page): Promise<Listed[]> => {
    const key = after === undefined ? keyOf(kind, '') : `${keyOf(kind, after)}\0`
    const { found } = await etcd.range({ key, end: `${PREFIX}${kind}0`, limit })
    return found.map(({ key: name, version, value }) => ({
      name: name.slice(keyOf(kind, '').length),
      version,
      value,
    }))
  }
  const commit = async (changes: readonly Change[]): Promise<void> => {
    const { succeeded, answers } = await etcd.transact({
      compares: changes.map(({ kind, name, expected }) => ({ key: keyOf(kind, name), version: expected })),
      operations: [
        ...changes.map(({ kind, name, value }) => {
          const key = keyOf(kind, name)
          return value === undefined
            ? ({ kind: 'delete', key } as const)
            : ({ kind: 'put', key, value } as const)
        }),
        { kind: 'put', key: lastKey(PREFIX), value: new Uint8Array() },
      ],
      otherwise: changes.map(({ kind, name }) => ({ kind: 'range', key: keyOf(kind, name) })),
    })
    if (!succeeded) {
      for (const [i, change] of changes.entries()) requireVersion(change, answers[i]?.found[0]?.version ?? 0)
    }
    watchers.notify(changes)
  }
  const store: Store = {
    get: async (kind, name) => (await etcd.range({ key: keyOf(kind, name) })).found[0],
    list,
    commit,
    watch: listener => watchers.add(listener),
    snapshot: async () => ({ list, close: async () => {} }),
    compact: async () => {},
    close: async () => {
      await replica.leave()
      await etcd.close()
    },
    replica,
  }
  return { store, replica }
}
