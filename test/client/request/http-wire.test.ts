import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { loadService, requireTicket } from '../../../service/index.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { silentLogger } from '../../../shared/logger.js'
import { SECOND } from '../../../shared/time.js'
import { ORDERS, WEB } from '../fake-kdc.js'
import { failureOf, Setting } from '../setting.js'

/** The platform's fetch and a real server: what is bound is what is sent. */
async function prepare(handle: (req: IncomingMessage, res: ServerResponse, body: string) => void) {
  const setting = new Setting()
  const { time, kdc } = setting
  const keytab = { text: formatKeytab([{ principal: ORDERS, kvno: 1, key: kdc.keyOf(ORDERS) }]) }
  const service = await loadService({ keytab, clock: time, logger: silentLogger })
  const clients: string[] = []
  const listener = requireTicket({ service }, (req, res, ticket) => {
    clients.push(ticket.client)
    const chunks: Buffer[] = []
    req.on('data', chunk => chunks.push(chunk))
    req.on('end', () => handle(req, res, Buffer.concat(chunks).toString('latin1')))
  })
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  // The floor of a service that has just started is ahead of its clock.
  await time.elapse(10 * SECOND)
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const realm = await setting.connect({ fetch: globalThis.fetch, services: { [origin]: 'orders' } })
  return { origin, realm, clients }
}

describe('over the platform’s fetch', () => {
  const echo = (req: IncomingMessage, res: ServerResponse, body: string): void => {
    res.setHeader('content-type', 'text/plain; charset=latin1')
    res.end(`${req.method} ${req.url} ${req.headers['if-match'] ?? '-'} ${body}`, 'latin1')
  }
  const textOf = async (response: Response) => Buffer.from(await response.arrayBuffer()).toString('latin1')

  it.each<[string, string, RequestInit, string]>([
    ['a GET', '/a/b?c=%20d&c#e', {}, 'GET /a/b?c=%20d&c - '],
    ['an empty query', '/a?', {}, 'GET /a - '],
    ['no path', '', {}, 'GET / - '],
    [
      'a POST',
      '/p',
      { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'a/b' } },
      'POST /p - {"a":1}',
    ],
    ['an empty POST', '/p', { method: 'POST' }, 'POST /p - '],
    [
      'a PUT of a stream',
      '/p',
      { method: 'PUT', body: new Blob(['x'.repeat(300)]).stream() },
      `PUT /p - ${'x'.repeat(300)}`,
    ],
    ['a DELETE with a body', '/p', { method: 'DELETE', body: 'x' }, 'DELETE /p - x'],
    [
      'header bytes above ASCII',
      '/p',
      { headers: { 'if-match': '"\u00e9\u00ff"' } },
      'GET /p "\u00e9\u00ff" ',
    ],
    ['white space around a value', '/p', { headers: { 'if-match': ' "a" ' } }, 'GET /p "a" '],
  ])('%s arrives as it was bound', async (_, target, init, expected) => {
    const { origin, realm, clients } = await prepare(echo)
    const response = await realm.fetch(origin + target, init)
    expect(response.status).toBe(200)
    expect(await textOf(response)).toBe(expected)
    expect(clients).toEqual([WEB])
  })

  it('accepts responses of all kinds', async () => {
    const { origin, realm } = await prepare((req, res) => {
      const status = Number(req.url?.slice(1))
      res.writeHead(status, { 'content-type': 'text/x', location: '/\u00e9', etag: '"1"' })
      res.write('a')
      res.end('b')
    })
    for (const status of [200, 201, 204, 206, 304, 400, 404, 409, 500, 503]) {
      const response = await realm.fetch(`${origin}/${status}`)
      expect(response.status).toBe(status)
      expect(await response.text()).toBe([204, 304].includes(status) ? '' : 'ab')
      expect(response.headers.get('location')).toBe('/\u00e9')
    }
    const head = await realm.fetch(`${origin}/200`, { method: 'HEAD' })
    expect(await head.text()).toBe('')
    expect(head.headers.get('etag')).toBe('"1"')
  })

  it('carries a body of megabytes, both ways', async () => {
    const { origin, realm } = await prepare((_, res, body) => res.end(body.repeat(5)))
    const body = 'x'.repeat(1_000_000)
    expect(await (await realm.fetch(origin, { method: 'POST', body })).text()).toHaveLength(5_000_000)
  })

  it('refuses a response that the platform decoded', async () => {
    const { origin, realm } = await prepare((_, res) => {
      res.setHeader('content-encoding', 'gzip')
      res.end(gzipSync('text'))
    })
    expect(await failureOf(realm.fetch(origin))).toMatchObject({ code: 'response_unproved' })
  })

  it('follows redirects itself', async () => {
    const { origin, realm, clients } = await prepare((req, res) => {
      if (req.url === '/a') res.writeHead(302, { location: '/b' }).end()
      else res.end('b')
    })
    const response = await realm.fetch(`${origin}/a`)
    expect(await response.text()).toBe('b')
    expect(response.url).toBe(`${origin}/b`)
    expect(clients).toHaveLength(2)
    expect((await realm.fetch(`${origin}/a`, { method: 'POST' })).status).toBe(302)
  })

  it('reports that nothing listens there', async () => {
    const { realm } = await prepare(echo)
    const cause = await failureOf(realm.fetch('http://127.0.0.1:1/', { service: 'orders' }))
    expect(cause).toMatchObject({ code: 'unavailable', final: false })
  })
})
