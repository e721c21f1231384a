import { describe, expect, it } from 'vitest'
import { authoriseRequest, type Gate } from '../../../service/request/authorise.js'
import type { BodyLimits, RequestMessage } from '../../../service/request/message.js'
import { challengeRequest, refuseRequest } from '../../../service/request/refuse.js'
import { createRequirement } from '../../../service/request/requirements.js'
import { partsOf } from '../../../service/request/service.js'
import { proveResponse } from '../../../service/response/prove.js'
import { openError } from '../../../shared/encoding/error.js'
import { openApReply } from '../../../shared/exchange/ap.js'
import { responseBinding } from '../../../shared/http/binding.js'
import { parseMessageHeader } from '../../../shared/http/headers.js'
import { challengeIn } from '../../support/challenge.js'
import { loadService } from '../../support/load-service.js'
import { keytab, ORDERS, type SignedRequest, TestRealm, WEB } from '../realm.js'

/** The gate without a server: values in, a verified request and the proof of its response out. */

async function gate(claims = {}): Promise<{ realm: TestRealm; gate: Gate }> {
  const realm = new TestRealm()
  const { clock, log: logger } = realm
  const service = partsOf(await loadService({ keytab, service: 'orders', clock, logger, timers: clock }))
  clock.advance(7_000)
  return {
    realm,
    gate: { service, requireCovered: [], requirement: createRequirement({ claims }, ORDERS), maxBody: 1000 },
  }
}

/** As an adapter would make it, with a body that records what was asked of it. */
function messageOf(request: SignedRequest, body?: Uint8Array, asked: unknown[] = []): RequestMessage {
  const read = async (limits: BodyLimits): Promise<Uint8Array> => {
    asked.push(limits)
    return body as Uint8Array
  }
  const { method, target, headers } = request
  return { method, target, headers, body: body && { requireReadable: () => void asked.push('ready'), read } }
}

const NONE = new Map()
const BODY = new TextEncoder().encode('pay 1')

async function refusalOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => expect.unreachable('it was let through'),
    cause => cause,
  )
}

describe('a request as values', () => {
  it('is authorised, with its body read once and after step 8, and its response proved', async () => {
    const { realm, gate: at } = await gate({ role: 'reader' })
    const request = realm.sign({ method: 'POST', target: '/orders?x=1', body: BODY })
    const asked: unknown[] = []
    const message = messageOf(request, BODY, asked)
    const authorised = await authoriseRequest(at, message, NONE)
    expect(authorised?.ticket).toMatchObject({ client: WEB, service: ORDERS, claims: { role: 'reader' } })
    expect(asked).toEqual(['ready', { maxBody: 1000, timeout: 60_000 }])
    const { verified } = authorised ?? expect.unreachable()
    const headers = [['Content-Type', 'text/plain']] as const
    const response = { status: 201, headers, body: BODY }
    const [name, value] = proveResponse(response, { method: 'POST', verified, time: realm.clock.now() })
    expect(name).toBe('authentication-info')
    const proof = openApReply(request.key, request.mac, parseMessageHeader(value) ?? new Uint8Array())
    expect(proof.binding).toEqual(responseBinding(201, headers, BODY))
    const refusal = await refusalOf(authoriseRequest(at, message, NONE))
    expect(refuseRequest(at.service, message, refusal).refused).toMatchObject({ code: 'replay' })
    expect(asked).toEqual(['ready', { maxBody: 1000, timeout: 60_000 }, 'ready'])
  })

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('has a proof for %s with status %d that covers no body, whatever is given', async (method, status) => {
    const { realm, gate: at } = await gate()
    const request = realm.sign({ method })
    const { verified } = (await authoriseRequest(at, messageOf(request), NONE)) ?? expect.unreachable()
    const [, value] = proveResponse({ status, headers: [], body: BODY }, { method, verified, time: 5 })
    const proof = openApReply(request.key, request.mac, parseMessageHeader(value) ?? new Uint8Array())
    expect(proof).toEqual({ time: 5, binding: responseBinding(status, [], new Uint8Array()) })
  })

  it('has no proof for a response with a covered header twice', async () => {
    const { realm, gate: at } = await gate()
    const { verified } = (await authoriseRequest(at, messageOf(realm.sign()), NONE)) ?? expect.unreachable()
    const headers = [
      ['content-type', 'a/b'],
      ['Content-Type', 'c/d'],
    ] as const
    expect(() =>
      proveResponse({ status: 200, headers, body: BODY }, { method: 'GET', verified, time: 5 }),
    ).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it.each<[string, Partial<RequestMessage>, Uint8Array?]>([
    ['another body', {}, new TextEncoder().encode('pay 9')],
    ['another target', { target: '/orders?x=2' }],
    ['another method', { method: 'PUT' }],
    ['a covered header more', { headers: [['range', 'bytes=0-']] }],
  ])('with %s is refused with a proved answer', async (_, change, body = BODY) => {
    const { realm, gate: at } = await gate()
    const request = realm.sign({ method: 'POST', target: '/orders?x=1', body: BODY })
    const whole = messageOf(request, body)
    const message = { ...whole, ...change, headers: [...whole.headers, ...(change.headers ?? [])] }
    const refusal = await refusalOf(authoriseRequest(at, message, NONE))
    const { refused, response } = refuseRequest(at.service, message, refusal)
    expect(refused).toMatchObject({ code: 'binding_mismatch', presenter: WEB })
    expect(response.status).toBe(401)
    const challenge = challengeIn(new Map(response.headers).get('www-authenticate'))
    const error = openError(challenge?.error ?? new Uint8Array(), request.key, request.mac)
    expect(error).toMatchObject({ code: 'binding_mismatch', authenticated: true })
  })

  it('without credentials is challenged, and its body is not read', async () => {
    const { realm, gate: at } = await gate()
    const asked: unknown[] = []
    const message = { ...messageOf(realm.sign(), BODY, asked), headers: [] }
    expect(await authoriseRequest(at, message, NONE)).toBeUndefined()
    const { refused, response } = challengeRequest(at.service, message)
    expect([refused.code, response.status, asked]).toEqual([undefined, 401, []])
    expect(new Map(response.headers).get('www-authenticate')).toBe('Orthrus realm="demo.example"')
  })

  it('that the service fails to check is unavailable, unproved, and logged once', async () => {
    const { realm, gate: at } = await gate()
    const request = realm.sign({ method: 'POST', body: BODY })
    const fault = new TypeError('somebody read the body')
    const body = { requireReadable: () => { throw fault }, read: async () => BODY } // biome-ignore format: short
    const message = { ...messageOf(request), body }
    const cause = await refusalOf(authoriseRequest(at, message, NONE))
    expect(refuseRequest(at.service, message, cause)).toMatchObject({
      refused: { code: 'unavailable', presenter: undefined },
      response: { status: 503 },
    })
    expect(realm.log.lines.map(({ level, fields }) => [level, fields.kind, fields.err])).toEqual([
      ['error', 'unchecked', fault],
    ])
  })
})
