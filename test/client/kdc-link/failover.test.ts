import { describe, expect, it } from 'vitest'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import { TYPE } from '../../../shared/constants.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { HOUR, SECOND } from '../../../shared/time.js'
import { failureOf } from '../../support/failure.js'
import { turns } from '../../support/turns.js'
import { FakeKdc, ORDERS, WEB } from '../fake-kdc.js'
import { A, B, C, FAILURES, SeveralKdcs } from './several-kdcs.js'

describe('of several KDCs, one', () => {
  it.each(FAILURES)('that is %s costs an exchange less than a second, and no call fails', async how => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    await realm.getServiceTicket('orders')
    expect(several.connected).toEqual([A])
    several.fail(A, how)
    const ticket = realm.getServiceTicket('billing')
    expect(await several.lasting(ticket)).toBeLessThan(SECOND)
    expect((await ticket).service).toBe('billing@demo.example')
    // From then on it costs nothing.
    expect(await several.lasting(realm.getServiceTicket('stock'))).toBe(0)
    expect(several.log.slice(-2)).toEqual(['b TGS billing', 'b TGS stock'])
  })

  it.each(FAILURES)('that is %s fails none of a hundred calls in flight', async how => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    await realm.getServiceTicket('orders')
    const kdc = several.at(A)
    // All of them are under way when it fails.
    kdc.intercept = () => undefined
    const tickets: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) {
      tickets.push(realm.getServiceTicket(`s${i}`))
      await turns()
    }
    several.fail(A, how)
    if (how === 'unavailable') {
      for (const socket of kdc.sockets)
        for (let id = 1; id < 200; id++) socket.reply(id, kdc.error('unavailable'))
    }
    expect(await several.lasting(Promise.all(tickets))).toBeLessThan(SECOND)
    await Promise.all(tickets)
    expect(several.connected).toEqual([B])
  })

  it.each(FAILURES)('that is %s does not keep a new client from connecting within a second', async how => {
    const several = new SeveralKdcs()
    several.fail(A, how)
    const ticket = several.connect().then(realm => realm.getServiceTicket('orders'))
    expect(await several.lasting(ticket)).toBeLessThan(SECOND)
    expect((await ticket).service).toBe(ORDERS)
  })

  it('that is frozen beside another that is frozen costs less than a second', async () => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    for (const url of [A, B]) several.fail(url, 'frozen')
    const ticket = realm.getServiceTicket('orders')
    expect(await several.lasting(ticket)).toBeLessThan(SECOND)
    await ticket
    expect(several.connected).toContain(C)
  })

  it('that dies after the one before it died costs no call', async () => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    for (const url of [A, B]) {
      several.at(url).intercept = () => {
        several.fail(url, 'killed')
        return undefined
      }
    }
    expect((await realm.getServiceTicket('orders')).service).toBe(ORDERS)
    expect(several.log).toEqual(['a AS orders', 'b AS orders', 'c AS orders'])
  })

  it.each(FAILURES)('that is %s fails no opening of a channel', async how => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    await realm.getServiceTicket('kdc')
    several.fail(A, how)
    if (how === 'unavailable') several.at(A).accept = () => ({ reply: several.at(A).error('unavailable') })
    const channel = openKdcChannel(realm)
    expect(await several.lasting(channel)).toBeLessThanOrEqual(SECOND)
    expect(await (await channel).call('list', [])).toEqual([])
  })
})

describe('the order of KDCs', () => {
  it('is drawn by each client, so that all of them have as much to do', async () => {
    const first = new Map<string, number>([A, B, C].map(url => [url, 0] as const))
    for (let i = 0; i < 60; i++) {
      const several = new SeveralKdcs()
      const realm = await several.connect({ random: systemRandom })
      const [url = ''] = several.connected
      first.set(url, (first.get(url) ?? 0) + 1)
      realm.close()
    }
    // Each is the first of 20 on average; fewer than 3 come about once in ten million runs.
    for (const times of first.values()) expect(times).toBeGreaterThan(2)
  })

  it('is kept: nothing goes back to one that is well again before its turn comes', async () => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    await realm.getServiceTicket('orders')
    several.fail(A, 'killed')
    await realm.getServiceTicket('billing')
    several.heal(A)
    await several.time.elapse(HOUR / 2)
    await realm.getServiceTicket('stock')
    expect(several.connected).toEqual([B])
    several.fail(B, 'killed')
    await realm.getServiceTicket('shop')
    several.fail(C, 'killed')
    several.heal(B)
    // The turn is A's, which was well for half an hour, and nobody came to it.
    await realm.getServiceTicket('till')
    expect(several.tried).toEqual([A, B, C, A])
  })
})

describe('KDCs that all fail', () => {
  it('are tried after pauses that grow from 100 ms to 5 s, and the error names each', async () => {
    const several = new SeveralKdcs()
    const realm = await several.connect({ random: length => new Uint8Array(length).fill(255) })
    for (const url of [A, B, C]) several.fail(url, 'killed')
    const gaps: number[] = []
    for (let i = 0; i < 9; i++) {
      const before = several.tried.length
      const start = several.time.monotonic()
      while (several.tried.length === before) {
        const cause = failureOf(realm.getServiceTicket('orders'))
        await several.lasting(cause)
        for (const url of [A, B, C]) expect(String(await cause)).toContain(url)
      }
      gaps.push(several.time.monotonic() - start)
    }
    expect(gaps[0]).toBe(0)
    expect(gaps[1]).toBe(100)
    expect(gaps[2]).toBe(200)
    expect(gaps.at(-1)).toBe(5 * SECOND)
    several.heal(C)
    await several.time.elapse(5 * SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
  })

  it('by being unavailable are asked once each, and then one of them until a pause is over', async () => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    for (const url of [A, B, C]) several.fail(url, 'unavailable')
    for (let i = 0; i < 20; i++) {
      expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'unavailable' })
    }
    expect(several.tried).toEqual([A, B, C])
    expect(several.log).toHaveLength(22)
    several.heal(A)
    await several.time.elapse(SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
  })
})

describe('a KDC of another realm, or with other data, among the URLs', () => {
  /** One at C that knows no key of the others. */
  function withStranger(): SeveralKdcs {
    const several = new SeveralKdcs()
    Object.assign(several.at(C), { keys: new Map() })
    return several
  }

  const differing = (several: SeveralKdcs): unknown[] =>
    several.logger.lines.filter(({ message }) => message.startsWith('a KDC refuses what another'))

  it('costs nothing but a question, and is told once', async () => {
    const several = withStranger()
    const realm = await several.connect({ kdc: [C, A, B] })
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    expect(several.log).toEqual(['a AS orders', 'c AS orders'])
    expect(differing(several)).toMatchObject([
      { level: 'error', fields: { kind: 'kdc_differs', kdc: C, code: 'auth_failed', other: A } },
    ])
    // The others come first, also once one of them failed.
    several.fail(A, 'killed')
    await realm.getServiceTicket('billing')
    expect(several.connected).toEqual([B])
    expect(differing(several)).toHaveLength(1)
  })

  it.each([
    ['of another version', [2, TYPE.ERROR]],
    ['that is none', [1, TYPE.ERROR, 0]],
  ])('whose answer is one %s costs nothing but a question', async (_, bytes) => {
    const several = new SeveralKdcs()
    several.at(A).intercept = () => new Uint8Array(bytes)
    const realm = await several.connect()
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    expect(several.log).toEqual(['a AS orders', 'b AS orders'])
  })

  it('that is the only one left is believed in nothing: the refusal says that nothing proves it', async () => {
    const several = withStranger()
    const realm = await several.connect()
    await realm.getServiceTicket('orders')
    for (const url of [A, B]) several.fail(url, 'killed')
    several.at(C).intercept = () => several.at(C).error('ticket_invalid')
    const cause = await failureOf(realm.getServiceTicket('billing'))
    expect(cause).toMatchObject({ final: false })
    expect(String(cause)).toContain('nothing proves')
    // A held ticket serves on, and the realm is there again with its KDCs.
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    several.heal(A)
    await several.time.elapse(2 * SECOND)
    expect(await realm.getServiceTicket('billing')).toMatchObject({ client: WEB })
  })

  it('is not asked where the others refuse with proof', async () => {
    const several = withStranger()
    several.at(A).intercept = ({ bytes, exchange }, honest) =>
      exchange === 'AS'
        ? several.at(A).provedError('principal_disabled', several.at(A).keyOf(WEB), bytes.slice(-32))
        : honest()
    const realm = await several.connect()
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'principal_disabled' })
    expect(several.tried).toEqual([A])
  })

  it('refuses a wrong key as all others do, each asked once', async () => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    Object.assign(several.at(A), { keys: new FakeKdc(several.time).keys })
    for (const url of [A, B, C]) several.at(url).intercept = () => several.at(url).error('auth_failed')
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'auth_failed' })
    expect(several.log).toEqual(['a AS orders', 'b AS orders', 'c AS orders'])
    expect(differing(several)).toEqual([])
  })

  it('does not have `rate_limited` carried to the others', async () => {
    const several = new SeveralKdcs()
    const realm = await several.connect()
    several.at(A).intercept = () => several.at(A).error('rate_limited')
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'rate_limited' })
    expect(several.tried).toEqual([A])
  })
})

describe('what a client tells', () => {
  it('is no loss where another KDC answers', async () => {
    const several = new SeveralKdcs()
    const told: string[] = []
    const realm = await several.connect({ onEvent: ({ kind }) => void told.push(kind) })
    await realm.getServiceTicket('orders')
    several.fail(A, 'killed')
    several.fail(B, 'refusing')
    await realm.getServiceTicket('billing')
    expect(told.filter(kind => kind.startsWith('kdc_'))).toEqual(['kdc_found', 'kdc_left', 'kdc_found'])
  })

  it('is which KDC failed and which is used now, and that none answers only when all have failed', async () => {
    const several = new SeveralKdcs([A, B])
    const told: string[] = []
    const realm = await several.connect({
      onEvent: event => {
        if (event.kind.startsWith('kdc_'))
          told.push(`${event.kind} ${'kdc' in event ? event.kdc : ''}`.trim())
      },
    })
    several.fail(A, 'frozen')
    await several.lasting(realm.getServiceTicket('orders'))
    several.fail(B, 'killed')
    await several.lasting(failureOf(realm.getServiceTicket('billing')))
    await several.time.elapse(20 * SECOND)
    expect(told).toEqual([`kdc_found ${A}`, `kdc_left ${A}`, `kdc_found ${B}`, `kdc_left ${B}`, 'kdc_lost'])
  })
})
