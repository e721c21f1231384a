import { describe, expect, it } from 'vitest'
import type { RawResponse } from '../connection.js'
import { expectProved, expectRefused, headerOf } from '../realm.js'
import { type Adapter, exchange, type Setting, startAdapter } from './adapter.js'

/** What stands in front: pages of other origins, and proxies that rewrite paths. */

const APP = 'https://app.example'
const EVIL = 'https://app.example.evil'
const cors = { origins: [APP], headers: ['x-tenant'], exposed: ['x-total'], maxAge: 90_000 }
const from = (origin: string) => [['origin', origin]] as const
const asking = (origin: string) => ({
  method: 'OPTIONS',
  target: '/orders/7',
  headers: [...from(origin), ['access-control-request-method', 'POST'] as const],
})

function corsHeaders({ headers }: RawResponse): Record<string, string> {
  const pairs = headers.map(([name, value]) => [name.toLowerCase(), value] as const)
  return Object.fromEntries(pairs.filter(([name]) => name.startsWith('access-control-')))
}

export function describeFront(name: string, adapter: Adapter): void {
  const start = (setting?: Setting) => startAdapter(adapter, setting)

  describe(`${name}: pages of other origins`, () => {
    it('are told what they may do, without a ticket, and nothing is told to those that are not named', async () => {
      const { realm, seen } = await start({ cors, requireCovered: ['idempotency-key'] })
      const named = await realm.send(asking(APP))
      expect([named.status, named.body.length, headerOf(named, 'vary')]).toEqual([204, 0, 'origin'])
      expect(corsHeaders(named)).toEqual({
        'access-control-allow-origin': APP,
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'access-control-allow-headers': expect.stringMatching(
          /^authorization, orthrus-accept, orthrus-covered, .*, idempotency-key, x-tenant$/,
        ),
        'access-control-expose-headers': expect.stringMatching(/^authentication-info, .*, x-total$/),
        'access-control-max-age': '90',
      })
      const other = await realm.send(asking(EVIL))
      expect([other.status, corsHeaders(other), headerOf(other, 'vary')]).toEqual([403, {}, 'origin'])
      expect([seen, realm.refused]).toEqual([[], []])
      expect(realm.log.lines.map(({ fields }) => fields.kind)).toEqual(['origin_refused'])
    })

    it('read what becomes of their requests: answers, failures, refusals and challenges', async () => {
      const { realm } = await start({
        cors,
        claims: { role: 'reader' },
        answer: ({ target }) => {
          if (target === '/orders/none') throw new Error('no database')
          return { headers: [['vary', 'accept']], body: 'x' }
        },
      })
      const allowed = {
        'access-control-allow-origin': APP,
        'access-control-expose-headers': expect.any(String),
      }
      for (const [origin, expected] of [
        [APP, allowed],
        [EVIL, {}],
      ] as const) {
        const headers = from(origin)
        const answered = await exchange(realm, { headers })
        expectProved(answered.response, answered.signed)
        expect(headerOf(answered.response, 'vary')?.split(', ').sort()).toEqual(['accept', 'origin'])
        const failed = await exchange(realm, { target: '/orders/none', headers })
        expect(failed.response.status).toBe(500)
        expectProved(failed.response, failed.signed)
        const bad = realm.sign({ headers }, { ticket: realm.ticket({ claims: [] }) })
        const refused = await realm.send(bad)
        expectRefused(refused, bad, 'not_authorized', '06')
        const challenged = await realm.send({ method: 'GET', target: '/orders/7', headers })
        for (const response of [answered.response, failed.response, refused, challenged]) {
          expect(corsHeaders(response)).toEqual(expected)
          expect(headerOf(response, 'vary')).toContain('origin')
        }
      }
    })

    it('are told nothing where their owner said nothing', async () => {
      const { realm } = await start()
      const { signed, response } = await exchange(realm, { headers: from(APP) })
      expectProved(response, signed)
      expect([corsHeaders(response), headerOf(response, 'vary')]).toEqual([{}, undefined])
      expect((await realm.send(asking(APP))).status).toBe(401)
    })
  })

  describe(`${name}: behind a proxy that rewrites paths`, () => {
    it.each<[string, Setting]>([
      ['pathPrefix', { pathPrefix: '/api' }],
      [
        'externalUrl',
        { externalUrl: ({ url = '' }) => `https://host/api${url.replace(/^https?:..[^/]*/, '')}` },
      ],
    ])('%s says what its client bound, and what caveats are held to', async (_, setting) => {
      const { realm, seen } = await start(setting)
      const caveats = [{ name: 'paths', prefixes: ['/api/orders'] }] as const
      const signed = realm.sign({ target: '/api/orders/7?x=1' }, { caveats })
      const response = await realm.send({ ...signed, target: '/orders/7?x=1' })
      expectProved(response, signed)
      expect(seen.map(({ target }) => target)).toEqual(['/orders/7?x=1'])
      const inner = realm.sign({ target: '/orders/7' })
      expectRefused(await realm.send(inner), inner, 'binding_mismatch', '06')
      expect(seen.length).toBe(1)
    })

    it('without either, the log says which option helps', async () => {
      const { realm } = await start()
      const signed = realm.sign({ target: '/api/orders/7' })
      const response = await realm.send({ ...signed, target: '/orders/7' })
      expectRefused(response, signed, 'binding_mismatch', '06')
      expect(realm.log.lines.at(-1)?.fields).toMatchObject({
        bound: 'GET /api/orders/7',
        arrived: expect.stringContaining('GET /orders/7'),
        hint: expect.stringContaining("requireTicket({ pathPrefix: '/api' })"),
      })
    })

    it('an externalUrl that is none refuses, and the log says what it gave', async () => {
      const { realm, seen } = await start({ externalUrl: () => 'orders/7' })
      const { signed, response } = await exchange(realm)
      expectRefused(response, signed, 'unavailable', '05')
      expect(String(realm.log.lines.at(-1)?.fields.err)).toContain('externalUrl gave "orders/7"')
      expect(seen).toEqual([])
    })
  })
}
