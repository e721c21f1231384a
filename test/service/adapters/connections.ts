import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { formatRequest } from '../connection.js'
import { BILLING, billingKey, expectProved, expectRefused } from '../realm.js'
import { type Adapter, exchange, type Setting, startAdapter } from './adapter.js'

/** Several requests on a connection, clients that leave, and several services in a process. */

export function describeConnections(name: string, adapter: Adapter): void {
  const start = (setting?: Setting) => startAdapter(adapter, setting)

  describe(`${name}: connections`, () => {
    it('carry one request after the other, and several at once', async () => {
      const { realm, seen } = await start({ answer: ({ target }) => ({ body: target }) })
      const connection = realm.connect()
      const signed = [1, 2, 3].map(at =>
        realm.sign({ method: 'POST', target: `/orders/${at}`, body: Buffer.from(`pay ${at}`) }),
      )
      for (const request of signed) connection.write(formatRequest(request), 'POST')
      for (const request of signed) {
        const response = await connection.response()
        expect(response.body.toString()).toBe(request.target)
        expectProved(response, request)
      }
      const last = realm.sign()
      expectProved(await connection.write(formatRequest(last), 'GET').response(), last)
      expect(seen.length).toBe(4)
    })

    it('of two instances in one process are told apart', async () => {
      const orders = await start()
      const billing = await start({ load: { service: 'billing' } })
      const first = await exchange(orders.realm)
      expectProved(first.response, first.signed)
      const ticket = billing.realm.ticket({ service: BILLING, kvno: 1, sealedWith: billingKey })
      const second = billing.realm.sign({}, { ticket })
      expectProved(await billing.realm.send(second), second)
      expectRefused(await billing.realm.send(first.signed), first.signed, 'ticket_invalid', '05')
      expect([orders.seen.length, billing.seen.length]).toEqual([1, 1])
    })

    it('whose client leaves while its request is handled cost the others nothing', async () => {
      let release = (): void => {}
      const held = new Promise<void>(resolve => {
        release = resolve
      })
      const { realm, seen } = await start({
        answer: async ({ target }) => {
          if (target === '/orders/held') await held
          return { body: target }
        },
      })
      const signed = realm.sign({ method: 'POST', target: '/orders/held', body: Buffer.from('pay 1') })
      const accepted = once(realm.server, 'connection')
      const connection = realm.connect().write(formatRequest(signed))
      const [socket] = (await accepted) as [Socket]
      await expect.poll(() => seen.length, { interval: 1 }).toBe(1)
      const closed = once(socket, 'close')
      connection.destroy()
      await closed
      release()
      const { signed: next, response } = await exchange(realm)
      expectProved(response, next)
      expect(realm.refused).toEqual([])
      expect(realm.log.lines.map(({ level }) => level)).not.toContain('error')
    })
  })
}
