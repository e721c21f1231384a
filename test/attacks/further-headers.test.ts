import { describe, expect, it } from 'vitest'
import type { RealmFetchInit } from '../../client/realm-options.js'
import { type Captured, headerOf, type Relayed, withHeader } from '../support/http-proxy.js'
import { expectRefused, failureOf, startWorld, type World, type WorldOptions } from '../support/world.js'

/** Headers that the caller, or the owner of the service, has bound beside those that always are. */

const INIT: RealmFetchInit = {
  method: 'POST',
  body: 'pay 5',
  headers: { 'idempotency-key': 'k-1', 'x-tenant': 'acme' },
  cover: ['idempotency-key', 'x-tenant', 'x-user'],
}

const start = (options: WorldOptions = {}): Promise<World> =>
  startWorld({ requireCovered: ['idempotency-key'], ...options })

const LIST = 'orthrus-covered'

/** The client asks for this, and something else arrives. */
async function swap(world: World, change: (sent: Captured) => Captured, init = INIT): Promise<unknown> {
  const { web, http } = world
  http.intercept = (sent, forward) => forward(change(sent))
  return failureOf(web.fetch(`${http.url}/pay`, init))
}

const without = (sent: Captured, ...names: string[]): Captured =>
  names.reduce((left, name) => withHeader(left, name), sent)

const added = <T extends Captured | Relayed>(message: T, name: string, value: string): T => ({
  ...message,
  headers: [...message.headers, [name, value] as const],
})

const swaps: Record<string, (sent: Captured) => Captured> = {
  'a covered header changed': sent => withHeader(sent, 'x-tenant', 'other'),
  'a covered header in other letters': sent => withHeader(sent, 'x-tenant', 'Acme'),
  'a covered header dropped': sent => without(sent, 'x-tenant'),
  'a header added that was covered as missing': sent => added(sent, 'x-user', 'root'),
  'the values of two covered headers swapped': sent =>
    withHeader(withHeader(sent, 'x-tenant', 'k-1'), 'idempotency-key', 'acme'),
  'a value moved to the next covered header': sent => added(without(sent, 'x-tenant'), 'x-user', 'acme'),
  'the list dropped': sent => without(sent, LIST),
  'the list and a covered header dropped': sent => without(sent, LIST, 'x-tenant'),
  'the list cut': sent => withHeader(sent, LIST, 'idempotency-key'),
  'another name in the list': sent => withHeader(sent, LIST, 'idempotency-key, x-other, x-tenant'),
  'one name more in the list': sent => withHeader(sent, LIST, 'idempotency-key, x-tenant, x-user, x-zone'),
}

const breaks: Record<string, (sent: Captured) => Captured> = {
  'a covered header doubled': sent => added(sent, 'X-Tenant', 'acme'),
  'a covered header doubled with another value': sent => added(sent, 'x-tenant', 'other'),
  'an empty header added that was covered as missing': sent => added(sent, 'x-user', ''),
  'the list doubled': sent => added(sent, 'Orthrus-Covered', headerOf(sent, LIST) ?? ''),
  'the list in another order': sent => withHeader(sent, LIST, 'x-tenant, idempotency-key, x-user'),
  'the list in upper case': sent => withHeader(sent, LIST, 'Idempotency-Key, X-Tenant, X-User'),
  'the list with other spaces': sent => withHeader(sent, LIST, 'idempotency-key,x-tenant,x-user'),
  'the list empty': sent => withHeader(sent, LIST, ''),
  'the list with a header of the connection': sent =>
    withHeader(sent, LIST, 'connection, idempotency-key, x-tenant, x-user'),
}

describe('a request that covers further headers', () => {
  it('is handled if only what is not bound changed: other headers, their order, the case of names', async () => {
    const world = await start()
    const { web, http, orders } = world
    http.intercept = (sent, forward) => {
      const headers = sent.headers.map(([name, value]) => [name.toUpperCase(), value] as const).reverse()
      return forward(added({ ...sent, headers }, 'x-forwarded-for', '203.0.113.9'))
    }
    expect((await web.fetch(`${http.url}/pay`, INIT)).status).toBe(200)
    expect(orders.handled.map(({ ticket }) => ticket.covered)).toEqual([INIT.cover])
  })

  it('is refused for good if one of them, or the list of their names, was changed, added, dropped or swapped', async () => {
    const world = await start()
    const { orders, http } = world
    for (const [what, change] of Object.entries(swaps)) {
      const failure = await swap(world, change)
      expect(failure, what).toMatchObject({ code: 'binding_mismatch', final: true })
      expectRefused(await orders.deliver(http.last), 'replay', '06')
    }
    expect(http.captured).toHaveLength(Object.keys(swaps).length)
    expect(orders.handled).toHaveLength(0)
  })

  it('is malformed, and leaves no trace, if one of them was doubled or the list was rewritten', async () => {
    const world = await start()
    const { orders, http } = world
    for (const [what, change] of Object.entries(breaks)) {
      orders.handled.length = 0
      expect(await swap(world, change), what).toMatchObject({
        code: 'refused_unproved',
        final: false,
        facts: { claimed: 'malformed' },
      })
      expect(orders.handled, what).toHaveLength(0)
      expect((await orders.deliver(http.last)).status, what).toBe(200)
      expect(orders.handled, what).toHaveLength(1)
    }
  })
})

describe('a request without further headers', () => {
  it('is not made to cover one', async () => {
    const world = await startWorld()
    const { cover: _, ...plain } = INIT
    const failure = await swap(world, sent => added(sent, LIST, 'x-tenant'), plain)
    expect(failure).toMatchObject({ code: 'binding_mismatch', final: true })
    expect(world.orders.handled).toHaveLength(0)
  })

  it('is refused where the service requires one, with what to do', async () => {
    const world = await start({ requireCovered: ['X-Tenant', 'idempotency-key'] })
    const init = { ...INIT, cover: ['idempotency-key'] }
    const failure = await failureOf(world.web.fetch(`${world.http.url}/pay`, init))
    expect(failure).toMatchObject({
      code: 'binding_mismatch',
      final: true,
      facts: { hint: expect.stringContaining('cover: [') },
    })
    expect(world.orders.handled).toHaveLength(0)
    expect(world.orders.refused.map(({ reason }) => reason)).toEqual(['the request does not cover x-tenant'])
  })
})

describe('a response that covers further headers', () => {
  const answer: WorldOptions = {
    coverResponseHeaders: ['Set-Cookie', 'etag', 'x-next'],
    answer: (req, res) => {
      const cookies = req.url === '/one' ? ['a=1'] : ['a=1; Path=/', 'b=2']
      res.setHeader('set-cookie', cookies).setHeader('etag', '"1"').end('done')
    },
  }

  it('arrives with what its client can rely on', async () => {
    const { web, http } = await startWorld(answer)
    const response = await web.fetch(`${http.url}/`)
    expect(response.covered).toEqual(['etag', 'set-cookie', 'x-next'])
    expect(response.headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2'])
    const head = await web.fetch(`${http.url}/one`, { method: 'HEAD' })
    expect([head.covered.length, head.headers.getSetCookie()]).toEqual([3, ['a=1']])
  })

  const changes: Record<string, (answered: Relayed) => Relayed> = {
    'a covered header changed': answered => withHeader(answered, 'etag', '"2"'),
    'a covered header dropped': answered => withHeader(answered, 'etag'),
    'a header added that was covered as missing': answered => added(answered, 'x-next', '/evil'),
    'an empty header added that was covered as missing': answered => added(answered, 'x-next', ''),
    'a covered header doubled': answered => added(answered, 'ETag', '"1"'),
    'a cookie added': answered => added(answered, 'set-cookie', 'session=evil'),
    'the cookies dropped': answered => withHeader(answered, 'set-cookie'),
    'one cookie dropped': answered => withHeader(answered, 'set-cookie', 'a=1; Path=/'),
    'the cookies joined': answered => withHeader(answered, 'set-cookie', 'a=1; Path=/, b=2'),
    'the cookies in another order': answered => ({ ...answered, headers: [...answered.headers].reverse() }),
    'the list dropped': answered => withHeader(answered, LIST),
    'the list cut': answered => withHeader(answered, LIST, 'etag, set-cookie'),
    'the list doubled': answered => added(answered, LIST, 'etag, set-cookie, x-next'),
    'the list in another order': answered => withHeader(answered, LIST, 'set-cookie, etag, x-next'),
    'the list with one name more': answered => withHeader(answered, LIST, 'age, etag, set-cookie, x-next'),
  }

  it('is no answer if one of them, or the list of their names, was changed on its way', async () => {
    const { web, http } = await startWorld(answer)
    for (const [what, change] of Object.entries(changes)) {
      http.intercept = async (sent, forward) => change(await forward(sent))
      const failure = await failureOf(web.fetch(`${http.url}/`))
      expect(failure, what).toMatchObject({ code: 'response_unproved', final: false })
    }
  })

  it('without the option is not made to cover one', async () => {
    const { web, http } = await startWorld({ answer: (_, res) => res.setHeader('etag', '"1"').end() })
    expect((await web.fetch(`${http.url}/`)).covered).toEqual([])
    http.intercept = async (sent, forward) => added(await forward(sent), LIST, 'etag')
    expect(await failureOf(web.fetch(`${http.url}/`))).toMatchObject({ code: 'response_unproved' })
  })
})
