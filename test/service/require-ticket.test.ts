import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { FLAG, TYPE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { openUnauthenticatedError } from '../../shared/encoding/error.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import { HOUR, MINUTE } from '../../shared/time.js'
import { challengeIn } from '../support/challenge.js'
import { START, TestClock } from '../support/clock.js'
import { TestLogger } from '../support/logger.js'
import { formatRequest, type RawResponse } from './connection.js'
import {
  BILLING,
  billingKey,
  expectProved,
  expectRefused,
  headerOf,
  oldOrdersKey,
  type RunningRealm,
  startRealm,
  WEB,
} from './realm.js'

/** The content of a type 05 that answers nobody in particular. */
function unprovedCode(response: RawResponse): string {
  const challenge = challengeIn(headerOf(response, 'www-authenticate'))
  const error = openUnauthenticatedError(challenge?.error ?? new Uint8Array())
  expect(error.code).toBe(challenge?.code)
  return error.code
}

/** The last refusal's line of the log. */
function refusalLine(realm: RunningRealm) {
  return realm.log.lines.filter(({ fields }) => /^(refused|replayed)$/.test(String(fields.kind))).at(-1)
    ?.fields
}

describe('a good request', () => {
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    it(`${method} reaches the handler and is answered with a proof`, async () => {
      const realm = await startRealm({
        handler: (_req, res, ticket) => res.setHeader('content-type', 'text/plain').end(ticket.client),
      })
      const body = method.startsWith('P') ? { body: Buffer.from('{"sku":1}') } : {}
      const request = realm.sign({ method, target: '/orders/7?dry=1', ...body })
      const response = await realm.send(request)
      expect(response.status).toBe(200)
      expect(response.body.toString()).toBe(method === 'HEAD' ? '' : WEB)
      expectProved(response, request)
      expect(realm.handled).toHaveLength(1)
    })
  }

  it('may have any covered header, and binds it', async () => {
    const realm = await startRealm()
    const headers = [
      ['Content-Type', 'application/json'],
      ['content-encoding', 'br'],
      ['range', 'bytes=0-7'],
      ['if-match', '"a"'],
      ['if-none-match', '"b"'],
      ['if-modified-since', 'Sat, 21 Nov 2026 00:00:00 GMT'],
      ['if-unmodified-since', 'Sat, 21 Nov 2026 00:00:00 GMT'],
      ['if-range', '"caf\u00e9"'],
      ['orthrus-credential', 'AAEC'],
    ] as const
    const request = realm.sign({ method: 'PUT', headers, body: Buffer.from('x') })
    expectProved(await realm.send(request), request)
  })

  it('may carry a ticket under an older kvno of the keytab', async () => {
    const realm = await startRealm()
    const ticket = realm.ticket({ kvno: 2, sealedWith: oldOrdersKey })
    const request = realm.sign({}, { ticket })
    expectProved(await realm.send(request), request)
  })

  it('is logged with client, ticket and the names of its caveats', async () => {
    const realm = await startRealm()
    const ticket = realm.ticket({ caveats: [{ name: 'methods', methods: ['GET'] }] })
    await realm.send(
      realm.sign({ target: '/orders/7?token=x' }, { ticket, caveats: [{ name: 'paths', prefixes: ['/'] }] }),
    )
    expect(realm.log.lines).toEqual([
      {
        level: 'info',
        message: 'a request was accepted',
        fields: {
          kind: 'accepted',
          client: WEB,
          via: undefined,
          ticketId: ticket.ticketId,
          caveats: ['methods', 'paths'],
          method: 'GET',
          path: '/orders/7',
        },
      },
    ])
  })
})

describe('the header Authorization', () => {
  it.each([
    ['missing', []],
    ['of another scheme', [['authorization', 'Basic d2ViOng=']]],
  ] as const)('%s: the challenge alone', async (_, headers) => {
    const realm = await startRealm()
    const response = await realm.send({ method: 'GET', target: '/', headers })
    expect(response.status).toBe(401)
    expect(headerOf(response, 'www-authenticate')).toBe('Orthrus realm="demo.example"')
    expect(headerOf(response, 'connection')).not.toBe('close')
    expect(response.body.toString()).toBe('authentication required\n')
    expect(realm.refused).toEqual([
      { code: undefined, reason: 'the request has no credentials', presenter: undefined },
    ])
    expect(realm.handled).toHaveLength(0)
  })

  it('over 8 KiB is too_large, even if it would be malformed', async () => {
    const realm = await startRealm()
    const headers = [['authorization', `Orthrus ${'!'.repeat(8 * 1024 + 1)}`]] as const
    const response = await realm.send({ method: 'GET', target: '/', headers })
    expect(response.status).toBe(413)
    expect(unprovedCode(response)).toBe('too_large')
  })

  it('of 8 KiB is looked at', async () => {
    const realm = await startRealm()
    const headers = [['authorization', `Orthrus ${'A'.repeat(8 * 1024)}`]] as const
    expect((await realm.send({ method: 'GET', target: '/', headers })).status).not.toBe(413)
  })

  it.each([
    ['twice the same', (value: string) => [value, value]],
    ['with a second of another scheme', (value: string) => [value, 'Basic d2ViOng=']],
    ['behind one of another scheme', (value: string) => ['Basic d2ViOng=', value]],
  ])('%s: malformed', async (_, double) => {
    const realm = await startRealm()
    const request = realm.sign()
    const values = double(headerOf(request, 'authorization') ?? '')
    const headers = values.map(value => ['Authorization', value] as const)
    expectRefused(await realm.send({ ...request, headers }), request, 'malformed', '05')
  })

  it('may have any case, and more spaces', async () => {
    const realm = await startRealm()
    const request = realm.sign()
    const value = headerOf(request, 'authorization')?.replace('Orthrus ', 'ORTHRUS   ') ?? ''
    expectProved(await realm.send({ ...request, headers: [['AUTHORIZATION', value]] }), request)
  })

  it.each([
    ['not base64url', 'Orthrus +/=', 'malformed'],
    ['no message', 'Orthrus AQ', 'malformed'],
    ['of another version', 'Orthrus Agg', 'unsupported_version'],
    ['of another type', 'Orthrus AQk', 'malformed'],
  ] as const)('%s: %s is %s', async (_, value, code) => {
    const realm = await startRealm()
    const response = await realm.send({ method: 'GET', target: '/', headers: [['authorization', value]] })
    expect(unprovedCode(response)).toBe(code)
  })
})

describe('headers that change what a request is', () => {
  it.each([
    'x-http-method-override',
    'X-Method-Override',
    'x-http-method',
    'x-original-url',
    'x-rewrite-url',
  ])('%s is malformed', async name => {
    const realm = await startRealm()
    const request = realm.sign()
    const response = await realm.send({ ...request, headers: [...request.headers, [name, 'DELETE']] })
    expectRefused(response, request, 'malformed', '05')
    expectProved(await realm.send(request), request)
  })
})

const COVERED = [
  'content-type',
  'content-encoding',
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'orthrus-credential',
]

describe.each(COVERED)('the covered header %s', name => {
  it('added, changed or removed: binding_mismatch', async () => {
    const realm = await startRealm()
    const bare = realm.sign()
    const added = await realm.send({ ...bare, headers: [...bare.headers, [name, 'a']] })
    expectRefused(added, bare, 'binding_mismatch', '06')
    const request = realm.sign({ headers: [[name, 'a']] })
    const headers = request.headers.map(([n, v]) => [n, v === 'a' ? 'b' : v] as const)
    expectRefused(await realm.send({ ...request, headers }), request, 'binding_mismatch', '06')
    const whole = realm.sign({ headers: [[name, 'a']] })
    const less = { ...whole, headers: whole.headers.slice(1) }
    expectRefused(await realm.send(less), whole, 'binding_mismatch', '06')
    expect(realm.handled).toHaveLength(0)
  })

  it('twice or empty: malformed, and nothing is recorded', async () => {
    const realm = await startRealm()
    const request = realm.sign({ headers: [[name, 'a']] })
    const double = { ...request, headers: [...request.headers, [name.toUpperCase(), 'a'] as const] }
    expectRefused(await realm.send(double), request, 'malformed', '05')
    const empty = { ...request, headers: [[name, ' '] as const, ...request.headers.slice(1)] }
    expectRefused(await realm.send(empty), request, 'malformed', '05')
    expectProved(await realm.send(request), request)
  })
})

describe('what else is bound', () => {
  it.each([
    ['method', { method: 'DELETE' }],
    ['path', { target: '/orders/8?dry=1' }],
    ['query', { target: '/orders/7?dry=0' }],
    ['a spelling of the path', { target: '/orders/%37?dry=1' }],
    ['a body where there was none', { body: Buffer.from('x') }],
  ])('another %s: binding_mismatch, and the original afterwards is a replay', async (_, change) => {
    const realm = await startRealm()
    const request = realm.sign({ target: '/orders/7?dry=1' })
    const response = await realm.send({ ...request, ...change })
    expectRefused(response, request, 'binding_mismatch', '06')
    expect(headerOf(response, 'connection')).not.toBe('close')
    expectRefused(await realm.send(request), request, 'replay', '06')
    expect(realm.handled).toHaveLength(0)
    expect(refusalLine(realm)).toMatchObject({
      code: 'replay',
      presenter: WEB,
      method: 'GET',
      path: '/orders/7',
    })
  })
})

describe('tickets', () => {
  it.each([
    ['for another service', { service: BILLING, kvno: 1, sealedWith: billingKey }],
    ['with the service renamed in the clear', { service: BILLING, kvno: 1 }],
    ['for another service under this key and name', { sealedWith: billingKey }],
    ['under a kvno that is retired', { kvno: 1 }],
    ['under a kvno to come', { kvno: 4 }],
    ['under the key of another kvno', { kvno: 2 }],
    ['under a key of nobody', { sealedWith: new LongTermKey(systemRandom(32)) }],
    ['that is a TGT', { service: 'krbtgt@demo.example' as typeof BILLING }],
  ])('%s: ticket_invalid, unproved', async (_, options) => {
    const realm = await startRealm()
    const request = realm.sign({}, { ticket: realm.ticket(options) })
    expectRefused(await realm.send(request), request, 'ticket_invalid', '05')
    expect(refusalLine(realm)).toMatchObject({ code: 'ticket_invalid', presenter: undefined })
  })

  it.each([
    ['at its end', 0, 'ticket_expired'],
    ['just before its end', 1, undefined],
    ['ended 5 s ago', -5_000, 'ticket_expired'],
  ])('%s', async (_, left, code) => {
    const realm = await startRealm()
    const ticket = realm.ticket({ endTime: realm.clock.now() + left })
    const request = realm.sign({}, { ticket })
    const response = await realm.send(request)
    if (code === undefined) expectProved(response, request)
    else expectRefused(response, request, 'ticket_expired', '06')
  })

  it.each([
    [MINUTE, undefined],
    [MINUTE + 1, 'ticket_not_yet_valid'],
  ])('begins in %d ms: %s', async (ahead, code) => {
    const realm = await startRealm()
    const ticket = realm.ticket({ startTime: realm.clock.now() + ahead, endTime: realm.clock.now() + HOUR })
    const request = realm.sign({}, { ticket })
    const response = await realm.send(request)
    if (code === undefined) expectProved(response, request)
    else expectRefused(response, request, 'ticket_not_yet_valid', '06')
  })

  it('with a MAC of somebody else: auth_failed, unproved', async () => {
    const realm = await startRealm()
    const other = realm.sign()
    const request = realm.sign({}, { key: other.key })
    expectRefused(await realm.send(request), request, 'auth_failed', '05')
  })

  it('an AP-OPEN is not accepted as an AP-REQ', async () => {
    const realm = await startRealm()
    const request = realm.sign({}, { type: TYPE.AP_OPEN })
    expectRefused(await realm.send(request), request, 'malformed', '05')
  })
})

describe('freshness and replay', () => {
  it('the same request twice: replay', async () => {
    const realm = await startRealm()
    const request = realm.sign()
    expectProved(await realm.send(request), request)
    expectRefused(await realm.send(request), request, 'replay', '06')
    expect(realm.handled).toHaveLength(1)
  })

  it('100 copies at once: one is handled', async () => {
    const realm = await startRealm()
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay') })
    const responses = await Promise.all(Array.from({ length: 100 }, () => realm.send(request)))
    expect(realm.handled).toHaveLength(1)
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const response of responses.filter(({ status }) => status !== 200)) {
      expectRefused(response, request, 'replay', '06')
    }
  })

  it.each([
    [-60_000, 'clock_skew'],
    [-59_999, undefined],
    [5_000, undefined],
    [5_001, 'clock_skew'],
  ])('stamped %d ms from now: %s', async (offset, code) => {
    const realm = await startRealm()
    realm.clock.advance(2 * MINUTE)
    const now = realm.clock.now()
    const request = realm.sign({}, { time: now + offset })
    const response = await realm.send(request)
    if (code === undefined) return expectProved(response, request)
    const error = expectRefused(response, request, 'clock_skew', '06')
    expect(error).toMatchObject({ time: now, floor: now - MINUTE })
  })

  it('a request stamped before the start: clock_skew, with the floor', async () => {
    const realm = await startRealm()
    const request = realm.sign({}, { time: realm.clock.now() - 1_000 })
    const error = expectRefused(await realm.send(request), request, 'clock_skew', '06')
    expect(error.floor).toBe(realm.clock.now() - 1_000)
  })

  it('a clock that went back far: unavailable, and an error in the log', async () => {
    const realm = await startRealm()
    await realm.get()
    realm.clock.step(-HOUR)
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'unavailable', '06')
    expect(realm.log.lines.some(({ level, fields }) => level === 'error' && 'floor' in fields)).toBe(true)
  })

  it('a replay cache may answer later', async () => {
    const load = {
      replayCache: {
        admit: async () => ({ now: START + 7_000, floor: 0, refusal: 'rate_limited' as const }),
      },
    }
    const realm = await startRealm({ load })
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'rate_limited', '06')
  })

  it('a replay cache that fails: unavailable, and nothing is handled', async () => {
    const load = { replayCache: { admit: () => Promise.reject(new Error('ECONNREFUSED')) } }
    const realm = await startRealm({ load })
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'unavailable', '05')
    expect(realm.handled).toHaveLength(0)
    expect(realm.log.lines.some(({ level }) => level === 'error')).toBe(true)
  })

  it('a client that fills its share: rate_limited, and others are served', async () => {
    const testClock = new TestClock()
    const replayCache = new BoundedReplayCache({ clock: testClock, maxBytes: 512 * 1024 })
    const realm = await startRealm({ testClock, load: { replayCache } })
    const time = testClock.now()
    const fill = () => replayCache.admit({ id: randomBytes(16), time, presenter: WEB, endTime: time + HOUR })
    while (fill().refusal === undefined);
    const request = realm.sign()
    expectRefused(await realm.send(request), request, 'rate_limited', '06')
    const other = realm.sign({}, { ticket: realm.ticket({ client: BILLING }) })
    expectProved(await realm.send(other), other)
  })
})

describe('caveats', () => {
  it.each([
    ['methods', { name: 'methods', methods: ['POST'] }],
    ['paths', { name: 'paths', prefixes: ['/order'] }],
    ['expires', { name: 'expires', time: START + 7_000 }],
    ['services', { name: 'services', services: [BILLING] }],
    ['holder', { name: 'holder', holder: WEB }],
    ['app', { name: 'app', app: 'tenant', value: 'a' }],
  ] as const)('%s in the ticket or presented: caveat_failed', async (name, caveat) => {
    const realm = await startRealm()
    const inTicket = realm.sign({}, { ticket: realm.ticket({ caveats: [caveat] }) })
    expect(expectRefused(await realm.send(inTicket), inTicket, 'caveat_failed', '06').message).toBe('')
    const presented = realm.sign({}, { caveats: [caveat] })
    const error = expectRefused(await realm.send(presented), presented, 'caveat_failed', '06')
    expect(error.message).toBe(`caveat ${name}`)
    expectRefused(await realm.send(presented), presented, 'replay', '06')
  })

  it('that hold let the request through', async () => {
    const realm = await startRealm()
    const request = realm.sign(
      {},
      {
        caveats: [
          { name: 'methods', methods: ['GET', 'HEAD'] },
          { name: 'paths', prefixes: ['/orders/'] },
          { name: 'expires', time: realm.clock.now() + 1 },
        ],
      },
    )
    expectProved(await realm.send(request), request)
  })

  it('app: the checker sees the value and the request', async () => {
    const realm = await startRealm({
      caveats: { tenant: (value, req) => req.url?.startsWith(`/${value}/`) === true },
    })
    const caveats = [{ name: 'app', app: 'tenant', value: 'a' }] as const
    const good = realm.sign({ target: '/a/1' }, { caveats })
    expectProved(await realm.send(good), good)
    const bad = realm.sign({ target: '/b/1' }, { caveats })
    expectRefused(await realm.send(bad), bad, 'caveat_failed', '06')
  })

  it.each([
    ['throws', () => JSON.parse('{')],
    ['gives a promise', () => Promise.resolve(true)],
    ['gives something that counts as true', () => 1],
  ])('app: a checker that %s refuses', async (_, tenant) => {
    const realm = await startRealm({ caveats: { tenant: tenant as () => boolean } })
    const request = realm.sign({}, { caveats: [{ name: 'app', app: 'tenant', value: null }] })
    expectRefused(await realm.send(request), request, 'caveat_failed', '06')
  })

  it.each(['__proto__', 'constructor', 'toString'])('app %s has no checker by accident', async app => {
    const realm = await startRealm({ caveats: { tenant: () => true } })
    const request = realm.sign({}, { caveats: [{ name: 'app', app, value: 1 }] })
    expectRefused(await realm.send(request), request, 'caveat_failed', '06')
  })
})

type Fault =
  | 'override'
  | 'otherService'
  | 'wrongMac'
  | 'early'
  | 'longExpired'
  | 'expired'
  | 'caveat'
  | 'largeBody'
  | 'otherTarget'
  | 'role'

describe('which refusal comes first', () => {
  const cases = [
    ['malformed, ticket_invalid', 'malformed', '05', { override: true, otherService: true }],
    ['ticket_invalid, auth_failed', 'ticket_invalid', '05', { otherService: true, wrongMac: true }],
    ['auth_failed, clock_skew', 'auth_failed', '05', { wrongMac: true, early: true }],
    ['ticket_expired long ago, clock_skew', 'ticket_expired', '06', { longExpired: true, early: true }],
    ['clock_skew, ticket_expired', 'clock_skew', '06', { expired: true, early: true }],
    ['ticket_expired, caveat_failed', 'ticket_expired', '06', { expired: true, caveat: true }],
    ['caveat_failed, too_large', 'caveat_failed', '06', { caveat: true, largeBody: true }],
    ['too_large, binding_mismatch', 'too_large', '06', { largeBody: true, otherTarget: true }],
    ['binding_mismatch, not_authorized', 'binding_mismatch', '06', { otherTarget: true, role: true }],
    ['not_authorized', 'not_authorized', '06', { role: true }],
  ] as const

  it.each(cases)('of %s: %s', async (_, code, type, faults: Partial<Record<Fault, boolean>>) => {
    const realm = await startRealm({ maxBody: 10, claims: { role: faults.role ? 'writer' : 'reader' } })
    const now = realm.clock.now()
    const ticket = realm.ticket({
      ...(faults.otherService ? { service: BILLING } : {}),
      ...(faults.expired ? { endTime: now } : {}),
      ...(faults.longExpired ? { endTime: now - 5_000 } : {}),
    })
    const request = realm.sign(faults.largeBody ? { method: 'POST', body: Buffer.alloc(11) } : {}, {
      ticket,
      time: faults.early ? now + 5_001 : now,
      caveats: faults.caveat ? [{ name: 'methods', methods: [] }] : [],
      ...(faults.wrongMac ? { key: realm.sign().key } : {}),
    })
    const extra = faults.override ? [['x-rewrite-url', '/'] as const] : []
    const sent = {
      ...request,
      target: faults.otherTarget ? '/orders/8' : request.target,
      headers: [...request.headers, ...extra],
    }
    expectRefused(await realm.send(sent), request, code, type)
    expect(realm.handled).toHaveLength(0)
  })

  it('replay before what a ticket or caveat says', async () => {
    const realm = await startRealm()
    const ticket = realm.ticket({ endTime: realm.clock.now() + 1_000 })
    const request = realm.sign({}, { ticket, caveats: [{ name: 'methods', methods: [] }] })
    expectRefused(await realm.send(request), request, 'caveat_failed', '06')
    realm.clock.advance(1_500)
    expectRefused(await realm.send(request), request, 'replay', '06')
  })
})

describe('a refusal', () => {
  it('answers a HEAD without a body', async () => {
    const realm = await startRealm()
    const request = realm.sign({ method: 'HEAD' }, { caveats: [{ name: 'methods', methods: [] }] })
    const response = await realm.send(request)
    expect(response.status).toBe(403)
    expect(response.body).toHaveLength(0)
  })

  it('keeps the connection where there was no body', async () => {
    const realm = await startRealm()
    const connection = realm.connect()
    const refused = realm.sign({}, { caveats: [{ name: 'methods', methods: [] }] })
    expectRefused(
      await connection.write(formatRequest(refused), 'GET').response(),
      refused,
      'caveat_failed',
      '06',
    )
    const request = realm.sign()
    expectProved(await connection.write(formatRequest(request), 'GET').response(), request)
  })

  it('calls onRefused, whose own failure changes nothing', async () => {
    const realm = await startRealm({
      onRefused: () => {
        throw new Error('the hook')
      },
    })
    const request = realm.sign({}, { caveats: [{ name: 'methods', methods: [] }] })
    expectRefused(await realm.send(request), request, 'caveat_failed', '06')
    expect(realm.log.lines.at(-1)).toMatchObject({ level: 'error', fields: { hook: 'onRefused' } })
  })

  it('that cannot be logged costs only the connection', async () => {
    const logger = new TestLogger()
    const { info } = logger
    logger.info = () => {
      logger.info = info
      throw new Error('the disk is full')
    }
    const realm = await startRealm({ load: { logger } })
    const request = realm.sign({}, { caveats: [{ name: 'methods', methods: [] }] })
    await realm.connect().write(formatRequest(request), 'GET').closed()
    const next = realm.sign()
    expectProved(await realm.send(next), next)
  })

  it('is certain for an AP-REQ with bits flipped', async () => {
    const realm = await startRealm()
    const ticket = realm.ticket({ flags: FLAG.PASSWORD })
    const message = headerOf(realm.sign({}, { ticket }), 'authorization')?.slice('Orthrus '.length) ?? ''
    const bytes = Buffer.from(message, 'base64url')
    const connection = realm.connect()
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
      const headers = [['authorization', formatMessageHeader(changed)]] as const
      const sent = formatRequest({ method: 'GET', target: '/orders/7', headers })
      expect((await connection.write(sent, 'GET').response()).status).toBeGreaterThanOrEqual(400)
    }
    expect(realm.handled).toHaveLength(0)
  })
})
