import { describe, expect, it } from 'vitest'
import { FLAG } from '../../../shared/constants.js'
import { BILLING, billingKey, expectProved, expectRefused, GATE, headerOf, WEB } from '../realm.js'
import { type Adapter, exchange, type Setting, startAdapter } from './adapter.js'

/** What a ticket says, and what is refused whatever the request is. */

export function describeRequests(name: string, adapter: Adapter): void {
  const start = (setting?: Setting) => startAdapter(adapter, setting)

  describe(`${name}: what a request may say`, () => {
    it('has a ticket with the claims, and an answer that is proved', async () => {
      const { realm, seen } = await start({ claims: { role: 'reader' } })
      const { signed, response } = await exchange(realm, { target: '/orders/7?x=1&y=%20z' })
      expect(response.body.toString()).toBe(`hello ${WEB}`)
      expectProved(response, signed)
      expect(seen).toMatchObject([
        { method: 'GET', target: '/orders/7?x=1&y=%20z', ticket: { claims: { role: 'reader' } } },
      ])
    })

    it('is refused without a claim, with another service, and without a ticket', async () => {
      const { realm, seen } = await start({ claims: { role: 'writer' } })
      const { signed, response } = await exchange(realm)
      expectRefused(response, signed, 'not_authorized', '06')
      const ticket = realm.ticket({ service: BILLING, kvno: 1, sealedWith: billingKey })
      const elsewhere = realm.sign({}, { ticket })
      expectRefused(await realm.send(elsewhere), elsewhere, 'ticket_invalid', '05')
      const plain = await realm.send({ method: 'GET', target: '/orders/7', headers: [] })
      expect([plain.status, headerOf(plain, 'www-authenticate')]).toEqual([
        401,
        'Orthrus realm="demo.example"',
      ])
      expect(seen).toEqual([])
      expect(realm.refused.map(({ code }) => code)).toEqual(['not_authorized', 'ticket_invalid', undefined])
    })

    it('is held to its caveats', async () => {
      const { realm, seen } = await start()
      const caveats = [
        { name: 'methods', methods: ['GET'] },
        { name: 'paths', prefixes: ['/orders'] },
      ] as const
      const good = realm.sign({}, { caveats })
      expectProved(await realm.send(good), good)
      for (const request of [{ method: 'PUT' }, { target: '/ordersx' }, { target: '/orders/%2e%2e/admin' }]) {
        const bad = realm.sign(request, { caveats })
        const response = await realm.send(bad)
        expect([response.status, headerOf(response, 'authentication-info')]).toEqual([403, undefined])
      }
      expect(seen.length).toBe(1)
    })

    it('has the client and the delegate that presents its ticket', async () => {
      const { realm, seen } = await start({ delegates: ['gate'] })
      const delegated = realm.ticket({ flags: FLAG.DELEGABLE })
      const signed = realm.sign(
        {},
        {
          ticket: realm.ticket({ client: GATE }),
          delegated: { ticket: delegated, caveats: [{ name: 'holder', holder: GATE }] },
        },
      )
      expectProved(await realm.send(signed), signed)
      expect(seen[0]?.ticket).toMatchObject({ client: WEB, via: GATE })
    })

    it('is handled once', async () => {
      const { realm, seen } = await start()
      const { signed } = await exchange(realm, { method: 'POST', body: Buffer.from('x') })
      expectRefused(await realm.send(signed), signed, 'replay', '06')
      expect(seen.length).toBe(1)
    })
  })

  describe(`${name}: further headers of a request`, () => {
    const LIST = ['orthrus-covered', 'x-tenant'] as const
    const covering = (...values: string[]) => [LIST, ...values.map(value => ['x-tenant', value] as const)]

    it('that its owner requires are those that the client covered', async () => {
      const { realm, seen } = await start({ requireCovered: ['x-tenant'] })
      for (const headers of [covering('a'), covering()]) {
        const { signed, response } = await exchange(realm, { method: 'POST', headers })
        expectProved(response, signed)
      }
      expect(seen.map(({ header, ticket }) => [header('x-tenant'), ticket?.covered])).toEqual([
        ['a', ['x-tenant']],
        [undefined, ['x-tenant']],
      ])
      const { signed, response } = await exchange(realm, { headers: [['x-tenant', 'a']] })
      expectRefused(response, signed, 'binding_mismatch', '06')
      expect(seen.length).toBe(2)
    })

    it.each([
      ['another value', covering('b')],
      ['no value', covering()],
      ['a second value', covering('a', 'b')],
      ['the same value twice', covering('a', 'a')],
      ['no list', [['x-tenant', 'a'] as const]],
    ])('never reach it with %s', async (_, changed) => {
      const { realm, seen } = await start()
      const signed = realm.sign({ headers: covering('a') })
      const rest = signed.headers.filter(([name]) => name === 'authorization')
      const response = await realm.send({ ...signed, headers: [...rest, ...changed] })
      expect([400, 401]).toContain(response.status)
      expect(headerOf(response, 'authentication-info')).toBeUndefined()
      expect(seen).toEqual([])
    })

    it.each([
      ['x-tenant', 'a, b', ['a', 'b'], [LIST]],
      ['if-none-match', '"a", "b"', ['"a"', '"b"'], []],
    ] as const)(
      'and %s split into two lines is refused, or is what was bound',
      async (name, value, lines, more) => {
        const { realm, seen } = await start()
        const signed = realm.sign({ headers: [...more, [name, value]] })
        const rest = signed.headers.filter(header => header[0] !== name)
        const split = [...rest, ...lines.map(line => [name, line] as const)]
        const response = await realm.send({ ...signed, headers: split })
        expect(seen.map(({ header }) => header(name))).toEqual(response.status === 200 ? [value] : [])
        if (response.status === 200) expectProved(response, signed)
        else expectRefused(response, signed, 'malformed', '05')
      },
    )
  })
}
