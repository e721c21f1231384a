import { describe, expect, it } from 'vitest'
import type { ServiceTelemetryEvent } from '../../../service/index.js'
import { FLAG } from '../../../shared/constants.js'
import { BILLING, billingKey, GATE, ORDERS, WEB } from '../realm.js'
import { type Adapter, KEY, startAdapter } from './adapter.js'

/** What a service tells of its requests is the same whatever the framework. */

export function describeEvents(name: string, adapter: Adapter): void {
  describe(`${name}: what is told of requests`, () => {
    it('names client, delegate and tickets of those that were accepted, refused and replayed, and nothing else', async () => {
      const events: ServiceTelemetryEvent[] = []
      const { realm } = await startAdapter(adapter, {
        load: { onEvent: event => void events.push(event) },
      })
      const own = realm.ticket({ client: GATE })
      const ticket = realm.ticket({ flags: FLAG.DELEGABLE })
      const caveats = [{ name: 'holder', holder: GATE }] as const
      const direct = realm.sign({ target: '/orders/7?secret=1' }, { ticket })
      const handed = realm.sign({}, { ticket: own, delegated: { ticket, caveats } })
      const altered = { ...realm.sign({}, { ticket }), target: '/orders/8' }
      const foreign = realm.ticket({ service: BILLING, kvno: 1, sealedWith: billingKey })
      for (const request of [direct, handed, direct, handed, altered, realm.sign({}, { ticket: foreign })])
        await realm.send(request)
      await realm.send({ method: 'GET', target: '/orders/7', headers: [] })
      const [service, path, method] = [ORDERS, '/orders/7', 'GET']
      const mine = { client: WEB, via: undefined, ticketId: ticket.ticketId, viaTicketId: undefined }
      const others = { client: WEB, via: GATE, ticketId: ticket.ticketId, viaTicketId: own.ticketId }
      const nobody = { client: undefined, via: undefined, ticketId: undefined, viaTicketId: undefined }
      const accepted = { service, kind: 'accepted', method, path }
      const id = expect.stringMatching(/^[0-9a-f]{12}$/)
      const refused = { service, kind: 'refused', id, method, path, ownerMustAct: false, hint: undefined }
      const unbound = { bound: undefined, arrived: undefined }
      const reason = expect.any(String)
      const again = { ...refused, kind: 'replayed', code: 'replay', reason, ...unbound }
      expect(events).toEqual([
        { ...accepted, ...mine, caveats: [] },
        { ...accepted, ...others, caveats: ['holder'] },
        { ...again, ...mine, presenter: WEB },
        { ...again, ...others, presenter: GATE },
        {
          ...{ ...refused, path: '/orders/8', code: 'binding_mismatch', reason, ...mine, presenter: WEB },
          ...{
            bound: undefined,
            arrived: expect.stringContaining('GET /orders/8'),
            hint: expect.any(String),
          },
        },
        {
          ...{ ...refused, code: 'ticket_invalid', reason, ...unbound, ...nobody, presenter: undefined },
          ...{ hint: expect.any(String), ownerMustAct: expect.any(Boolean) },
        },
        { service, kind: 'challenged', method, path, hint: undefined },
      ])
    })
  })
}

/** As above, where something else may decide. */
export function describeEventsOfOthers(name: string, adapter: Adapter): void {
  it(`${name}: a request that passes without a ticket is told, and counted`, async () => {
    const events: ServiceTelemetryEvent[] = []
    const load = { onEvent: (event: ServiceTelemetryEvent) => void events.push(event) }
    const { realm } = await startAdapter(adapter, { load, either: true, permitWithoutTicket: true })
    const byKey = { method: 'GET', target: '/orders/7', headers: [KEY] }
    for (const _ of [1, 2]) expect((await realm.send(byKey)).status).toBe(200)
    expect(events).toEqual([
      expect.objectContaining({ service: ORDERS, kind: 'passed_without_ticket', requests: 1 }),
    ])
    const { events: counts, passedWithoutTicket } = realm.service.metrics()
    expect([counts.passed_without_ticket, counts.accepted, passedWithoutTicket]).toEqual([1, 0, 2])
  })
}
