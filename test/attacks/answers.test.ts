import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { TYPE } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import { AuthKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createAuthenticatedError, createError, type ErrorContent } from '../../shared/encoding/error.js'
import { WIRE_CODES, type WireCode } from '../../shared/errors.js'
import { createApReply, decodeApRequest } from '../../shared/exchange/ap.js'
import { responseBinding } from '../../shared/http/binding.js'
import { formatChallenge, formatMessageHeader, parseMessageHeader } from '../../shared/http/headers.js'
import { openTicket } from '../../shared/ticket/ticket.js'
import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import { type Captured, headerOf, type Relayed, withHeader } from '../support/http-proxy.js'
import { failureOf, startWorld, type World } from '../support/world.js'
import { entryOf } from './by-hand.js'

/** What a client believes and does about answers in a service's or the KDC's name. */

const POST = { method: 'POST', body: 'pay 5' } as const
const UNPROVED = { code: 'response_unproved', final: false } as const

function refusal(world: World, code: WireCode, error: Uint8Array): Relayed {
  const challenge = formatChallenge({ realm: world.web.realm, code, error })
  return { status: 401, headers: [['www-authenticate', challenge]], body: Buffer.from(`${code}\n`) }
}

/** An ERROR that anybody can write. */
function forged(world: World, code: WireCode, floor: number | null = null, time = 1): Relayed {
  return refusal(world, code, createError({ code, time, floor, message: '' }))
}

function requestOf(request: Captured) {
  const bytes = parseMessageHeader(headerOf(request, 'authorization')) ?? new Uint8Array()
  return decodeApRequest(TYPE.AP_REQ, bytes)
}

/** The ERROR that only the holder of the service's key can write. */
function proved(world: World, request: Captured, content: ErrorContent): Relayed {
  const { ticket, mac } = requestOf(request)
  const opened = openTicket(ticket, entryOf(world.realm, 'orders').key)
  return refusal(world, content.code, createAuthenticatedError(deriveAuthKey(opened.key, []), mac, content))
}

function stampOf(request: Captured | undefined): number {
  if (request === undefined) throw new Error('no request')
  return requestOf(request).time
}

describe('a fake service', () => {
  it('that proves nothing is not believed', async () => {
    const { web } = await startWorld()
    const server = createServer((_, res) => res.end('paid'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/pay`
    expect(await failureOf(web.fetch(url, { ...POST, service: 'orders' }))).toMatchObject(UNPROVED)
  })

  it('that has another key, or made one up, is not believed', async () => {
    const world = await startWorld()
    const { web, http, realm, orders } = world
    await realm.add('fake')
    const body = Buffer.from('paid')
    const binding = responseBinding(200, [], body)
    const keys = [new AuthKey(systemRandom(32)), entryOf(realm, 'fake').key as unknown as AuthKey]
    for (const key of keys) {
      http.intercept = request => {
        const reply = createApReply(key, requestOf(request).mac, { time: realm.clock.now(), binding })
        return { status: 200, headers: [['authentication-info', formatMessageHeader(reply)]], body }
      }
      expect(await failureOf(web.fetch(`${http.url}/pay`, POST))).toMatchObject(UNPROVED)
    }
    expect(orders.handled).toHaveLength(0)
  })

  it('that passes on the proof of another request, otherwise the same, is not believed', async () => {
    const { web, http, orders } = await startWorld()
    await web.fetch(`${http.url}/pay`, POST)
    const [first] = http.answered
    http.intercept = async (request, forward) => {
      await forward(request)
      return first ?? forward(request)
    }
    expect(await failureOf(web.fetch(`${http.url}/pay`, POST))).toMatchObject(UNPROVED)
    expect(orders.handled).toHaveLength(2)
  })

  it('that passes on the proof of another client’s request is not believed', async () => {
    const { web, http, realm } = await startWorld()
    await realm.add('eve')
    await realm.allow('eve', 'orders')
    const eve = await realm.connect('eve', { services: { [http.url]: 'orders' } })
    await eve.fetch(`${http.url}/pay`, POST)
    const [first] = http.answered
    http.intercept = () => first ?? { status: 500, headers: [], body: Buffer.alloc(0) }
    expect(await failureOf(web.fetch(`${http.url}/pay`, POST))).toMatchObject(UNPROVED)
  })
})

const alterations: Record<string, (response: Relayed) => Relayed> = {
  'without its proof': response => withHeader(response, 'authentication-info'),
  'with its proof cut off': response => {
    return withHeader(
      response,
      'authentication-info',
      headerOf(response, 'authentication-info')?.slice(0, -4),
    )
  },
  'with its proof in the place of an error': response => {
    const proof = headerOf(response, 'authentication-info')
    return withHeader(withHeader(response, 'authentication-info'), 'www-authenticate', proof)
  },
  'with another status': response => ({ ...response, status: 201 }),
  'with a status of failure': response => ({ ...response, status: 500 }),
  'as if nothing had changed': response => ({ ...response, status: 304, body: Buffer.alloc(0) }),
  'with another body': response => ({ ...response, body: Buffer.from('unpaid') }),
  'with a body cut off': response => ({ ...response, body: response.body.subarray(0, 2) }),
  'with no body': response => ({ ...response, body: Buffer.alloc(0) }),
  'with another content-type': response => withHeader(response, 'content-type', 'text/html'),
  'without its content-type': response => withHeader(response, 'content-type'),
  'with a content-range': response => withHeader(response, 'content-range', 'bytes 0-3/4'),
  'with a location': response => withHeader(response, 'location', '/elsewhere'),
  'with content-type twice': response => ({
    ...response,
    headers: [...response.headers, ['content-type', 'text/html']],
  }),
  'with an empty location': response => withHeader(response, 'location', ''),
  'as an encoding of itself': response => withHeader(response, 'content-encoding', 'identity'),
}

describe('a response that was altered', () => {
  it.each(Object.entries(alterations))('%s is no response', async (_, alter) => {
    const answer = (
      _: unknown,
      res: { setHeader(n: string, v: string): unknown; end(t: string): unknown },
    ) => {
      res.setHeader('content-type', 'text/plain')
      res.end('paid')
    }
    const { web, http, orders } = await startWorld({ answer })
    expect(await (await web.fetch(`${http.url}/pay`, POST)).text()).toBe('paid')
    http.intercept = async (request, forward) => alter(await forward(request))
    expect(await failureOf(web.fetch(`${http.url}/pay`, POST))).toMatchObject(UNPROVED)
    // It was handled, but the client only says that it may have been, and does not send it again.
    expect([orders.handled.length, http.captured.length]).toEqual([2, 2])
  })

  it('that is lost, with nothing else amiss, is reported as that, and the request is not sent again', async () => {
    const { web, http, orders } = await startWorld()
    http.intercept = async (request, forward) => {
      await forward(request)
      throw new Error('the connection is cut')
    }
    const failure = await failureOf(web.fetch(`${http.url}/pay`, POST))
    expect(failure).toMatchObject({ code: 'unavailable', final: false })
    expect([orders.handled.length, http.captured.length]).toEqual([1, 1])
  })
})

describe('a forged ERROR in place of the answer', () => {
  it('of type 05, with any code, makes no POST handled twice and calls none final', async () => {
    const world = await startWorld()
    const { web, http, orders } = world
    for (const code of WIRE_CODES) {
      const [handled, captured] = [orders.handled.length, http.captured.length]
      http.intercept = async (request, forward) => {
        await forward(request)
        return forged(world, code, code === 'clock_skew' ? 0 : null)
      }
      const failure = await failureOf(web.fetch(`${http.url}/pay`, POST))
      expect(failure).toMatchObject({ code: 'refused_unproved', final: false, facts: { claimed: code } })
      expect([orders.handled.length, http.captured.length]).toEqual([handled + 1, captured + 1])
      // Only the caller can send the POST again.
      http.intercept = (request, forward) => forward(request)
      expect((await web.fetch(`${http.url}/pay`, POST)).status).toBe(200)
      expect(orders.handled).toHaveLength(handled + 2)
    }
  })

  it('of type 05, ticket_invalid: a GET is sent a second time under a new ticket, but not a third', async () => {
    const world = await startWorld()
    const { web, http, kdc, orders } = world
    http.intercept = async (request, forward) => {
      await forward(request)
      return forged(world, 'ticket_invalid')
    }
    for (let i = 0; i < 5; i++) {
      expect(await failureOf(web.fetch(`${http.url}/7`))).toMatchObject({
        code: 'refused_unproved',
        final: false,
      })
    }
    expect(orders.handled).toHaveLength(10)
    // However many are forged, the KDC is asked once a minute.
    expect([kdc.asked(TYPE.AS_REQ).length, kdc.asked(TYPE.TGS_REQ).length]).toEqual([1, 1])
    const tickets = http.captured.map(request => Buffer.from(requestOf(request).ticket.bytes).toString('hex'))
    expect(new Set(tickets).size).toBe(2)
  })

  // The refused request is sent again under a new ticket, and the answer to that is the first ERROR again.
  it.each([
    ['clock_skew', { code: 'clock_skew' }, 2],
    ['ticket_expired', UNPROVED, 3],
    ['binding_mismatch', { code: 'binding_mismatch' }, 2],
  ] as const)('06 %s of another request proves nothing', async (code, told, requests) => {
    const world = await startWorld()
    const { web, http, orders, clock } = world
    const content = { code, time: clock.now(), floor: null, message: '' }
    let first: Relayed | undefined
    http.intercept = async (request, forward) => {
      await forward(request)
      first ??= proved(world, request, content)
      return first
    }
    expect(await failureOf(web.fetch(`${http.url}/pay`, POST))).toMatchObject(told)
    expect(await failureOf(web.fetch(`${http.url}/pay`, POST))).toMatchObject(UNPROVED)
    expect([orders.handled.length, http.captured.length]).toEqual([requests, requests])
  })
})

/** The longest time for which a client does not repeat a question that was refused once. */
const REFUSAL_PAUSE = 2 * SECOND

describe('a clock that is lied about', () => {
  it.each([1, HOUR, -HOUR, 2 ** 52])('by an unproved clock_skew of %d ms changes no stamp', async ahead => {
    const world = await startWorld()
    const { web, http, clock, orders } = world
    await web.fetch(`${http.url}/7`)
    const time = Math.max(0, clock.now() + ahead)
    http.intercept = () => forged(world, 'clock_skew', time, time)
    for (const init of [{}, POST]) {
      const failure = await failureOf(web.fetch(`${http.url}/7`, init))
      expect(failure).toMatchObject({
        code: 'refused_unproved',
        final: false,
        facts: { claimed: 'clock_skew' },
      })
    }
    http.intercept = (request, forward) => forward(request)
    expect((await web.fetch(`${http.url}/7`, POST)).status).toBe(200)
    expect(http.captured.map(stampOf)).toEqual(Array(4).fill(clock.now()))
    expect(orders.handled).toHaveLength(2)
  })

  it.each([
    ['2^53 - 1', () => 2 ** 53 - 1],
    ['2^53 - 2', () => 2 ** 53 - 2],
    ['10 minutes ahead', (now: number) => now + 10 * MINUTE + 1],
  ])('by a service that proves a floor of %s is not followed', async (_, floorOf) => {
    const world = await startWorld()
    const { web, http, clock, orders } = world
    const [time, floor] = [clock.now(), floorOf(clock.now())]
    const content = { code: 'clock_skew', time, floor, message: '' } as const
    http.intercept = request => proved(world, request, content)
    for (const init of [{}, POST]) {
      const failure = await failureOf(web.fetch(`${http.url}/7`, init))
      expect(failure).toMatchObject({ code: 'clock_skew', final: false })
    }
    expect(http.captured).toHaveLength(2)
    http.intercept = (request, forward) => forward(request)
    expect((await web.fetch(`${http.url}/7`, POST)).status).toBe(200)
    expect(http.captured.map(stampOf)).toEqual(Array(3).fill(time))
    expect(orders.handled).toHaveLength(1)
  })

  it('by one service is kept for that service alone', async () => {
    const world = await startWorld()
    const { web, http, clock, realm } = world
    await realm.add('billing')
    await realm.allow('web', 'billing')
    const time = clock.now() + HOUR
    http.intercept = request =>
      proved(world, request, { code: 'clock_skew', time, floor: time - MINUTE, message: '' })
    expect(await failureOf(web.fetch(`${http.url}/7`))).toMatchObject({ code: 'clock_skew' })
    await failureOf(web.fetch(`${http.url}/7`))
    await failureOf(web.fetch(`${http.url}/7`, { service: 'billing' }))
    expect(http.captured.map(stampOf).map(stamp => stamp - clock.now())).toEqual([0, HOUR, HOUR, HOUR, 0])
  })

  it('by anybody in the KDC’s name changes no stamp', async () => {
    const { web, kdc, clock } = await startWorld()
    kdc.downward = ({ id }) => {
      const time = clock.now() + HOUR
      return [{ id, message: createError({ code: 'clock_skew', time, floor: null, message: '' }) }]
    }
    const failure = await failureOf(web.getServiceTicket('orders'))
    expect(failure).toMatchObject({ code: 'clock_skew', final: false, facts: { claimed: 'clock_skew' } })
    expect(kdc.toKdc).toHaveLength(1)
    kdc.downward = frame => [frame]
    clock.advance(REFUSAL_PAUSE)
    await web.getServiceTicket('orders')
    expect(kdc.toKdc).toHaveLength(2)
  })

  it('by holding back the KDC’s answer is not believed, since a late answer says too little', async () => {
    // Otherwise it is given up, as its clock runs on while nothing can be read.
    const patient = { timeouts: { silence: 10 * SECOND } }
    const { web, kdc, clock, http, orders } = await startWorld({ connect: patient })
    kdc.downward = frame => {
      clock.advance(2.5 * SECOND)
      return [frame]
    }
    expect((await web.fetch(`${http.url}/7`, POST)).status).toBe(200)
    expect(Math.abs(stampOf(http.captured[0]) - clock.now())).toBeLessThanOrEqual(2 * SECOND)
    expect(orders.handled).toHaveLength(1)
  })
})

describe('a forged ERROR in the KDC’s name', () => {
  it('of type 05, with any code, ends no cached ticket and makes nothing final', async () => {
    const { web, kdc, realm, clock } = await startWorld()
    const ticket = await web.getServiceTicket('orders')
    for (const [i, code] of WIRE_CODES.entries()) {
      const service = `billing/${i}`
      await realm.add(service)
      await realm.allow('web', service)
      kdc.downward = ({ id }) => {
        return [{ id, message: createError({ code, time: 1, floor: null, message: '' }) }]
      }
      const failure = await failureOf(web.getServiceTicket(service))
      expect(failure).toMatchObject({ code, final: false, facts: { claimed: code } })
      expect(await web.getServiceTicket('orders')).toBe(ticket)
      kdc.downward = frame => [frame]
      clock.advance(REFUSAL_PAUSE)
      expect((await web.getServiceTicket(service)).service).toBe(`${service}@test.example`)
    }
  })
})
