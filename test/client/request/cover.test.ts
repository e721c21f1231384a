import { describe, expect, it } from 'vitest'
import type { RealmFetchInit } from '../../../client/realm-options.js'
import { failureOf, ORDERS_URL, Setting } from '../setting.js'

/** The option `cover` of `fetch`, and what a caller learns of the response. */

async function send(init: RealmFetchInit, setting = new Setting()) {
  const realm = await setting.connect()
  const response = await realm.fetch(`${ORDERS_URL}/`, init)
  return { response, arrived: setting.orders.handled.map(({ headers }) => headers) }
}

async function refusal(init: RealmFetchInit, input?: Request): Promise<unknown> {
  const setting = new Setting()
  const realm = await setting.connect()
  const cause = await failureOf(realm.fetch(input ?? `${ORDERS_URL}/`, init))
  expect(setting.orders.arrived).toHaveLength(0)
  return cause
}

describe('cover', () => {
  it('names the headers in the request, in one form whatever the caller wrote', async () => {
    const headers = { 'Idempotency-Key': 'k-1', 'x-tenant': 'acme' }
    const { arrived } = await send({ method: 'POST', headers, cover: ['X-Tenant', 'idempotency-key'] })
    expect(arrived.map(each => each.get('orthrus-covered'))).toEqual(['idempotency-key, x-tenant'])
  })

  it('binds that a header is missing', async () => {
    const { arrived } = await send({ cover: ['x-tenant'] })
    expect(arrived.map(each => each.get('orthrus-covered'))).toEqual(['x-tenant'])
  })

  it.each([[undefined], [[]]])('as %j adds nothing', async cover => {
    const { arrived } = await send(cover === undefined ? {} : { cover })
    expect(arrived.map(each => each.has('orthrus-covered'))).toEqual([false])
  })

  it('covers what the platform fills in where the caller gives a value', async () => {
    const headers = { accept: 'text/plain', 'user-agent': 'web', 'cache-control': 'no-store' }
    const { arrived } = await send({ headers, cover: ['user-agent', 'accept', 'cache-control'] })
    expect(arrived[0]?.get('orthrus-covered')).toBe('accept, cache-control, user-agent')
  })

  it('takes the headers of a Request', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    const request = new Request(`${ORDERS_URL}/`, { headers: { accept: 'a/b' } })
    await realm.fetch(request, { cover: ['accept'] })
    expect(setting.orders.handled[0]?.headers.get('orthrus-covered')).toBe('accept')
    // The caller's own is left as it was.
    expect(request.headers.has('orthrus-covered')).toBe(false)
  })

  it('holds for each request of a redirect', async () => {
    const setting = new Setting()
    setting.orders.handler = ({ target }) =>
      target === '/' ? { status: 302, headers: { location: '/new' }, body: '' } : {}
    const { arrived } = await send({ headers: { 'x-tenant': 'a' }, cover: ['x-tenant'] }, setting)
    expect(arrived.map(each => [each.get('orthrus-covered'), each.get('x-tenant')])).toEqual([
      ['x-tenant', 'a'],
      ['x-tenant', 'a'],
    ])
  })

  it.each([
    'accept',
    'accept-language',
    'user-agent',
    'Cookie',
    'origin',
    'referer',
    'cache-control',
    'date',
  ])('refuses %s without a value of the caller’s', async name => {
    const cause = await refusal({ cover: [name] })
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toMatch(
      /filled in when the request is sent.*: give it a value in headers/,
    )
  })

  it.each(['accept-encoding', 'sec-fetch-mode', 'sec-ch-ua'])('refuses %s even with a value', async name => {
    const cause = await refusal({ headers: { [name]: 'x' }, cover: [name] })
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toMatch(/filled in when the request is sent.*: leave it out$/)
  })

  it.each([
    [{ cover: ['content-type'] }, 'cover names "content-type", which the protocol covers'],
    [{ cover: ['host'] }, 'cover names "host", which cannot be covered'],
    [{ cover: ['x-tenant', 'X-Tenant'] }, 'cover names "x-tenant" twice'],
    [{ cover: 'x-tenant' }, 'cover is a list of names'],
    [{ cover: ['orthruskey1_AAAAAAAA'] }, 'orthruskey1_...'],
    [{ headers: { 'orthrus-covered': 'x-tenant' } }, 'pass the names as cover'],
    [{ headers: { 'x-tenant': '' }, cover: ['x-tenant'] }, 'the header x-tenant is empty: leave it out'],
    [
      {
        headers: [
          ['x-tenant', 'a'],
          ['X-Tenant', 'b'],
        ],
        cover: ['x-Tenant'],
      },
      'the header x-tenant appears twice: leave one out',
    ],
    [{ covers: ['x-tenant'] }, 'did you mean "cover"?'],
  ])('is refused as %j', async (init, message) => {
    const cause = await refusal(init as never)
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toContain(message)
  })
})

describe('a response', () => {
  it('says which further headers its proof covers', async () => {
    const setting = new Setting()
    const headers = { 'orthrus-covered': 'etag, x-page', etag: '"1"' }
    setting.orders.handler = () => ({ headers })
    const { response } = await send({}, setting)
    expect(response.covered).toEqual(['etag', 'x-page'])
    expect([response.headers.get('etag'), response.headers.get('x-page')]).toEqual(['"1"', null])
  })

  it('covers none by itself', async () => {
    const { response } = await send({})
    expect(response.covered).toEqual([])
  })

  it.each([
    ['changed', { etag: '"2"' }],
    ['named no longer', { 'orthrus-covered': null }],
    ['another list', { 'orthrus-covered': 'etag' }],
    ['a wrong list', { 'orthrus-covered': 'x-page, etag' }],
    ['added', { 'x-page': '7' }],
    ['removed', { etag: null }],
  ])('with covered headers %s is refused', async (_, changes: Record<string, string | null>) => {
    const setting = new Setting()
    setting.orders.handler = () => ({ headers: { 'orthrus-covered': 'etag, x-page', etag: '"1"' } })
    const { fetch } = setting.orders
    const realm = await setting.connect({
      fetch: async (...args) => {
        const response = await fetch(...args)
        for (const [name, value] of Object.entries(changes)) {
          if (value === null) response.headers.delete(name)
          else response.headers.set(name, value)
        }
        return response
      },
    })
    expect(await failureOf(realm.fetch(`${ORDERS_URL}/`))).toMatchObject({
      code: 'response_unproved',
      final: false,
      facts: { hint: expect.stringContaining('covered headers') },
    })
  })
})
