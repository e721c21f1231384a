import { describe, expect, it } from 'vitest'
import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { openError } from '../../shared/encoding/error.js'
import { parsePrincipal } from '../../shared/principal.js'
import { SECOND } from '../../shared/time.js'
import { createTestClock } from '../../testing/index.js'
import { Connection, formatRequest } from '../service/connection.js'
import { challengeIn } from '../support/challenge.js'
import { headerOf, type Relayed } from '../support/http-proxy.js'
import {
  expectRefused,
  failureOf,
  Guarded,
  passTime,
  startTestRealm,
  startWorld,
  turns,
} from '../support/world.js'
import { HandClient, type Presented, present } from './by-hand.js'

/** A service never handles again what it has handled once. */

const POST = { method: 'POST', body: 'pay 5' } as const

/** The ERROR as the client that sent the request reads it. */
function errorTo({ key, mac }: Presented, response: Relayed) {
  return openError(challengeIn(headerOf(response, 'www-authenticate'))?.error ?? new Uint8Array(), key, mac)
}

describe('a request that was recorded on its way', () => {
  it('is refused by the service that handled it', async () => {
    const { web, http, orders } = await startWorld()
    expect(await (await web.fetch(`${http.url}/pay`, POST)).text()).toBe('web@test.example POST /pay pay 5')
    expectRefused(await orders.deliver(http.last), 'replay', '06')
    expectRefused(await orders.deliver(http.last), 'replay', '06')
    expect(orders.handled).toHaveLength(1)
    expect(orders.refused.map(({ presenter }) => presenter)).toEqual(['web@test.example', 'web@test.example'])
  })

  it('is reported to its client as a replay that may have been handled, if the copy came first', async () => {
    const { web, http, orders } = await startWorld()
    http.intercept = async (request, forward) => {
      await orders.deliver(request)
      return forward(request)
    }
    const failure = await failureOf(web.fetch(`${http.url}/pay`, POST))
    expect(failure).toMatchObject({ code: 'replay', final: false })
    expect(orders.handled).toHaveLength(1)
    expect(http.captured).toHaveLength(1)
  })

  it('is refused by another instance, a principal of its own', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders/1', 'orders/2')
    await realm.allow('web', 'orders/*')
    const [one, two] = [await Guarded.start(realm, 'orders/1'), await Guarded.start(realm, 'orders/2')]
    const web = await HandClient.open(realm, 'web')
    const request = present(await web.ticket('orders/1'), { ...POST, time: realm.clock.now() })
    expect((await one.deliver(request)).status).toBe(200)
    expectRefused(await two.deliver(request), 'ticket_invalid', '05')
    expect(two.handled).toHaveLength(0)
    const own = present(await web.ticket('orders/2'), { ...POST, time: realm.clock.now() })
    expect((await two.deliver(own)).status).toBe(200)
  })

  it('is refused by all of 100 concurrent copies but one', async () => {
    const { web, http, orders } = await startWorld()
    const copies: Relayed[] = []
    http.intercept = async request => {
      const all = await Promise.all(Array.from({ length: 100 }, () => orders.deliver(request)))
      copies.push(...all)
      return all.find(({ status }) => status === 200) ?? (all[0] as Relayed)
    }
    const response = await web.fetch(`${http.url}/pay`, POST)
    expect(response.status).toBe(200)
    expect(orders.handled).toHaveLength(1)
    const refused = copies.filter(({ status }) => status !== 200)
    expect(refused).toHaveLength(99)
    for (const each of refused) expectRefused(each, 'replay', '06')
  })

  it('is refused at every instant of its window, exactly at the floor, and afterwards', async () => {
    const { web, http, orders, clock } = await startWorld()
    await web.fetch(`${http.url}/pay`, POST)
    const seen: string[] = []
    for (const later of [0, 59_999, 60_000, 60_001, 65_000, 66_000, 600_000]) {
      clock.advance(later - clock.monotonic())
      const response = await orders.deliver(http.last)
      seen.push(`${later} ${challengeIn(headerOf(response, 'www-authenticate'))?.code}`)
    }
    expect(seen).toEqual([
      '0 replay',
      '59999 replay',
      '60000 clock_skew',
      '60001 clock_skew',
      '65000 clock_skew',
      '66000 clock_skew',
      '600000 clock_skew',
    ])
    expect(orders.handled).toHaveLength(1)
  })
})

describe('the floor', () => {
  it('is refused itself, and one millisecond above it is accepted once', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const floor = realm.clock.now() - 30 * SECOND
    const replayCache = new BoundedReplayCache({ clock: realm.clock, floor })
    const orders = await Guarded.start(realm, 'orders', { load: { replayCache } })
    const ticket = await (await HandClient.open(realm, 'web')).ticket('orders')
    const at = present(ticket, { ...POST, time: floor })
    const above = present(ticket, { ...POST, time: floor + 1 })
    const refused = await orders.deliver(at)
    expectRefused(refused, 'clock_skew', '06')
    expect(errorTo(at, refused)).toMatchObject({ authenticated: true, code: 'clock_skew', floor })
    expect((await orders.deliver(above)).status).toBe(200)
    expectRefused(await orders.deliver(above), 'replay', '06')
    expect(orders.handled).toHaveLength(1)
  })

  it.each([0, -1, -999, 1, 5_000, 6_001, 60_000])(
    'of a service that was restarted with its clock %d ms later refuses what the last one handled',
    async step => {
      const realm = await startTestRealm()
      await realm.add('web', 'orders')
      await realm.allow('web', 'orders')
      const ticket = await (await HandClient.open(realm, 'web')).ticket('orders')
      const before = await Guarded.start(realm, 'orders')
      // The newest stamp that there can be, and one of the present.
      const requests = [5 * SECOND, 0].map(ahead =>
        present(ticket, { ...POST, time: realm.clock.now() + ahead }),
      )
      for (const request of requests) expect((await before.deliver(request)).status).toBe(200)
      realm.clock.set(realm.clock.now() + step)
      const after = await Guarded.start(realm, 'orders', { load: { replayCache: {} } })
      for (const later of [0, 1 * SECOND, 5 * SECOND, 1 * SECOND, 60 * SECOND]) {
        realm.clock.advance(later)
        for (const request of requests) expectRefused(await after.deliver(request), 'clock_skew', '06')
      }
      const fresh = present(ticket, { ...POST, time: realm.clock.now() })
      expect((await after.deliver(fresh)).status).toBe(200)
      expect(after.handled).toHaveLength(1)
    },
  )
})

describe('a full cache', () => {
  const LEAST_BYTES = 512 * 1024

  it('refuses from then on a request whose entry was evicted', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const { clock } = realm
    const floor = clock.now() - 60 * SECOND
    const replayCache = new BoundedReplayCache({ clock, maxBytes: LEAST_BYTES, floor })
    const orders = await Guarded.start(realm, 'orders', { load: { replayCache } })
    const ticket = await (await HandClient.open(realm, 'web')).ticket('orders')
    const request = present(ticket, { ...POST, time: clock.now() - 1 * SECOND })
    expect((await orders.deliver(request)).status).toBe(200)
    expectRefused(await orders.deliver(request), 'replay', '06')
    fill(replayCache, clock.now())
    expect(replayCache.floor).toBeGreaterThanOrEqual(clock.now() - 1 * SECOND)
    expectRefused(await orders.deliver(request), 'clock_skew', '06')
    expect(orders.handled).toHaveLength(1)
    const fresh = present(ticket, { ...POST, time: clock.now() + 1 * SECOND })
    expect((await orders.deliver(fresh)).status).toBe(200)
  })

  it('is a quarter full of one client, which waits while another is served', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'greedy', 'orders')
    await realm.allow('*', 'orders')
    const { clock } = realm
    const floor = clock.now() - 60 * SECOND
    const replayCache = new BoundedReplayCache({ clock, maxBytes: LEAST_BYTES, floor })
    const orders = await Guarded.start(realm, 'orders', { load: { replayCache } })
    const greedy = await (await HandClient.open(realm, 'greedy')).ticket('orders')
    const presenter = parsePrincipal('greedy@test.example')
    const before = { presenter, time: clock.now(), endTime: clock.now() + 60 * SECOND }
    replayCache.admit({ ...before, id: idOf(0) })
    const share = Math.floor(replayCache.capacity / 4)
    for (let i = 1; i < share - 20; i++) replayCache.admit({ ...before, id: idOf(i) })
    const statuses = []
    for (let i = 0; i < 25; i++) {
      statuses.push((await orders.deliver(present(greedy, { time: clock.now() }))).status)
    }
    expect(statuses).toEqual([...Array(20).fill(200), ...Array(5).fill(429)])
    expect(replayCache.size).toBe(share)
    expect(replayCache.floor).toBe(floor)
    const refused = present(greedy, { ...POST, time: clock.now() })
    const response = await orders.deliver(refused)
    expect([response.status, errorTo(refused, response)]).toMatchObject([
      429,
      { code: 'rate_limited', authenticated: true },
    ])
    const web = await (await HandClient.open(realm, 'web')).ticket('orders')
    expect((await orders.deliver(present(web, { ...POST, time: clock.now() }))).status).toBe(200)
  })
})

/** Others fill the cache until its oldest entries go. */
function fill(cache: BoundedReplayCache, time: number): void {
  const floor = cache.floor
  for (let i = 0; cache.floor === floor; i++) {
    if (i > 100_000) throw new Error('it never was full')
    const presenter = parsePrincipal(`c${i % 50}@test.example`)
    const { refusal } = cache.admit({ id: idOf(i), time, presenter, endTime: time + 1e9 })
    if (refusal !== undefined) throw new Error(refusal)
  }
}

function idOf(i: number): Uint8Array {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(4, i)
  return id
}

describe('a request that is held back', () => {
  it('until its body is past the window is never handled, whole or in pieces', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const { clock } = realm
    const orders = await Guarded.start(realm, 'orders')
    const ticket = await (await HandClient.open(realm, 'web')).ticket('orders')
    const request = present(ticket, { ...POST, time: clock.now() })
    const bytes = formatRequest(request)
    const connection = new Connection(orders.port)
    connection.write(bytes.subarray(0, bytes.length - 1), 'POST')
    await connection.flushed()
    await turns()
    // Another copy meets the entry of the first, whose body has not come yet.
    expectRefused(await orders.deliver(request), 'replay', '06')
    clock.advance(61 * SECOND)
    const late = await connection.write(bytes.subarray(bytes.length - 1)).response()
    expectRefused({ ...late, body: Buffer.from(late.body) }, 'binding_mismatch', '06')
    connection.destroy()
    expectRefused(await orders.deliver(request), 'clock_skew', '06')
    expect(orders.handled).toHaveLength(0)
  })

  it('and stamped ahead is refused even after its entry is gone', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const { clock } = realm
    const orders = await Guarded.start(realm, 'orders')
    const ticket = await (await HandClient.open(realm, 'web')).ticket('orders')
    const request = present(ticket, { ...POST, time: clock.now() + 5 * SECOND })
    expect((await orders.deliver(request)).status).toBe(200)
    const codes = []
    for (const step of [0, 59_999, 1, 4_999, 1, 1, 600_000]) {
      clock.advance(step)
      codes.push(errorTo(request, await orders.deliver(request)).code)
    }
    const [replays, skews] = [Array(4).fill('replay'), Array(3).fill('clock_skew')]
    expect(codes).toEqual([...replays, ...skews])
    expect(orders.handled).toHaveLength(1)
  })

  it.each([
    ['after the client’s own', false],
    ['before the client’s own', true],
  ])('for its early stamp, and delivered %s copy, is handled once', async (_, first) => {
    const clock = createTestClock()
    const behind = { now: () => clock.now() - 8 * SECOND, monotonic: () => clock.monotonic() }
    const replayCache = new BoundedReplayCache({ clock: behind, floor: behind.now() - 60 * SECOND })
    const world = await startWorld({ realm: { clock }, load: { clock: behind, replayCache } })
    const { web, http, orders } = world
    const copies: Relayed[] = []
    http.intercept = async (request, forward) => {
      const copy = async (): Promise<unknown> => copies.push(await orders.deliver(request))
      if (first) await copy()
      const response = await forward(request)
      if (!first) await copy()
      return response
    }
    const outcome = passTime(
      clock,
      web.fetch(`${http.url}/pay`, POST).then(
        response => response.status,
        cause => [cause.code, cause.final],
      ),
    )
    expect(await outcome).toEqual(first ? ['replay', false] : 200)
    expect(orders.handled).toHaveLength(1)
    expect(http.captured).toHaveLength(2)
    expect(http.captured[1]?.headers).toEqual(http.captured[0]?.headers)
    const codes = [...copies, ...http.answered].map(response => {
      return challengeIn(headerOf(response, 'www-authenticate'))?.code ?? response.status
    })
    expect(codes.sort()).toEqual([200, 'clock_skew', 'clock_skew', 'replay'])
    expectRefused(await orders.deliver(http.last), 'replay', '06')
  })

  it('for a stamp that stays early is given to the caller, and is handled once if it is delivered later', async () => {
    const clock = createTestClock()
    const behind = { now: () => clock.now() - 60 * SECOND, monotonic: () => clock.monotonic() }
    const replayCache = new BoundedReplayCache({ clock: behind, floor: behind.now() - 60 * SECOND })
    const world = await startWorld({ realm: { clock }, load: { clock: behind, replayCache } })
    const { web, http, orders } = world
    // Not final: whoever has the bytes can still have them handled, and the client says so.
    const failure = await failureOf(web.fetch(`${http.url}/pay`, POST))
    expect(failure).toMatchObject({ code: 'clock_skew', final: false })
    expect(http.captured).toHaveLength(1)
    clock.advance(56 * SECOND)
    expect((await orders.deliver(http.last)).status).toBe(200)
    expectRefused(await orders.deliver(http.last), 'replay', '06')
    expect(orders.handled).toHaveLength(1)
  })
})
