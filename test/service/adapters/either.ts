import { describe, expect, it } from 'vitest'
import { BILLING, billingKey, expectProved, expectRefused, headerOf, WEB } from '../realm.js'
import { type Adapter, KEY, NO_KEY, type Setting, startAdapter } from './adapter.js'

/** A ticket or something else on one route: whoever presents a ticket never falls through to the other. */

export function describeOther(name: string, adapter: Adapter): void {
  const start = (setting?: Setting) => startAdapter(adapter, { ...setting, either: true })
  const plain = (...headers: (readonly [string, string])[]) => ({
    method: 'GET',
    target: '/orders/7',
    headers,
  })

  describe(`${name}: a ticket or something else`, () => {
    it('lets who has a ticket pass, proved, and who has the key, without a proof', async () => {
      const { realm, seen } = await start({ claims: { role: 'reader' } })
      const signed = realm.sign({ method: 'POST', body: Buffer.from('pay 1') })
      const response = await realm.send(signed)
      expectProved(response, signed)
      expect(response.body.toString()).toBe(`hello ${WEB}`)
      const byKey = await realm.send({ ...plain(KEY), method: 'POST', body: Buffer.from('pay 2') })
      expect([byKey.status, byKey.body.toString()]).toEqual([200, 'hello holder of the key'])
      expect(headerOf(byKey, 'authentication-info')).toBeUndefined()
      expect(seen.map(({ body, ticket }) => [Buffer.from(body).toString(), ticket?.client])).toEqual([
        ['pay 1', WEB],
        ['pay 2', undefined],
      ])
      const neither = await realm.send(plain())
      expect([neither.status, neither.body.toString(), headerOf(neither, 'x-own')]).toEqual([
        NO_KEY.status,
        NO_KEY.body,
        'y',
      ])
    })

    it('refuses a bad ticket with the right key beside it', async () => {
      const { realm, seen } = await start({ claims: { role: 'reader' } })
      const ticket = realm.ticket({ service: BILLING, kvno: 1, sealedWith: billingKey })
      const elsewhere = realm.sign({ headers: [KEY] }, { ticket })
      expectRefused(await realm.send(elsewhere), elsewhere, 'ticket_invalid', '05')
      const poor = realm.sign({ headers: [KEY] }, { ticket: realm.ticket({ claims: [] }) })
      expectRefused(await realm.send(poor), poor, 'not_authorized', '06')
      for (const value of ['Orthrus', 'orthrus +/=', 'Bearer x, Orthrus AQk']) {
        const response = await realm.send(plain(['authorization', value], KEY))
        expect([400, 401]).toContain(response.status)
        expect(headerOf(response, 'www-authenticate')).toMatch(/^Orthrus /)
      }
      expect(seen).toEqual([])
    })

    it('tells pages of other origins what they may do before it asks, and lets them read either answer', async () => {
      const origin = ['origin', 'https://app.example'] as const
      const { realm, seen } = await start({
        cors: { origins: [origin[1]] },
        answer: () => ({ headers: [['vary', 'accept']], body: 'x' }),
      })
      const asked = await realm.send({
        ...plain(origin, ['access-control-request-method', 'GET']),
        method: 'OPTIONS',
      })
      expect([asked.status, seen]).toEqual([204, []])
      const signed = realm.sign({ headers: [origin] })
      const responses = [
        await realm.send(signed),
        await realm.send(plain(origin, KEY)),
        await realm.send(plain(origin)),
      ]
      expect(responses.map(({ status }) => status)).toEqual([200, 200, NO_KEY.status])
      for (const response of [asked, ...responses]) {
        expect(headerOf(response, 'access-control-allow-origin')).toBe(origin[1])
        expect(headerOf(response, 'vary')).toMatch(/^(?:accept, )?origin$|^origin, accept$/)
      }
      expect(responses.map(response => headerOf(response, 'vary')?.includes('accept'))).toEqual([
        true,
        true,
        false,
      ])
    })
  })
}
