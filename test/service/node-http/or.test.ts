import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { type Middleware, requireTicket, ticketIfAny, ticketOf } from '../../../service/index.js'
import type { RawRequest } from '../connection.js'
import {
  BILLING,
  billingKey,
  expectProved,
  expectRefused,
  headerOf,
  type RunningRealm,
  type SignedRequest,
  startRealm,
  WEB,
} from '../realm.js'

/** A ticket or something else on one route: whoever presents a ticket never falls through to the other. */

const KEY = ['x-api-key', 'right'] as const

async function start(options = {}) {
  const asked: string[] = []
  const byKey: Middleware<IncomingMessage, ServerResponse> = (req, res, next) => {
    asked.push(req.url ?? '')
    if (req.headers['x-api-key'] === KEY[1]) next()
    else
      res
        .writeHead(401, { 'www-authenticate': 'Basic realm="x"', 'content-length': 17 })
        .end('a key or a ticket')
  }
  const realm = await startRealm({
    listener: ({ service }) => {
      const gate = requireTicket({ service, ...options }).or(byKey)
      return (req, res) =>
        void gate(req, res, () => res.end(`hello ${ticketIfAny(req)?.client ?? 'holder of the key'}`))
    },
  })
  return { realm, asked }
}

const withKey = (request: SignedRequest): SignedRequest => ({
  ...request,
  headers: [...request.headers, KEY],
})
const authorization = (request: SignedRequest): string => headerOf(request, 'authorization') ?? ''
const plain = (headers: RawRequest['headers']): RawRequest => ({
  method: 'GET',
  target: '/orders/7',
  headers,
})

describe('requireTicket.or', () => {
  it('lets a ticket pass, proved, without asking the other', async () => {
    const { realm, asked } = await start()
    const request = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
    const response = await realm.send(request)
    expect(response.body.toString()).toBe(`hello ${WEB}`)
    expectProved(response, request)
    expect(asked).toEqual([])
  })

  it('leaves who presents none to the other, whose answers stand as they are', async () => {
    const { realm, asked } = await start()
    const passed = await realm.send(plain([KEY]))
    expect([passed.status, passed.body.toString()]).toEqual([200, 'hello holder of the key'])
    const bearer = await realm.send(plain([['authorization', 'Bearer orthrus-is-no-word-here'], KEY]))
    expect(bearer.status).toBe(200)
    const refused = await realm.send(plain([]))
    expect([refused.status, refused.body.toString()]).toEqual([401, 'a key or a ticket'])
    expect(headerOf(refused, 'www-authenticate')).toBe('Basic realm="x"')
    expect(asked.length).toBe(3)
  })

  it.each<[string, (realm: RunningRealm) => Promise<SignedRequest> | SignedRequest]>([
    [
      'for another service',
      realm =>
        realm.sign({}, { ticket: realm.ticket({ service: BILLING, kvno: 1, sealedWith: billingKey }) }),
    ],
    ['that has ended', realm => realm.sign({}, { ticket: realm.ticket({ endTime: realm.clock.now() }) })],
    ['without the claim', realm => realm.sign({}, { ticket: realm.ticket({ claims: [] }) })],
    ['whose caveat fails', realm => realm.sign({}, { caveats: [{ name: 'methods', methods: ['PUT'] }] })],
    ['under no right MAC', realm => realm.sign({}, { key: realm.sign().key })],
    ['for another request', realm => ({ ...realm.sign({ target: '/orders/8' }), target: '/orders/7' })],
    [
      'seen before',
      async realm => {
        const request = realm.sign()
        expectProved(await realm.send(request), request)
        return request
      },
    ],
  ])('refuses a ticket %s, with the right key beside it', async (_, make) => {
    const { realm, asked } = await start({ claims: { role: 'reader' } })
    const request = await make(realm)
    const response = await realm.send(withKey(request))
    expect(response.status).toBeGreaterThanOrEqual(401)
    expect(headerOf(response, 'www-authenticate')).toMatch(/^Orthrus .*error="/)
    expect(asked).toEqual([])
  })

  it.each<[string, (value: string) => readonly string[]]>([
    ['nothing', () => ['Orthrus']],
    ['two words', () => ['Orthrus a b']],
    ['what is no base64url', () => ['orthrus +/=']],
    ['a parameter', () => ['ORTHRUS ticket="x"']],
    ['a tab', value => [value.replace(' ', '\t')]],
    ['a second header', value => [value, 'Bearer x']],
    ['a header before it', value => ['Bearer x', value]],
    ['another scheme before it', value => [`Bearer x, ${value}`]],
    ['a list that lacks a space', value => [`Bearer x,${value}`]],
  ])('refuses the word Orthrus with %s, with the right key beside it', async (_, write) => {
    const { realm, asked } = await start()
    const values = write(authorization(realm.sign()))
    const response = await realm.send(plain([...values.map(value => ['authorization', value] as const), KEY]))
    expect([400, 401]).toContain(response.status)
    expect(headerOf(response, 'www-authenticate')).toMatch(/^Orthrus /)
    expect(asked).toEqual([])
  })

  it('gives ticketOf nothing for what the other let pass', async () => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const gate = requireTicket({ service }).or((_req, _res, next) => next())
        return (req, res) =>
          void gate(req, res, () => {
            req.ticket = { client: 'admin@demo.example' } as never
            expect(ticketIfAny(req)).toBeUndefined()
            expect(() => ticketOf(req)).toThrow(TypeError)
            res.end('seen')
          })
      },
    })
    expect((await realm.send(plain([]))).body.toString()).toBe('seen')
  })

  it('is followed by gates that want a ticket', async () => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const either = requireTicket({ service }).or((_req, _res, next) => next())
        const writers = requireTicket({ service, claims: { role: 'writer' } })
        return (req, res) => void either(req, res, () => writers(req, res, () => res.end('written')))
      },
    })
    expect((await realm.send(plain([KEY]))).status).toBe(401)
    const reader = realm.sign()
    expectRefused(await realm.send(reader), reader, 'not_authorized', '06')
  })

  it('takes a function', async () => {
    const { service } = await startRealm()
    expect(() => requireTicket({ service }).or(undefined as never)).toThrow(
      'requireTicket.or takes middleware',
    )
  })
})
