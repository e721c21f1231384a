import { describe, expect, it } from 'vitest'
import { type RequireTicketOptions, requireTicket, type TicketHandler } from '../../../service/index.js'
import { loadService } from '../../support/load-service.js'
import { expectProved, expectRefused, headerOf, keytab, startRealm } from '../realm.js'

/** Further headers: what an owner requires of requests, and has covered of responses. */

const LIST = 'orthrus-covered'

const covering = (list: string, ...headers: [string, string][]) => ({
  headers: [[LIST, list], ...headers] as [string, string][],
})

describe('requireCovered', () => {
  it('lets through what covers it, with a value or as missing, and tells the handler', async () => {
    const covered: unknown[] = []
    const handler: TicketHandler = (_req, res, ticket) => {
      covered.push(ticket.covered, Object.isFrozen(ticket.covered))
      res.end()
    }
    const realm = await startRealm({ requireCovered: ['X-Tenant'], handler })
    for (const sent of [covering('etag, x-tenant', ['X-Tenant', 'a']), covering('x-tenant')]) {
      const request = realm.sign(sent)
      expectProved(await realm.send(request), request)
    }
    expect(covered).toEqual([['etag', 'x-tenant'], true, ['x-tenant'], true])
  })

  it('refuses the rest before it reads their bodies, and says in the log what is missing', async () => {
    const realm = await startRealm({ requireCovered: ['x-tenant', 'etag'] })
    const request = realm.sign({ method: 'POST', ...covering('etag', ['x-tenant', 'a']) })
    const head = { ...request, headers: [...request.headers, ['content-length', '9'] as const] }
    expectRefused(await realm.send(head), request, 'binding_mismatch', '06')
    const [line] = realm.log.lines.filter(({ fields }) => fields.code === 'binding_mismatch')
    expect(line?.fields).toMatchObject({
      reason: 'the request does not cover x-tenant',
      hint: expect.stringMatching(/cover: \['x-tenant'\].*removes or changes the header orthrus-covered/),
    })
    expectRefused(await realm.send(request), request, 'replay', '06')
    expect(realm.handled).toHaveLength(0)
  })

  it('says the same where the list was removed on the way', async () => {
    const realm = await startRealm({ requireCovered: ['x-tenant'] })
    const request = realm.sign(covering('x-tenant', ['x-tenant', 'a']))
    const stripped = { ...request, headers: request.headers.filter(([name]) => name !== LIST) }
    expectRefused(await realm.send(stripped), request, 'binding_mismatch', '06')
    expect(realm.refused.map(({ reason }) => reason)).toEqual(['the request does not cover x-tenant'])
  })

  it('of a second gate holds as well', async () => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const outer = requireTicket({ service })
        const inner = requireTicket({ service, requireCovered: ['x-tenant'] }, (_req, res) => res.end())
        return (req, res) => outer(req, res, () => inner(req, res))
      },
    })
    const bare = realm.sign()
    expectRefused(await realm.send(bare), bare, 'binding_mismatch', '06')
    const request = realm.sign(covering('x-tenant'))
    expectProved(await realm.send(request), request)
  })
})

describe('coverResponseHeaders', () => {
  const cookies: TicketHandler = (_req, res) => {
    res.setHeader('set-cookie', ['a=1', 'b=2']).setHeader('ETag', '"1"').end('done')
  }

  it('are named in each response and proved, those that are missing too', async () => {
    const realm = await startRealm({
      coverResponseHeaders: ['Set-Cookie', 'etag', 'x-next'],
      handler: cookies,
    })
    for (const method of ['GET', 'HEAD']) {
      const request = realm.sign({ method })
      const response = await realm.send(request)
      expectProved(response, request)
      expect(headerOf(response, LIST)).toBe('etag, set-cookie, x-next')
    }
  })

  it.each([
    [
      'by an exception',
      (): never => {
        throw new Error('no database')
      },
    ],
    ['by a covered header that comes twice', (_req, res) => res.setHeader('etag', ['"1"', '"2"']).end()],
    ['by a covered header that is empty', (_req, res) => res.setHeader('etag', '').end()],
  ] as [string, TicketHandler][])('are covered in a 500 caused %s', async (_, handler) => {
    const realm = await startRealm({ coverResponseHeaders: ['etag'], handler })
    const request = realm.sign()
    const response = await realm.send(request)
    expectProved(response, request)
    expect([response.status, headerOf(response, LIST), headerOf(response, 'etag')]).toEqual([
      500,
      'etag',
      undefined,
    ])
  })

  it('of all gates are covered together', async () => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const outer = requireTicket({ service, coverResponseHeaders: ['etag'] })
        const inner = requireTicket({ service, coverResponseHeaders: ['set-cookie'] }, cookies)
        return (req, res) => outer(req, res, () => inner(req, res))
      },
    })
    const request = realm.sign()
    const response = await realm.send(request)
    expectProved(response, request)
    expect(headerOf(response, LIST)).toBe('etag, set-cookie')
  })

  it.each([
    [[], undefined],
    [['etag'], 'etag'],
  ])('are %j whatever a handler passes on from another service', async (coverResponseHeaders, list) => {
    const handler: TicketHandler = (_req, res) => res.setHeader(LIST, 'x-other').end()
    const realm = await startRealm({ coverResponseHeaders, handler })
    const request = realm.sign()
    const response = await realm.send(request)
    expectProved(response, request)
    expect(headerOf(response, LIST)).toBe(list)
  })
})

describe('requireTicket refuses', () => {
  it.each<[Partial<RequireTicketOptions>, string]>([
    [{ requireCovered: ['content-type'] }, 'requireCovered names "content-type", which the protocol covers'],
    [{ requireCovered: ['host'] }, 'requireCovered names "host", which cannot be covered'],
    [{ requireCovered: 'etag' as never }, 'requireCovered is a list of names'],
    [
      { coverResponseHeaders: ['location'] },
      'coverResponseHeaders names "location", which the protocol covers',
    ],
    [{ coverResponseHeaders: ['Date'] }, 'which Node fills in'],
    [{ coverHeaders: ['etag'] } as never, 'requireTicket has no option "coverHeaders"'],
  ])('%j', async (options, message) => {
    const service = await loadService({ keytab, service: 'orders' })
    expect(() => requireTicket({ service, ...options })).toThrow(TypeError)
    expect(() => requireTicket({ service, ...options })).toThrow(message)
  })
})
