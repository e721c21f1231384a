import { describe, expect, it, onTestFinished } from 'vitest'
import { metricsWriter } from '../../../cli/metrics/registry.js'
import type { Limits } from '../../../kdc/limits/defaults.js'
import { type KdcSettings, type RunningKdc, startKdc } from '../../../kdc/main.js'
import type { Distribution } from '../../../kdc/metrics/distribution.js'
import type { Store } from '../../../kdc/store/store.js'
import { encodeCall } from '../../../shared/channel/calls.js'
import { TYPE, VERSION } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { createAsRequest, openAsReply } from '../../../shared/exchange/as.js'
import { createParamsRequest } from '../../../shared/exchange/params.js'
import { createTgsRequest } from '../../../shared/exchange/tgs.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { decodeTicket } from '../../../shared/ticket/ticket.js'
import { DAY, HOUR, SECOND } from '../../../shared/time.js'
import { type Identity, local, stranger, type TestRealm, testRealm } from '../../support/realm.js'
import { turns } from '../../support/turns.js'
import { TestChannel, TestSocket } from '../socket.js'

interface Scene extends TestRealm {
  readonly kdc: RunningKdc
  readonly web: Identity
  connect(): Promise<TestSocket>
}

async function scene(
  limits: Partial<Limits> = {},
  settings: KdcSettings = {},
  wrap = (store: Store): Store => store,
): Promise<Scene> {
  const realm = await testRealm()
  const web = await realm.add('web')
  await realm.add('orders')
  await realm.allow('web', 'orders')
  await realm.allow('web', 'ghost')
  const { masterKey, clock } = realm
  const own = { store: wrap(realm.store), masterKey, clock, timers: clock, limits, listen: { port: 0 } }
  const kdc = await startKdc({ ...own, metrics: true, ...settings })
  onTestFinished(() => kdc.close())
  return {
    ...realm,
    kdc,
    web,
    connect: async () => {
      const socket = await TestSocket.open(kdc.url)
      onTestFinished(() => socket.close())
      return socket
    },
  }
}

function asRequest({ clock }: TestRealm, client: Identity, services: string[] = []) {
  return createAsRequest(client.key, {
    client: client.principal,
    kvno: client.kvno,
    time: clock.now(),
    nonce: systemRandom(16),
    services: services.map(local),
    lifetime: 0,
    renewable: false,
  })
}

async function loginOver(realm: TestRealm, socket: TestSocket, client: Identity, services: string[] = []) {
  const request = asRequest(realm, client, services)
  return openAsReply(client.key, request, await socket.ask(1, request.bytes)).grants
}

function tgsRequest({ clock }: TestRealm, tgt: Grant, services: string[]): Uint8Array {
  const key = deriveAuthKey(tgt.key, [])
  const question = { caveats: [], time: clock.now(), nonce: systemRandom(16), lifetime: 0, renew: false }
  return createTgsRequest(key, decodeTicket(tgt.ticket), { ...question, services: services.map(local) }).bytes
}

/** The counts that are not 0, by their names. */
function counted(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0))
}

/** Everything that was answered, as `AS ok`. */
async function answersOf(kdc: RunningKdc): Promise<Record<string, number>> {
  const { exchanges } = await kdc.metrics()
  const all = Object.entries(exchanges).flatMap(([exchange, { answers }]) =>
    Object.entries(answers).map(([code, count]) => [`${exchange} ${code}`, count]),
  )
  return counted(Object.fromEntries(all))
}

/** A count is made when the answer is with the system, which may be after the client has it. */
async function untilAnswered(kdc: RunningKdc, expected: Record<string, number>): Promise<void> {
  await expect.poll(() => answersOf(kdc)).toEqual(expected)
}

describe('a KDC that is measured', () => {
  it('counts each answer by what was asked and how it was answered', async () => {
    const realm = await scene()
    const socket = await realm.connect()
    const [tgt] = await loginOver(realm, socket, realm.web, ['orders', 'ghost'])
    if (tgt === undefined) throw new Error('denied')
    await socket.ask(1, asRequest(realm, { ...stranger('web@demo.example'), kvno: 1 }).bytes)
    const tgs = tgsRequest(realm, tgt, ['orders', 'web'])
    await socket.ask(1, tgs)
    await socket.ask(1, tgs)
    await socket.ask(1, tgs)
    await socket.ask(1, createParamsRequest(local('web')))
    await socket.ask(1, new Uint8Array([VERSION, TYPE.AP_REP, 0]))
    await socket.ask(1, new Uint8Array([99]))
    await untilAnswered(realm.kdc, {
      'AS ok': 1,
      'AS auth_failed': 1,
      'TGS ok': 3,
      'PARAMS ok': 1,
      'other malformed': 1,
      'other unsupported_version': 1,
    })
    const { granted, denied, repeated, exchanges, failures } = await realm.kdc.metrics()
    // A repeat comes to another ticket, which can be used too.
    expect({ granted, denied: counted(denied), repeated, failures: counted(failures) }).toEqual({
      granted: { AS: 2, TGS: 3 },
      denied: { unknown_service: 1, policy_denied: 1 },
      repeated: 1,
      failures: {},
    })
    expect(exchanges.TGS.latency.count).toBe(3)
    expect(exchanges.other.latency.count).toBe(2)
  })

  it('counts channels, calls and what followers say', async () => {
    const realm = await scene()
    const socket = await realm.connect()
    const [, grant] = await loginOver(realm, socket, realm.admin, ['kdc'])
    if (grant === undefined) throw new Error('denied')
    const channel = await TestChannel.open(socket, 2, grant, { time: realm.clock.now() })
    await channel.call('list', [null, 1])
    await channel.call('show', [local('nobody')])
    await channel.call('disable', [local('orders')])
    await channel.call('follow', [null, null, null])
    // The entry that it is sent comes before the answer.
    channel.say(encodeCall({ n: 5, method: 'alive', args: [] }))
    await untilAnswered(realm.kdc, {
      'AS ok': 1,
      'AP-OPEN ok': 1,
      'administration ok': 2,
      'administration unknown_service': 1,
      'feed ok': 2,
    })
    const before = await realm.kdc.metrics()
    expect(before.channels).toEqual({ open: 1, broken: 0 })
    expect(before.connections).toMatchObject({ open: 1, accepted: 1, failed: 0 })
    expect(before.changes).toEqual({ made: new Map([['disable', 1]]), uncertain: 0 })
    expect(before.revocations).toEqual({ entries: 1, newest: 1 })
    realm.clock.pass(7_000)
    expect((await realm.kdc.metrics()).followers).toEqual({
      connected: 1,
      behind: 1,
      silentFor: 7_000,
      doubled: 0,
    })
    socket.send(2, new Uint8Array([VERSION, TYPE.RECORD, 1, 2, 3]))
    await expect.poll(async () => (await realm.kdc.metrics()).channels).toEqual({ open: 0, broken: 1 })
    socket.close()
    await expect.poll(async () => (await realm.kdc.metrics()).connections.open).toBe(0)
    expect((await realm.kdc.metrics()).followers.connected).toBe(0)
  })

  it('says which limit refused a request, repeats included', async () => {
    const minute = { points: 1, interval: 60 * SECOND }
    const realm = await scene({
      failedLogins: minute,
      params: minute,
      requestsPerClient: minute,
      repeats: minute,
      channels: 1,
    })
    const socket = await realm.connect()
    const guess = () => asRequest(realm, stranger('orders@demo.example')).bytes
    for (const bytes of [guess(), guess(), createParamsRequest(local('a')), createParamsRequest(local('b'))])
      await socket.ask(1, bytes)
    const request = asRequest(realm, realm.admin, ['kdc'])
    const reply = openAsReply(realm.admin.key, request, await socket.ask(1, request.bytes))
    const [, grant] = reply.grants
    if (grant === undefined) throw new Error('denied')
    await socket.ask(1, request.bytes)
    await socket.ask(1, request.bytes)
    await socket.ask(1, asRequest(realm, realm.admin).bytes)
    await TestChannel.open(socket, 2, grant, { time: realm.clock.now() })
    await TestChannel.open(socket, 3, grant, { time: realm.clock.now() }).catch(() => {})
    await expect
      .poll(async () => counted((await realm.kdc.metrics()).limited))
      .toEqual({ failedLogins: 1, params: 1, repeats: 1, requestsPerClient: 1, channels: 1 })
    expect(await answersOf(realm.kdc)).toMatchObject({
      'AS rate_limited': 3,
      'PARAMS rate_limited': 1,
      'AP-OPEN rate_limited': 1,
    })
  })

  it('counts a service that is denied because the rate of its rule is used up', async () => {
    const realm = await scene()
    await realm.allow('web', 'orders', { rate: { points: 1, interval: 60 * SECOND } })
    const socket = await realm.connect()
    for (let i = 0; i < 3; i++) await loginOver(realm, socket, realm.web, ['orders'])
    const { limited, denied } = await realm.kdc.metrics()
    expect([counted(limited), counted(denied)]).toEqual([{ rule: 2 }, { rate_limited: 2 }])
  })

  it('times a request from its frame to its answer, the wait for its turn included', async () => {
    let release = (): void => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    let isHeld = false
    const realm = await scene({ concurrency: 1 }, {}, store => ({
      ...delegating(store),
      get: async (kind, name) => {
        if (isHeld) await held
        return store.get(kind, name)
      },
    }))
    const socket = await realm.connect()
    isHeld = true
    const both = [
      socket.ask(1, createParamsRequest(local('x'))),
      socket.ask(2, createParamsRequest(local('y'))),
    ]
    await turns(20)
    realm.clock.pass(300)
    isHeld = false
    release()
    await Promise.all(both)
    const latency = async (): Promise<Distribution> => (await realm.kdc.metrics()).exchanges.PARAMS.latency
    await expect.poll(async () => (await latency()).count).toBe(2)
    const { sum, buckets } = await latency()
    expect(sum).toBe(600)
    const cumulative = Object.fromEntries(buckets.map(({ atMost, count }) => [atMost, count]))
    expect([cumulative[250], cumulative[500], cumulative[10_000]]).toEqual([0, 2, 2])
    expect((await realm.kdc.metrics()).store.get.latency.sum).toBe(300)
  })

  it('counts what the store and the caches did', async () => {
    let isBroken = false
    const realm = await scene({}, {}, store => ({
      ...delegating(store),
      get: async (kind, name) => {
        if (isBroken) throw new Error('the disk is on fire')
        return store.get(kind, name)
      },
    }))
    const socket = await realm.connect()
    await loginOver(realm, socket, realm.web)
    const { caches: cold } = await realm.kdc.metrics()
    const [tgt] = await loginOver(realm, socket, realm.web)
    if (tgt === undefined) throw new Error('denied')
    for (let i = 0; i < 3; i++) await socket.ask(1, tgsRequest(realm, tgt, ['orders']))
    const { caches, store } = await realm.kdc.metrics()
    expect(cold.principals).toMatchObject({ misses: 2, entries: 2 })
    expect(caches.principals.misses).toBe(3)
    expect(caches.principals.hits).toBeGreaterThan(cold.principals.hits)
    expect(caches.rules).toMatchObject({ hits: 2, misses: 1, entries: 1 })
    expect(caches.tgts).toEqual({ hits: 2, misses: 1, entries: 1 })
    expect(store.get.failures).toBe(0)
    isBroken = true
    realm.clock.pass(SECOND)
    await socket.ask(1, createParamsRequest(local('web')))
    const broken = await realm.kdc.metrics()
    expect(broken.store.get.failures).toBeGreaterThan(store.get.failures)
    expect(counted(broken.failures)).toEqual({ unexpected: 1 })
    expect((await answersOf(realm.kdc))['PARAMS unavailable']).toBe(1)
    expect(broken.ready).toBe(false)
  })

  it('counts principals by kind, and says how old the oldest key of each is', async () => {
    const realm = await scene()
    realm.clock.pass(2 * DAY)
    await realm.add('late', { expiresAt: realm.clock.now() + HOUR })
    await realm.call('disable', [local('orders')])
    await expect
      .poll(async () => (await realm.kdc.metrics()).principals?.service.count)
      .toEqual({
        enabled: 3,
        disabled: 1,
        expired: 0,
      })
    const { principals } = await realm.kdc.metrics()
    expect(principals).toMatchObject({
      krbtgt: { count: { enabled: 1 }, oldestKeyAge: 2 * DAY, keysDue: 0 },
      kdc: { count: { enabled: 1 }, oldestKeyAge: 2 * DAY },
      service: { oldestKeyAge: 2 * DAY },
      user: { count: { enabled: 0, disabled: 0, expired: 0 }, oldestKeyAge: null, keysDue: 0 },
      invitation: { oldestKeyAge: null },
    })
    // Two hours later one has expired, and the next count finds that without any change.
    realm.clock.pass(2 * HOUR)
    await expect.poll(async () => (await realm.kdc.metrics()).principals?.service.count.expired).toBe(1)
    expect((await realm.kdc.metrics()).principals?.krbtgt.oldestKeyAge).toBe(2 * DAY + 2 * HOUR)
  })

  it('notices a stalled event loop, and a clock that leapt', async () => {
    const realm = await scene()
    realm.clock.advance(1_000)
    expect((await realm.kdc.metrics()).loopLag).toMatchObject({ count: 10, sum: 0 })
    realm.clock.pass(400)
    realm.clock.advance(0)
    expect((await realm.kdc.metrics()).loopLag).toMatchObject({ count: 11, sum: 300 })
    realm.clock.step(-30_000)
    const { clock, ready } = await realm.kdc.metrics()
    expect(clock).toEqual({ leaps: 1, leapt: -30_000 })
    expect(ready).toBe(true)
  })

  it('ends with the KDC: no timer stays', async () => {
    const realm = await scene()
    await realm.kdc.metrics()
    await realm.kdc.close()
    expect(realm.clock.timers).toEqual({ all: 0, held: 0 })
  })
})

describe('a KDC that is not measured', () => {
  it('says so, and sets no timer for it', async () => {
    const measured = await scene()
    const plain = await scene({}, { metrics: false })
    await expect(plain.kdc.metrics()).rejects.toThrow(
      new TypeError('this KDC is not measured: start it with metrics: true'),
    )
    expect(measured.clock.timers.all - plain.clock.timers.all).toBe(1)
    expect(await plain.kdc.readiness()).toEqual({ ready: true, problems: [] })
  })
})

describe('the text for Prometheus', () => {
  it('has the same series from the first moment on, with labels of closed sets and nobody’s name', async () => {
    const realm = await scene()
    const write = metricsWriter('1.2.3')
    const seriesOf = async (): Promise<string[]> => {
      const { text } = await write(await realm.kdc.metrics())
      return text
        .split('\n')
        .filter(line => line.startsWith('orthrus_kdc_'))
        .map(line => line.replace(/ \S+$/, ''))
    }
    const first = await seriesOf()
    const socket = await realm.connect()
    const [tgt] = await loginOver(realm, socket, realm.web, ['orders', 'ghost'])
    if (tgt === undefined) throw new Error('denied')
    await socket.ask(1, tgsRequest(realm, tgt, ['orders']))
    expect(await seriesOf()).toEqual(first)
    expect(new Set(first).size).toBe(first.length)
    const { text } = await write(await realm.kdc.metrics())
    expect(text).not.toMatch(/web|orders|ghost|demo\.example|127\.0\.0\.1/)
    expect(text).toContain('orthrus_kdc_exchanges_total{exchange="AS",code="ok"} 1\n')
    expect(text).toContain('orthrus_kdc_exchange_duration_seconds_bucket{exchange="TGS",le="+Inf"} 1\n')
    expect(text).toContain('orthrus_kdc_exchange_duration_seconds_count{exchange="TGS"} 1\n')
    expect(text).toContain('orthrus_kdc_tickets_denied_total{code="unknown_service"} 1\n')
    expect(text).toContain('orthrus_kdc_info{version="1.2.3"} 1\n')
    expect(text).toContain('process_cpu_seconds_total ')
    // A realm in memory has no disk, and this one no audit log.
    expect(text).not.toMatch(/^orthrus_kdc_(?:disk|audit)\w+ /m)
    const valuesOf = (label: string): string[] => [
      ...new Set(
        [...text.matchAll(new RegExp(`orthrus_kdc_\\w+{[^}]*\\b${label}="([^"]*)"`, 'g'))].map(
          ([, value = '']) => value,
        ),
      ),
    ]
    expect(valuesOf('exchange')).toEqual([
      'AS',
      'TGS',
      'PARAMS',
      'AP-OPEN',
      'administration',
      'feed',
      'other',
    ])
    expect(valuesOf('code').length).toBe(21)
    expect(valuesOf('kind')).toEqual(['krbtgt', 'kdc', 'service', 'user', 'invitation'])
    expect(valuesOf('cache')).toEqual(['principals', 'rules', 'tgts'])
    expect(valuesOf('operation')).toEqual(['get', 'list', 'commit'])
  })

  it('counts in base units: seconds', async () => {
    const realm = await scene()
    realm.clock.pass(90 * SECOND)
    const { text } = await metricsWriter('1')(await realm.kdc.metrics())
    expect(text).toContain('orthrus_kdc_oldest_key_age_seconds{kind="krbtgt"} 90\n')
    expect(text).toContain('_bucket{exchange="AS",le="0.0001"} 0\n')
  })
})

/** The methods of a store that is wrapped, which a spread alone would lose. */
function delegating(store: Store): Store {
  return {
    get: (kind, name) => store.get(kind, name),
    list: (kind, page) => store.list(kind, page),
    commit: changes => store.commit(changes),
    snapshot: () => store.snapshot(),
    compact: () => store.compact(),
    watch: listener => store.watch(listener),
    close: () => store.close(),
  }
}
