import { describe, expect, it } from 'vitest'
import { requireTicket } from '../../../service/fetch-handler.js'
import { openError } from '../../../shared/encoding/error.js'
import { challengeIn } from '../../support/challenge.js'
import type { RawResponse } from '../connection.js'
import { expectProved, expectRefused, headerOf, type SignedRequest, WEB } from '../realm.js'
import { BODY, endless, received, requestOf, start, streamOf } from './setting.js'

/** Refusals that the application answers with a `Response`: the protocol's headers are there whatever it is. */

type OnRefused = NonNullable<Parameters<typeof requireTicket>[0]['onRefused']>

/** A client that lacks the claim, so that its request is refused once it was verified. */
async function refusedBy(onRefused: OnRefused, method = 'POST', maxResponse = 100) {
  const setting = await start({ claims: { role: 'writer' }, onRefused, maxResponse })
  const request = setting.realm.sign({ method, ...(method === 'POST' && { body: BODY }) })
  const response = await received(await setting.guarded(requestOf(request)))
  expect(setting.seen).toEqual([])
  return { ...setting, request, response }
}

/** The client finds the proved ERROR, and nothing beside it looks like a proof. */
function expectTold(response: RawResponse, request: SignedRequest): void {
  const challenge = challengeIn(headerOf(response, 'www-authenticate'))
  const error = openError(challenge?.error ?? new Uint8Array(), request.key, request.mac)
  expect(error).toMatchObject({ code: 'not_authorized', authenticated: true })
  expect(headerOf(response, 'authentication-info')).toBeUndefined()
  expect(headerOf(response, 'cache-control')).toBe('no-store')
}

describe('onRefused', () => {
  it('may answer, at once or later', async () => {
    for (const later of [false, true]) {
      const asked: unknown[] = []
      const { request, response } = await refusedBy(({ code, reason, presenter }, { method, url }) => {
        asked.push([reason, presenter, method, url])
        const answer = Response.json({ error: code }, { status: 403, headers: { 'x-own': 'y' } })
        return later ? Promise.resolve(answer) : answer
      })
      expect([response.status, response.body.toString()]).toEqual([403, '{"error":"not_authorized"}'])
      expect([headerOf(response, 'content-type'), headerOf(response, 'x-own')]).toEqual([
        'application/json',
        'y',
      ])
      expectTold(response, request)
      const reason = 'the claim "role" is missing'
      expect(asked).toEqual([[reason, WEB, 'POST', 'http://localhost/orders/7']])
    }
  })

  it('cannot take away what the protocol says, nor say other than it does', async () => {
    const headers = {
      'authentication-info': 'Orthrus AQk',
      'orthrus-covered': 'x-own',
      'cache-control': 'max-age=600',
      'content-length': '3',
      'transfer-encoding': 'chunked',
      trailer: 'x',
    }
    const { request, response } = await refusedBy(() => new Response('no', { headers, status: 418 }))
    expectTold(response, request)
    const names = response.headers.map(([name]) => name)
    expect([headerOf(response, 'content-length'), names.filter(name => name in headers)]).toEqual([
      '2',
      ['cache-control', 'content-length'],
    ])
  })

  it('keeps challenges of other schemes behind its own, and cookies apart', async () => {
    const { response } = await refusedBy(() => {
      const headers = new Headers({ 'www-authenticate': 'Basic realm="x"' })
      headers.append('set-cookie', 'a=1')
      headers.append('set-cookie', 'b=2')
      return new Response('log in', { status: 401, headers })
    })
    expect(headerOf(response, 'www-authenticate')).toMatch(/^Orthrus realm=.*, Basic realm="x"$/)
    expect(response.headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value)).toEqual([
      'a=1',
      'b=2',
    ])
  })

  it.each([
    [200, 403],
    [204, 403],
    [303, 303],
    [304, 304],
    [404, 404],
    [500, 500],
  ])('with the status %d is answered with %d', async (written, status) => {
    const { request, response } = await refusedBy(() => new Response(null, { status: written }))
    expect(response.status).toBe(status)
    expectTold(response, request)
  })

  it('has no body for HEAD', async () => {
    const { request, response } = await refusedBy(() => new Response('no', { status: 403 }), 'HEAD')
    expect([response.status, response.body.length]).toEqual([403, 0])
    expectTold(response, request)
  })

  it.each<[string, OnRefused]>([
    ['nothing', () => undefined],
    ['nothing, later', async () => {}],
    ['something else', () => 'no'],
    ['an error, later', () => Promise.reject(new Error('no template'))],
    ['more than a response may have', () => new Response('x'.repeat(101))],
    ['what was read before', async () => { const response = new Response('x'); await response.text(); return response }], // biome-ignore format: short
  ])('that gives %s leaves the refusal as it is', async (_, onRefused) => {
    const { request, response } = await refusedBy(onRefused)
    expectRefused(response, request, 'not_authorized', '06')
  })

  it('that fails, or answers with too much, is told to the owner, and its stream is cancelled', async () => {
    const { stream, told } = streamOf(endless(60))
    const { realm } = await refusedBy(() => new Response(stream))
    expect(told).toEqual({ pulled: 2, cancelled: true })
    expect(realm.log.lines.at(-1)).toMatchObject({ level: 'error', fields: { hook: 'onRefused' } })
    expect(String(realm.log.lines.at(-1)?.fields.err)).toMatch(/more than maxResponse, 100 bytes/)
  })

  it('of a gate within a gate answers in place of what is made of its answer', async () => {
    const { realm, service } = await start()
    const onRefused = (): Response => new Response('not you', { status: 403 })
    const within = requireTicket({ service, claims: { role: 'writer' }, onRefused }, () => new Response('x'))
    const guarded = requireTicket({ service }, async request => {
      await within(request)
      return new Response('all is well')
    })
    const signed = realm.sign()
    const response = await received(await guarded(requestOf(signed)))
    expect([response.status, response.body.toString()]).toEqual([403, 'not you'])
    expectTold(response, signed)
  })

  it('answers a request without credentials too', async () => {
    const { realm, guarded } = await start({
      onRefused: ({ code }) => new Response(`no ticket: ${code}`, { status: 401 }),
    })
    const response = await received(await guarded(requestOf({ ...realm.sign(), headers: [] })))
    expect([response.status, response.body.toString()]).toEqual([401, 'no ticket: undefined'])
    expect(headerOf(response, 'www-authenticate')).toBe('Orthrus realm="demo.example"')
    const signed = realm.sign()
    expectProved(await received(await guarded(requestOf(signed))), signed)
  })
})
