import { describe, expect, it } from 'vitest'
import { FLAG } from '../../../shared/constants.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { HOUR, MINUTE } from '../../../shared/time.js'
import { until } from '../../support/turns.js'
import type { FakeService } from '../fake-service.js'
import { failureOf, ORDERS_URL, Setting } from '../setting.js'

/** `allowUnprotected`: what is taken without a proof, from where, for how long, and what is not. */

const URL = `${ORDERS_URL}/orders/7`
const allowed = { allowUnprotected: [ORDERS_URL] }

/** An answer of a service that has never heard of the protocol. */
const plain = (headers: Record<string, string> = {}, status = 200): Response =>
  new Response('plain', { status, headers: { 'content-type': 'text/plain', ...headers } })

async function prepare(options = {}) {
  const setting = new Setting()
  return { setting, orders: setting.orders, realm: await setting.connect({ ...allowed, ...options }) }
}

const refusalOf = async (call: Promise<Response>): Promise<OrthrusError> => {
  const cause = (await failureOf(call)) as OrthrusError
  expect(cause.code).toBe('response_unproved')
  expect(cause.final).toBe(false)
  return cause
}

const warnings = ({ log }: Setting) => log.filter(({ message }) => message.includes('allowUnprotected'))

describe('an answer without a proof', () => {
  it('is taken from an origin that allowUnprotected names, with its ticket presented, and says so', async () => {
    const { orders, realm, setting } = await prepare()
    orders.intercept = () => plain({ etag: '"1"' }, 201)
    const response = await realm.fetch(URL, { method: 'POST', body: 'pay 1' })
    expect([response.status, await response.text(), response.proved]).toEqual([201, 'plain', false])
    expect(response).toMatchObject({ url: URL, covered: [] })
    expect(response.headers.get('etag')).toBe('"1"')
    expect(orders.arrived[0]?.authorization.length).toBeGreaterThan(100)
    expect(warnings(setting)).toMatchObject([{ level: 'warn', fields: { origin: ORDERS_URL, answers: 1 } }])
  })

  it.each([200, 204, 304, 401, 404, 503])('may have status %d', async status => {
    const { orders, realm } = await prepare()
    orders.intercept = () => new Response([204, 304].includes(status) ? null : 'x', { status })
    expect((await realm.fetch(URL)).status).toBe(status)
  })

  it('is refused from every other origin, with the way out', async () => {
    const { orders, realm, setting } = await prepare({
      allowUnprotected: ['http://orders.test:8081', 'https://orders.test:8080', 'http://orders.test'],
    })
    orders.intercept = () => plain()
    const { facts } = await refusalOf(realm.fetch(URL))
    expect(facts.hint).toContain(`connect({ allowUnprotected: ['${ORDERS_URL}'] })`)
    expect(warnings(setting)).toEqual([])
  })

  it('is not larger than maxResponse', async () => {
    const { orders, realm } = await prepare({ maxResponse: 4 })
    orders.intercept = () => plain()
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'too_large' })
  })

  it('is logged once an hour for each service at each origin', async () => {
    const { orders, realm, setting } = await prepare()
    orders.intercept = () => plain()
    for (let i = 0; i < 5; i++) await realm.fetch(URL)
    await realm.fetch(URL, { service: 'billing' })
    const told = () => warnings(setting).map(({ fields }) => [fields.service, fields.answers])
    expect(told()).toEqual([
      ['orders@demo.example', 1],
      ['billing@demo.example', 1],
    ])
    setting.time.advance(HOUR - 2 * MINUTE)
    await realm.fetch(URL)
    expect(told().length).toBe(2)
    setting.time.advance(2 * MINUTE)
    await realm.fetch(URL)
    expect(told().at(-1)).toEqual(['orders@demo.example', 7])
  })
})

describe('a service at such an origin', () => {
  it('that is protected is called like every other', async () => {
    const { orders, realm, setting } = await prepare()
    const response = await realm.fetch(URL)
    expect([await response.text(), response.proved]).toEqual(['GET /orders/7', true])
    expect(orders.handled.length).toBe(1)
    expect(warnings(setting)).toEqual([])
    orders.intercept = async (_, honest) => {
      const answer = await honest()
      return new Response('altered', answer)
    }
    await refusalOf(realm.fetch(URL))
  })

  it.each<[string, (orders: FakeService) => void]>([
    ['an answer', () => {}],
    [
      'an answer that was altered on its way',
      orders => {
        orders.intercept = async (_, honest) => new Response('altered', await honest())
      },
    ],
    [
      'a refusal',
      orders => {
        orders.intercept = arrived => orders.refuse(arrived, 'not_authorized')
      },
    ],
  ])('that has proved itself by %s is not talked down afterwards', async (_, prepareOrders) => {
    const { orders, realm, setting } = await prepare()
    prepareOrders(orders)
    await realm.fetch(URL).catch(() => {})
    orders.intercept = () => plain()
    const { facts } = await refusalOf(realm.fetch(URL))
    expect(facts.hint).toMatch(/has proved itself at .* before.*rolled back, start this client again/)
    expect(warnings(setting)).toEqual([])
    // Another service of that origin has shown nothing yet.
    expect((await realm.fetch(URL, { service: 'billing' })).proved).toBe(false)
  })

  it('is forgotten with the realm, as after a roll-back', async () => {
    const { orders, realm, setting } = await prepare()
    await realm.fetch(URL)
    realm.close()
    const next = await setting.connect(allowed)
    orders.intercept = () => plain()
    expect((await next.fetch(URL)).proved).toBe(false)
  })

  it('does not count as protected because of an error that anybody may have written', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = () => orders.forge('auth_failed')
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'refused_unproved' })
    orders.intercept = () => plain()
    expect((await realm.fetch(URL)).proved).toBe(false)
  })

  it.each<[string, Record<string, string>]>([
    ['a challenge', { 'www-authenticate': 'Orthrus realm="demo.example"' }],
    ['a challenge among others', { 'www-authenticate': 'Basic realm="x", Orthrus realm="demo.example"' }],
    ['a challenge in an open quote', { 'www-authenticate': 'Basic realm="Orthrus realm="demo.example"' }],
    ['a proof that does not hold', { 'authentication-info': 'Orthrus AQkA' }],
    ['a proof cut off', { 'authentication-info': 'Orthrus' }],
    ['a proof in a list', { 'authentication-info': 'nextnonce="a", orthrus AQkA' }],
    ['a list of covered headers', { 'orthrus-covered': 'etag' }],
    ['a sealed body', { 'content-encoding': 'orthrus' }],
    ['a header of a later version', { 'Orthrus-X': '1' }],
  ])('that shows %s is not taken to be unprotected', async (_, headers) => {
    const { orders, realm } = await prepare()
    orders.intercept = () => plain(headers)
    const { facts } = await refusalOf(realm.fetch(URL))
    expect(facts.hint).toContain('headers of the protocol')
  })
})

describe('whoever answers in the place of a service that has not proved itself yet', () => {
  it.each([301, 302, 303, 307, 308])('makes the client sign no other request by a %d', async status => {
    const { orders, realm } = await prepare()
    orders.intercept = ({ target }, honest) =>
      target === '/orders/7' ? plain({ location: '/orders/8?cancel=all' }, status) : honest()
    for (const options of [{}, { redirect: 'manual' }, { method: 'POST', body: 'x' }] as const) {
      expect((await refusalOf(realm.fetch(URL, options))).facts.hint).toContain('takes no redirects')
    }
    expect(orders.handled).toEqual([])
    orders.intercept = () => plain({}, status)
    expect((await realm.fetch(URL)).proved).toBe(false)
  })

  it('has no answer taken whose end it holds back until the service has proved itself', async () => {
    const { orders, realm } = await prepare()
    let finish = (): void => {}
    orders.intercept = () => {
      const begun = new ReadableStream({
        start: controller => {
          controller.enqueue(Buffer.from('for'))
          finish = () => {
            controller.enqueue(Buffer.from('ged'))
            controller.close()
          }
        },
      })
      return new Response(begun)
    }
    const forged = refusalOf(realm.fetch(URL))
    await until(() => orders.arrived.length === 1)
    orders.intercept = (_, honest) => honest()
    expect((await realm.fetch(URL)).proved).toBe(true)
    finish()
    expect((await forged).facts.hint).toMatch(/has proved itself at .* before/)
  })
})

describe('allowUnprotected', () => {
  it('is not for sealed bodies, given tickets and handOff', async () => {
    const { orders, realm, setting } = await prepare()
    setting.kdc.flags = FLAG.DELEGABLE
    orders.intercept = () => plain()
    const ticket = await realm.getServiceTicket('orders')
    const cut = ticket.attenuate({ methods: ['GET'] })
    const handOff = ticket.attenuate({ to: 'orders' })
    // Presented beside the client's own.
    const delegated = ticket.attenuate({ to: 'web' })
    for (const options of [{ sealed: true }, { ticket: cut }, { ticket: delegated }, { handOff }]) {
      const { facts } = await refusalOf(realm.fetch(URL, options))
      expect(facts.hint).toContain("under this client's own ticket")
    }
    expect((await realm.fetch(URL)).proved).toBe(false)
  })

  it.each<[string, unknown, RegExp]>([
    ['a text', ORDERS_URL, /is a list of the origins/],
    ['a path', [`${ORDERS_URL}/orders`], /"http:\/\/orders.test:8080\/orders", which is not an origin/],
    ['a query', [`${ORDERS_URL}?x=1`], /not an origin/],
    ['no scheme', ['orders.test:8080'], /not an origin/],
    ['another scheme', ['ws://orders.test:8080'], /not an origin/],
    ['a name and password', ['http://a:b@orders.test'], /not an origin/],
    ['a wildcard', ['http://*.test'], /takes no patterns/],
    ['all', ['*'], /not an origin/],
    ['no text', [7], /not an origin/],
    ['true', true, /is a list of the origins/],
  ])('is refused with %s', async (_, allowUnprotected, words) => {
    const setting = new Setting()
    const cause = await failureOf(setting.connect({ allowUnprotected } as never))
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toMatch(/^allowUnprotected /)
    expect((cause as Error).message).toMatch(words)
    expect(setting.kdc.asked).toEqual([])
  })
})
