import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { OVERRIDE_HEADERS } from '../../../shared/http/header-names.js'
import { turns } from '../../support/turns.js'
import { BILLING, ORDERS } from '../fake-kdc.js'
import { FakeService } from '../fake-service.js'
import { failureOf, ORDERS_URL, Setting } from '../setting.js'

const URL = `${ORDERS_URL}/orders/7`

async function prepare() {
  const setting = new Setting()
  return { kdc: setting.kdc, time: setting.time, orders: setting.orders, realm: await setting.connect() }
}

describe('the service that a request is for', () => {
  it('comes from the origin, unless the caller names it', async () => {
    const setting = new Setting()
    const realm = await setting.connect({ services: { [ORDERS_URL]: 'orders', 'http://b.test': 'billing' } })
    const billing = new FakeService(BILLING, setting.kdc.keyOf(BILLING), setting.time)
    expect(await (await realm.fetch(URL)).text()).toBe('GET /orders/7')
    setting.orders.intercept = arrived => billing.answer(arrived)
    expect(await (await realm.fetch('http://b.test/x')).text()).toBe('GET /x')
    expect(await (await realm.fetch(URL, { service: 'billing' })).text()).toBe('GET /orders/7')
    expect(billing.handled).toHaveLength(2)
  })

  it('is demanded before anything is sent if nobody names it', async () => {
    const { realm, kdc, orders } = await prepare()
    const cause = await failureOf(realm.fetch('http://other.test/'))
    expect(cause).toBeInstanceOf(TypeError)
    expect(String(cause)).toContain("services: { 'http://other.test': 'orders' }")
    expect(kdc.log).toEqual([])
    expect(orders.arrived).toEqual([])
  })

  it.each(['orders.test', 'http://a.test/path', 'ws://a.test', 'http://u:p@a.test'])(
    'takes no %s for an origin',
    async origin => {
      const failure = failureOf(new Setting().connect({ services: { [origin]: 'orders' } }))
      expect(await failure).toBeInstanceOf(TypeError)
    },
  )

  it('is proved only by opening the ticket', async () => {
    const { realm, orders } = await prepare()
    const { kdc, time } = new Setting()
    const other = new FakeService(ORDERS, kdc.keyOf(ORDERS), time)
    orders.intercept = arrived => other.answer(arrived)
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'refused_unproved' })
  })
})

describe('what is sent', () => {
  it('is what fetch would send, with the proof', async () => {
    const { orders, realm } = await prepare()
    await realm.fetch(`${URL}?q=a%20b#part`, {
      method: 'put',
      headers: { 'x-own': '1', 'accept-encoding': 'gzip' },
      body: JSON.stringify({ a: 1 }),
    })
    const [arrived] = orders.handled
    expect(arrived).toMatchObject({ method: 'PUT', target: '/orders/7?q=a%20b' })
    expect(Object.fromEntries(arrived?.headers ?? [])).toMatchObject({
      'x-own': '1',
      'accept-encoding': 'identity',
      'content-type': 'text/plain;charset=UTF-8',
    })
    expect(arrived?.init).toMatchObject({ redirect: 'manual', cache: 'force-cache' })
  })

  it.each([
    ['text', 'abc', 'abc'],
    ['bytes', new Uint8Array([97, 98]), 'ab'],
    ['a blob', new Blob(['xyz'], { type: 'image/png' }), 'xyz'],
    ['parameters', new URLSearchParams({ a: '1' }), 'a=1'],
    ['a stream', new Blob(['stream']).stream(), 'stream'],
    ['nothing', undefined, ''],
  ])('has a body of %s', async (_, body, text) => {
    const { orders, realm } = await prepare()
    expect((await realm.fetch(URL, { method: 'POST', ...(body === undefined ? {} : { body }) })).status).toBe(
      200,
    )
    expect(new TextDecoder().decode(orders.handled[0]?.body)).toBe(text)
  })

  it('has a form with the boundary that is bound', async () => {
    const { orders, realm } = await prepare()
    const form = new FormData()
    form.set('file', new Blob(['content']), 'name.txt')
    expect((await realm.fetch(URL, { method: 'POST', body: form })).status).toBe(200)
    expect(orders.handled[0]?.headers.get('content-type')).toMatch(/^multipart\/form-data; boundary=/)
  })

  it('has its body even if the platform does not show it as a stream', async () => {
    const { orders, realm } = await prepare()
    const request = new Request(URL, { method: 'POST', body: 'hidden' })
    const hidden = vi.spyOn(Request.prototype, 'body', 'get').mockReturnValue(undefined as never)
    onTestFinished(() => hidden.mockRestore())
    expect((await realm.fetch(request)).status).toBe(200)
    expect(new TextDecoder().decode(orders.handled[0]?.body)).toBe('hidden')
  })

  it('may be a Request, with options that override it', async () => {
    const { orders, realm } = await prepare()
    const request = new Request(URL, { method: 'POST', body: 'x', headers: { 'content-type': 'a/b' } })
    expect((await realm.fetch(request, { headers: { 'content-type': 'c/d' } })).status).toBe(200)
    expect(orders.handled[0]?.headers.get('content-type')).toBe('c/d')
  })

  it.each([
    ['an empty query', `${ORDERS_URL}/a?`, '/a'],
    ['no path', ORDERS_URL, '/'],
    ['dots', `${ORDERS_URL}/a/../b/./c`, '/b/c'],
    ['letters of the world', `${ORDERS_URL}/é?ü`, '/%C3%A9?%C3%BC'],
    ['a query that looks like a path', `${ORDERS_URL}/a?/b?c`, '/a?/b?c'],
  ])('has %s as on the request line', async (_, url, target) => {
    const { orders, realm } = await prepare()
    expect((await realm.fetch(url)).status).toBe(200)
    expect(orders.handled[0]?.target).toBe(target)
    // A `?` without anything behind it is on the request line of some platforms.
    expect(orders.handled[0]?.url).toBe(ORDERS_URL + target)
  })
})

describe('what is not sent', () => {
  const refused: [string, RequestInit][] = [
    ...OVERRIDE_HEADERS.map((name): [string, RequestInit] => [name, { headers: { [name]: 'x' } }]),
    ['an empty covered header', { headers: { 'if-match': '' } }],
    ['a covered header of spaces', { headers: { range: '  ' } }],
    [
      'a covered header twice',
      {
        headers: [
          ['if-match', 'a'],
          ['If-Match', 'b'],
        ],
      },
    ],
    ['the same in two spellings', { headers: { 'Content-Type': 'a/b', 'content-type': 'c/d' } }],
    ['Authorization', { headers: { authorization: 'Bearer x' } }],
    ['what fetch refuses', { method: 'GET', body: 'x' }],
  ]

  it.each(refused)('%s', async (_, init) => {
    const { orders, realm, kdc } = await prepare()
    expect(await failureOf(realm.fetch(URL, init))).toBeInstanceOf(TypeError)
    expect(orders.arrived).toEqual([])
    expect(kdc.log).toEqual([])
  })

  it('another scheme', async () => {
    const { realm } = await prepare()
    expect(await failureOf(realm.fetch('data:,x', { service: 'orders' }))).toBeInstanceOf(TypeError)
  })

  it.each([
    [3, true],
    [2, false],
  ])('a body of 3 bytes where %d are allowed: %s', async (maxRequest, sent) => {
    const setting = new Setting()
    const realm = await setting.connect({ maxRequest })
    const outcome = realm.fetch(URL, { method: 'POST', body: 'abc' })
    if (sent) expect((await outcome).status).toBe(200)
    else expect(await failureOf(outcome)).toMatchObject({ code: 'too_large', final: true })
    expect(setting.orders.arrived).toHaveLength(sent ? 1 : 0)
  })
})

describe('signals', () => {
  const enough = new Error('enough')

  it('end a request before it begins', async () => {
    const { realm, kdc } = await prepare()
    expect(await failureOf(realm.fetch(URL, { signal: AbortSignal.abort(enough) }))).toBe(enough)
    const ticket = realm.getServiceTicket('orders', { signal: AbortSignal.abort(enough) })
    expect(await failureOf(ticket)).toBe(enough)
    expect(kdc.log).toEqual([])
  })

  it('end a request that waits for a ticket', async () => {
    const { realm, kdc, orders } = await prepare()
    kdc.intercept = () => undefined
    const controller = new AbortController()
    const failure = failureOf(realm.fetch(URL, { signal: controller.signal }))
    await turns()
    controller.abort(enough)
    expect(await failure).toBe(enough)
    expect(orders.arrived).toEqual([])
  })

  it('end a request that is on its way', async () => {
    const { realm, orders } = await prepare()
    orders.intercept = ({ init }) =>
      new Promise((_, reject) => {
        init.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      })
    const controller = new AbortController()
    const failure = failureOf(realm.fetch(URL, { signal: controller.signal }))
    await turns()
    controller.abort(enough)
    expect(await failure).toBe(enough)
    expect(orders.arrived).toHaveLength(1)
  })

  it('end a response that does not end', async () => {
    const { realm, orders } = await prepare()
    orders.intercept = async ({ init }, honest) => {
      const { headers } = await honest()
      const cut = new ReadableStream({
        start: stream => init.signal?.addEventListener('abort', () => stream.error(init.signal?.reason)),
      })
      return new Response(cut, { headers })
    }
    const controller = new AbortController()
    const failure = failureOf(realm.fetch(URL, { signal: controller.signal }))
    await turns()
    controller.abort(enough)
    expect(await failure).toBe(enough)
  })

  it('that end one wait for a ticket leave the others waiting', async () => {
    const { realm } = await prepare()
    const controller = new AbortController()
    const gone = failureOf(realm.getServiceTicket('orders', { signal: controller.signal }))
    const stays = realm.getServiceTicket('orders')
    controller.abort(new Error('enough'))
    expect(await gone).toEqual(new Error('enough'))
    expect(await stays).toMatchObject({ service: ORDERS })
  })
})
