import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../client/connect.js'
import type { ConnectOptions } from '../../client/connect-options.js'
import type { Realm } from '../../client/realm.js'
import type { RealmFetchInit } from '../../client/realm-options.js'
import type { Ticket } from '../../client/ticket/ticket.js'
import { parsePrincipal } from '../../shared/principal.js'
import { formatCredential, parseCredential } from '../../shared/ticket/credential.js'
import { failureOf, Guarded, startTestRealm } from '../support/world.js'

/**
 * eve hands billing a genuine credential for a service of her own, and answers wherever billing's request goes. Every
 * way of making billing take her for orders must end before anything is sent to her.
 */

const BEARER = { allowBearerCredential: true } as const
const NOT_NAMED = /no service is named for .*whoever handed it on chose its service/

async function scene() {
  const realm = await startTestRealm()
  await realm.add('web', 'eve', 'billing', 'orders')
  await realm.allow('*', '*', { delegable: true })
  const paid = (_req: IncomingMessage, res: ServerResponse): void => void res.end('paid')
  const own = await Guarded.start(realm, 'eve', { answer: paid })
  const [eve, billing] = [await realm.connect('eve'), await realm.connect('billing')]
  const whole = await eve.getServiceTicket('eve')
  const [named, loose] = [whole.attenuate({ to: 'billing' }), whole.attenuate({ expires: '5m' })]
  const evesUrl = `http://127.0.0.1:${own.port}`
  return { realm, eve, billing, own, evesUrl, named: named.credential(), loose: loose.credential() }
}

/** A realm by a credential alone, closed with the test. */
async function alone(realm: { readonly clock: unknown }, options: Partial<ConnectOptions>): Promise<Realm> {
  const { clock } = realm as Pick<ConnectOptions, 'clock'>
  const connected = await connect({ clock, allowBearerCredential: true, ...options } as ConnectOptions)
  onTestFinished(() => connected.close())
  return connected
}

describe('a credential for a service that its giver chose, where no service is named', () => {
  it.each<[string, (billing: Realm, named: string, loose: string) => Ticket]>([
    ['imported', (billing, named) => billing.import(named)],
    ['cut down further', (billing, named) => billing.import(named).attenuate({ methods: ['GET'] })],
    [
      'cut down by the services that it may be used for',
      (billing, named) => billing.import(named).attenuate({ services: ['orders'] }),
    ],
    ['handed on and imported again', (billing, named) => billing.import(billing.import(named).credential())],
    [
      'made to name its importer by the importer',
      (billing, _, loose) => billing.import(loose, BEARER).attenuate({ to: 'billing' }),
    ],
    ['of a bearer', (billing, _, loose) => billing.import(loose, BEARER)],
    [
      'closed',
      (billing, _, loose) =>
        billing.import(billing.import(loose, BEARER).credential({ closed: true }), BEARER),
    ],
  ])('is not presented: %s', async (_, ticketFrom) => {
    const { billing, own, evesUrl, named, loose } = await scene()
    const ticket = ticketFrom(billing, named, loose)
    for (const init of [{}, { service: undefined }, { method: 'POST', body: 'x' }, { repeatable: true }]) {
      const failure = await failureOf(
        billing.fetch(`${evesUrl}/orders`, { ...init, ticket } as RealmFetchInit),
      )
      expect(failure).toBeInstanceOf(TypeError)
      expect(String(failure)).toMatch(NOT_NAMED)
    }
    const refused = await failureOf(billing.fetch(`${evesUrl}/orders`, { ticket, service: 'orders' }))
    expect(refused).toMatchObject({ code: 'credential_invalid', final: true })
    expect([own.handled.length, own.refused.length]).toEqual([0, 0])
  })

  it('is not presented by the caller of onBehalf, to whom only the credential says what it is for', async () => {
    const { billing, own, evesUrl, named, loose } = await scene()
    for (const caller of [billing.onBehalf(named), billing.onBehalf(loose, BEARER)]) {
      expect(caller.service).toBe('eve@test.example')
      const smuggled = { ticket: billing.import(loose, BEARER) }
      for (const init of [undefined, {}])
        expect(String(await failureOf(caller.fetch(evesUrl, init)))).toMatch(NOT_NAMED)
      expect(String(await failureOf(caller.fetch(evesUrl, smuggled as object)))).toMatch(
        /has no option "ticket"/,
      )
    }
    expect([own.handled.length, own.refused.length]).toEqual([0, 0])
  })

  it('is not presented by a realm that was connected with it alone', async () => {
    const { realm, own, evesUrl, loose } = await scene()
    for (const services of [undefined, {}, { 'http://127.0.0.1:1': 'orders' }]) {
      const worker = await alone(realm, { credential: loose, ...(services && { services }) })
      expect(String(await failureOf(worker.fetch(evesUrl)))).toMatch(NOT_NAMED)
      for (const init of [{ service: 'orders' }, { service: 'orders', ticket: worker.import(loose, BEARER) }])
        expect(await failureOf(worker.fetch(evesUrl, init))).toMatchObject({ code: 'credential_invalid' })
    }
    const mapped = await alone(realm, { credential: loose, services: { [evesUrl]: 'orders' } })
    for (const init of [{}, { service: 'orders' }, { service: 'eve' }])
      expect(await failureOf(mapped.fetch(evesUrl, init))).toMatchObject({ code: 'credential_invalid' })
    expect([own.handled.length, own.refused.length]).toEqual([0, 0])
  })

  it('is not presented by another realm of the same process either', async () => {
    const { realm, billing, own, evesUrl, named } = await scene()
    const ticket = billing.import(named)
    const twin = await realm.connect('billing')
    expect(String(await failureOf(twin.fetch(evesUrl, { ticket })))).toMatch(NOT_NAMED)
    expect([own.handled.length, own.refused.length]).toEqual([0, 0])
  })

  it('of a TGT gets tickets for services that its user names, and each of them serves for that one', async () => {
    const { realm, eve, own, evesUrl } = await scene()
    const credential = (await eve.getTgt()).attenuate({ expires: '5m' }).credential()
    const worker = await alone(realm, { kdc: realm.kdc.url, credential })
    expect(String(await failureOf(worker.fetch(evesUrl)))).toMatch(/no service is named for/)
    const ticket = await worker.getServiceTicket('orders')
    expect(await failureOf(worker.fetch(evesUrl, { ticket }))).toMatchObject({ code: 'refused_unproved' })
    expect(own.handled).toHaveLength(0)
    const evesOwn = (await worker.getServiceTicket('eve')).attenuate({ methods: ['GET'] })
    expect(await (await worker.fetch(evesUrl, { ticket: evesOwn })).text()).toBe('paid')
  })
})

describe('the service that is named for an origin', () => {
  const services = (url: string, name = 'orders') => ({ [url]: name })

  it.each<[string, (port: number) => string, (port: number) => string]>([
    ['letters of another case', port => `HTTP://LOCALHOST:${port}`, port => `http://localhost:${port}`],
    ['an address written otherwise', port => `http://127.1:${port}`, port => `http://127.0.0.1:${port}`],
    ['a final dot', port => `http://127.0.0.1.:${port}`, port => `http://127.0.0.1:${port}`],
    ['a port with zeros', port => `http://127.0.0.1:0${port}/`, port => `http://127.0.0.1:${port}`],
  ])('is found in spite of %s', async (_, written, asked) => {
    const { realm, named, own } = await scene()
    const billing = await realm.connect('billing', { services: services(written(own.port)) })
    const failure = await failureOf(billing.onBehalf(named).fetch(`${asked(own.port)}/orders`))
    expect(failure).toMatchObject({ code: 'credential_invalid', facts: { expected: 'orders@test.example' } })
    expect([own.handled.length, own.refused.length]).toEqual([0, 0])
  })

  it.each<[string, (port: number) => string]>([
    ['another port', port => `http://127.0.0.1:${port + 1}`],
    ['no port', () => 'http://127.0.0.1'],
    ['another scheme', port => `https://127.0.0.1:${port}`],
    ['another name of the same host', port => `http://localhost:${port}`],
    ['another name of the same host and a final dot', port => `http://localhost.:${port}`],
  ])('is not taken over to an origin with %s', async (_, other) => {
    const { realm, named, own, evesUrl } = await scene()
    // Even eve's own name there does not help her here.
    const billing = await realm.connect('billing', { services: services(other(own.port), 'eve') })
    expect(String(await failureOf(billing.onBehalf(named).fetch(evesUrl)))).toMatch(NOT_NAMED)
    expect([own.handled.length, own.refused.length]).toEqual([0, 0])
  })

  it.each(['http://*.test', 'http://*', 'http://*:8080', 'http://a.*'])(
    'is not named by a pattern: %s',
    async pattern => {
      const { realm } = await scene()
      await expect(realm.connect('billing', { services: services(pattern) })).rejects.toThrow(
        /services takes no patterns/,
      )
    },
  )

  it('is one: two spellings of an origin with two services are a mistake', async () => {
    const { realm } = await scene()
    const twice = { 'http://a.test': 'orders', 'http://A.test:80': 'eve' }
    await expect(realm.connect('billing', { services: twice })).rejects.toThrow(
      'services maps http://a.test to orders@test.example and to eve@test.example: keep one of the two',
    )
    const same = { 'http://a.test': 'orders', 'http://A.test:80': 'orders@test.example' }
    await expect(realm.connect('billing', { services: same })).resolves.toBeDefined()
  })
})

describe('two origins of two services that a delegate uses', () => {
  it('are not exchanged by a credential for the other one', async () => {
    const { realm, own, evesUrl, named } = await scene()
    const orders = await Guarded.start(realm, 'orders')
    const ordersUrl = `http://127.0.0.1:${orders.port}`
    const services = { [evesUrl]: 'eve', [ordersUrl]: 'orders' }
    const billing = await realm.connect('billing', { services })
    const caller = billing.onBehalf(named)
    for (const init of [{}, { service: 'orders' }, { service: 'eve' }])
      expect(await failureOf(caller.fetch(ordersUrl, init))).toMatchObject({ code: 'credential_invalid' })
    expect(await failureOf(caller.fetch(evesUrl, { service: 'orders' }))).toMatchObject({
      code: 'credential_invalid',
    })
    expect([own.handled.length, own.refused.length]).toEqual([0, 0])
    // What billing does mean to ask of eve's service, it may.
    expect(await (await caller.fetch(evesUrl)).text()).toBe('paid')
    expect([orders.handled.length, orders.refused.length]).toEqual([0, 0])
  })
})

describe('a service that answers with a redirect to another one', () => {
  it.each([302, 307])(
    'is not followed there by %i, and the next call must name its service',
    async status => {
      const { realm, billing, own, evesUrl, named } = await scene()
      const location = `${evesUrl}/orders`
      const orders = await Guarded.start(realm, 'orders', {
        answer: (_req, res) => void res.writeHead(status, { location }).end(),
      })
      const ticket = (await (await realm.connect('web')).getServiceTicket('orders')).attenuate({
        to: 'billing',
      })
      const caller = billing.onBehalf(ticket.credential())
      const url = `http://127.0.0.1:${orders.port}/`
      const response = await caller.fetch(url, { service: 'orders', redirect: 'follow' })
      expect([response.status, response.headers.get('location')]).toEqual([status, location])
      for (const next of [caller, billing.onBehalf(named)])
        expect(String(await failureOf(next.fetch(location)))).toMatch(NOT_NAMED)
      expect([own.handled.length, own.refused.length]).toEqual([0, 0])
    },
  )

  it('of the same origin is followed, to the service that was named at first', async () => {
    const { realm, billing } = await scene()
    const orders = await Guarded.start(realm, 'orders', {
      answer: ({ url }, res) =>
        void (url === '/a' ? res.writeHead(302, { location: '/b' }).end() : res.end(url)),
    })
    const ticket = (await (await realm.connect('web')).getServiceTicket('orders')).attenuate({
      to: 'billing',
    })
    const caller = billing.onBehalf(ticket.credential())
    const response = await caller.fetch(`http://127.0.0.1:${orders.port}/a`, { service: 'orders' })
    expect(await response.text()).toBe('/b')
    expect(orders.handled.map(each => each.ticket.via)).toEqual([
      'billing@test.example',
      'billing@test.example',
    ])
  })
})

describe('a credential for a service of the same name in another realm', () => {
  it('is not taken for the one that is named', async () => {
    const { billing, own, evesUrl, named } = await scene()
    const realm = await startTestRealm({ realm: 'elsewhere.example' })
    await realm.add('eve', 'orders')
    await realm.allow('eve', 'orders')
    const their = await (await realm.connect('eve')).getServiceTicket('orders')
    const { ticket, service } = parseCredential(their.attenuate({ expires: '5m' }).credential())
    const elsewhere = formatCredential({ ...parseCredential(named), ticket, service })
    const caller = billing.onBehalf(elsewhere)
    expect(await failureOf(caller.fetch(evesUrl, { service: 'orders' }))).toMatchObject({
      code: 'credential_invalid',
      facts: { expected: 'orders@test.example', actual: 'orders@elsewhere.example' },
    })
    expect(await failureOf(caller.fetch(evesUrl, { service: 'orders@elsewhere.example' }))).toMatchObject({
      code: 'realm_mismatch',
    })
    expect(String(await failureOf(caller.fetch(evesUrl)))).toMatch(NOT_NAMED)
    expect([own.handled.length, own.refused.length]).toEqual([0, 0])
  })

  it('of a client of another realm is not imported', async () => {
    const { billing, loose } = await scene()
    const elsewhere = formatCredential({
      ...parseCredential(loose),
      client: parsePrincipal('eve@elsewhere.example'),
    })
    expect(() => billing.import(elsewhere, BEARER)).toThrow(
      expect.objectContaining({ code: 'realm_mismatch' }),
    )
  })
})
