import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  createVerifier,
  type GivenBody,
  type IncomingRequest,
  RequestAborted,
  RequestRefused,
  type VerifierOptions,
} from '../../../service/index.js'
import { createService, partsOf } from '../../../service/request/service.js'
import { openError } from '../../../shared/encoding/error.js'
import type { WireCode } from '../../../shared/errors.js'
import { openApReply } from '../../../shared/exchange/ap.js'
import { responseBinding } from '../../../shared/http/binding.js'
import { parseMessageHeader } from '../../../shared/http/headers.js'
import { challengeIn } from '../../support/challenge.js'
import { TestClock } from '../../support/clock.js'
import { loadService } from '../../support/load-service.js'
import { turns } from '../../support/turns.js'
import { FeedSetting } from '../feed/setting.js'
import { keytab, type SignedRequest, TestRealm, WEB } from '../realm.js'

/** Verifying alone, for whoever builds an adapter: values in, a ticket and a proof out. */

async function start(options: Partial<VerifierOptions> = {}, feed?: FeedSetting) {
  const realm = new TestRealm(feed?.clock ?? new TestClock())
  const { clock, log: logger } = realm
  let service = await loadService({ keytab, service: 'orders', clock, logger, timers: clock })
  if (feed !== undefined) service = createService({ ...partsOf(service), revocation: feed.feed })
  await clock.elapse(7_000)
  return { realm, verify: createVerifier({ service, ...options }) }
}

async function* pieces(...all: unknown[]): AsyncGenerator<Uint8Array> {
  for (const piece of all) yield piece as Uint8Array
}

const BODY = Buffer.from('pay 1')
const post = (realm: TestRealm) => realm.sign({ method: 'POST', target: '/orders?x=1', body: BODY })
const incoming = ({ body: _, ...head }: SignedRequest, body?: GivenBody): IncomingRequest => ({
  ...head,
  body,
})

async function refusalOf(verifying: Promise<unknown>): Promise<RequestRefused> {
  const cause = await verifying.then(
    () => expect.unreachable('it was let through'),
    (error: unknown) => error,
  )
  if (!(cause instanceof RequestRefused)) throw cause
  return cause
}

function expectProvedRefusal({ headers }: RequestRefused, request: SignedRequest, code: WireCode): void {
  const { error } = challengeIn(headers['www-authenticate']) ?? {}
  expect(openError(error ?? Buffer.alloc(0), request.key, request.mac)).toMatchObject({
    code,
    authenticated: true,
  })
}

describe('verify', () => {
  it.each<[string, () => GivenBody]>([
    ['bytes', () => BODY],
    ['pieces', () => pieces(BODY.subarray(0, 2), BODY.subarray(2))],
  ])('lets a request pass once, with a body given as %s, and proves its response', async (_, body) => {
    const { realm, verify } = await start({ coverResponseHeaders: ['etag'] })
    const request = post(realm)
    const exchange = await verify(incoming(request, body()))
    expect(exchange.ticket.client).toBe(WEB)
    expect(BODY.equals(exchange.body)).toBe(true)
    const given = [
      ['Content-Type', 'a/b'],
      ['ETag', '"1"'],
      ['Authentication-Info', 'Orthrus AQk'],
      ['orthrus-covered', 'x-other'],
    ] as const
    const headers = exchange.prove({ status: 201, headers: given, body: BODY })
    expect(headers.map(([name]) => name)).toEqual([
      'Content-Type',
      'ETag',
      'orthrus-covered',
      'authentication-info',
    ])
    const proof = parseMessageHeader(headers.at(-1)?.[1]) ?? Buffer.alloc(0)
    expect(openApReply(request.key, request.mac, proof).binding).toEqual(
      responseBinding(201, headers.slice(0, 3), BODY),
    )
    expect(() => exchange.prove({ status: 500, headers: [], body: BODY })).toThrow('proved before')
    expect((await refusalOf(verify(incoming(request, body())))).code).toBe('replay')
  })

  it('throws what an application can answer with, which says no more than the client may know', async () => {
    const { realm, verify } = await start({ claims: { role: 'writer' } })
    const request = post(realm)
    const refused = await refusalOf(verify(incoming(request, BODY)))
    expect(refused).toMatchObject({ code: 'not_authorized', status: 403, statusCode: 403, expose: true })
    expect(refused).toMatchObject({ presenter: WEB, reason: 'the claim "role" is missing' })
    expect(refused.headers).toEqual({
      'www-authenticate': expect.stringMatching(
        /^Orthrus realm="demo.example", error="not_authorized", message="/,
      ),
      'cache-control': 'no-store',
    })
    expect(Buffer.from(refused.body).toString()).toBe('not_authorized\n')
    for (const shown of [
      refused.message,
      String(refused),
      refused.stack,
      JSON.stringify(refused),
      inspect(refused),
    ])
      expect(shown).not.toMatch(/role|web\/1/)
    expectProvedRefusal(refused, request, 'not_authorized')
  })

  it('challenges a request without credentials', async () => {
    const { realm, verify } = await start()
    const refused = await refusalOf(verify({ method: 'GET', target: '/', headers: [] }))
    expect([refused.code, refused.status, refused.message]).toEqual([
      undefined,
      401,
      'authentication required',
    ])
    expect(refused.headers['www-authenticate']).toBe('Orthrus realm="demo.example"')
    expect(realm.log.lines.map(({ fields }) => fields.kind)).toEqual(['challenged'])
  })

  it.each<[string, (request: SignedRequest) => IncomingRequest]>([
    ['another body', request => incoming(request, pieces(Buffer.from('pay 9')))],
    ['no body', request => incoming(request)],
    ['another target', request => ({ ...incoming(request, BODY), target: '/orders?x=2' })],
    ['another method', request => ({ ...incoming(request, BODY), method: 'PUT' })],
    [
      'a covered header more',
      r => ({ ...incoming(r, BODY), headers: [...r.headers, ['range', 'bytes=0-']] }),
    ],
  ])('refuses %s', async (_, change) => {
    const { realm, verify } = await start()
    const request = post(realm)
    const refused = await refusalOf(verify(change(request)))
    expectProvedRefusal(refused, request, 'binding_mismatch')
  })

  it('refuses a body over the limit, whether it came whole or comes without end', async () => {
    const { realm, verify } = await start({ maxBody: 4 })
    const ends: string[] = []
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.from('pay')
      } finally {
        ends.push('closed')
      }
    }
    for (const body of [BODY, endless()]) {
      const request = post(realm)
      expectProvedRefusal(await refusalOf(verify(incoming(request, body))), request, 'too_large')
    }
    // A stream would end its connection with it, before anybody can answer.
    expect(ends).toEqual([])
  })

  it('reads no body of a request that is refused before', async () => {
    const { realm, verify } = await start()
    const body = { [Symbol.asyncIterator]: () => expect.unreachable('it was read') }
    const request = realm.sign({ body: BODY }, { caveats: [{ name: 'methods', methods: [] }] })
    expect((await refusalOf(verify(incoming(request, body)))).code).toBe('caveat_failed')
  })

  it('gives up a body that does not come within 60 s', async () => {
    const { realm, verify } = await start()
    async function* hanging(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('pay')
      await new Promise(() => {})
    }
    const refusing = refusalOf(verify(incoming(post(realm), hanging())))
    await realm.clock.elapse(59_999)
    expect(realm.clock.timers.all).toBe(1)
    await realm.clock.elapse(1)
    expect(await refusing).toMatchObject({
      code: 'binding_mismatch',
      reason: 'the body did not arrive in time',
    })
  })

  it('says that the client went away where the body breaks off', async () => {
    const { realm, verify } = await start()
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('pay')
      throw new Error('reset')
    }
    await expect(verify(incoming(post(realm), broken()))).rejects.toThrow(RequestAborted)
    expect(realm.log.lines.map(({ fields }) => fields.kind)).toEqual(['aborted'])
    expect(realm.clock.timers.all).toBe(0)
  })

  it.each([
    ['flat headers', { headers: ['authorization', 'x'] }],
    ['no target', { target: undefined }],
    ['a body that is text', { body: 'pay 1' }],
  ])('throws a TypeError for %s', async (_, wrong) => {
    const { realm, verify } = await start()
    await expect(verify({ ...incoming(post(realm)), ...wrong } as never)).rejects.toThrow(TypeError)
  })

  it('answers a body of pieces that are no bytes with a fault of its own', async () => {
    const { realm, verify } = await start()
    const request = post(realm)
    expect((await refusalOf(verify(incoming(request, pieces('pay 1'))))).code).toBe('unavailable')
    expect(realm.log.lines.at(-1)?.fields).toMatchObject({ kind: 'unchecked', err: expect.any(TypeError) })
  })
})

describe('prove', () => {
  it.each([
    ['a covered header twice', 200, [['content-type', 'a/b'] as const, ['content-type', 'c/d'] as const]],
    ['a status that is none', 700, []],
    ['a wrong length', 200, [['content-length', '4'] as const]],
  ])('throws a TypeError for %s, and proves what is answered instead', async (_, status, headers) => {
    const { realm, verify } = await start()
    const exchange = await verify(incoming(post(realm), BODY))
    expect(() => exchange.prove({ status, headers, body: BODY })).toThrow(TypeError)
    expect(exchange.prove({ status: 500, headers: [], body: BODY })).toHaveLength(1)
  })

  it.each([
    ['GET', 'revoked'],
    ['POST', 'unavailable'],
  ] as const)('throws the refusal of a %s whose ticket was revoked meanwhile: %s', async (method, code) => {
    const setting = new FeedSetting()
    const { realm, verify } = await start({}, setting)
    const ticket = realm.ticket()
    const request = realm.sign({ method }, { ticket })
    const exchange = await verify(incoming(request))
    const by = Buffer.from(ticket.ticketId, 'hex')
    setting.kdc.revoke({ kind: 'ticket', by: new Uint8Array(by) })
    await turns()
    expect(exchange.ticket.signal.reason).toMatchObject({ code: 'revoked' })
    const refused = await refusalOf((async () => exchange.prove({ status: 200, headers: [], body: BODY }))())
    expectProvedRefusal(refused, request, code)
  })

  it.each(['prove', 'end'] as const)('and %s: nothing is watched any longer', async how => {
    const setting = new FeedSetting()
    const { realm, verify } = await start({}, setting)
    const ticket = realm.ticket()
    const exchange = await verify(incoming(realm.sign({}, { ticket })))
    if (how === 'prove') exchange.prove({ status: 200, headers: [], body: BODY })
    else exchange.end()
    setting.kdc.revoke({ kind: 'ticket', by: new Uint8Array(Buffer.from(ticket.ticketId, 'hex')) })
    await turns()
    expect(exchange.ticket.signal.aborted).toBe(false)
  })
})
