import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { OrthrusError } from '../../../shared/errors.js'
import { pathFault } from '../../../shared/ticket/caveat-path.js'
import { Guarded, startTestRealm } from '../../support/world.js'
import { failureOf, ORDERS_URL, Setting } from '../setting.js'

/** An error names its cause, and a next step that helps. */

const hintOf = async (request: Promise<Response>): Promise<string> =>
  ((await failureOf(request)) as OrthrusError).facts.hint ?? ''

async function prepare(options = {}) {
  const setting = new Setting()
  return { setting, orders: setting.orders, realm: await setting.connect(options) }
}

/** With the platform's own fetch. */
const prepareReal = () => prepare({ fetch: globalThis.fetch })

async function portOf(server: ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

describe('an answer that did not come', () => {
  it('because nothing listens is reported as never sent', async () => {
    const { realm } = await prepareReal()
    const closed = createTcpServer()
    const port = await portOf(closed)
    await new Promise<void>(resolve => closed.close(() => resolve()))
    const hint = await hintOf(realm.fetch(`http://127.0.0.1:${port}/`, { service: 'orders' }))
    expect(hint).toMatch(
      /^nothing was sent on this attempt; nothing listens there: start orders@demo\.example/,
    )
    expect(hint).not.toContain('handled')
  })

  it('because another protocol is spoken says so', async () => {
    const { realm } = await prepareReal()
    const port = await portOf(
      createTcpServer(socket => void socket.once('data', () => socket.end('\0\0\u0012\u0004 settings'))),
    )
    const hint = await hintOf(realm.fetch(`http://127.0.0.1:${port}/`, { service: 'orders' }))
    expect(hint).toContain('does not speak HTTP/1.1')
  })

  it('because another protocol is spoken says so too where the parser gives no code', async () => {
    const parse = Object.assign(new Error('Response does not match'), { name: 'HTTPParserError' })
    const fail = () => Promise.reject(new TypeError('fetch failed', { cause: parse }))
    const { realm } = await prepare({ fetch: fail })
    const hint = await hintOf(realm.fetch(`${ORDERS_URL}/`))
    expect(hint).toContain('does not speak HTTP/1.1')
  })

  it('because what answers speaks no TLS says so, in words and not in those of OpenSSL', async () => {
    const { realm } = await prepareReal()
    const port = await portOf(createServer())
    const cause = await failureOf(realm.fetch(`https://127.0.0.1:${port}/`, { service: 'orders' }))
    expect((cause as Error).message).toBe(
      `unavailable: no complete answer from https://127.0.0.1:${port}: fetch failed: TLS: wrong version number (nothing was sent on this attempt; what answers there does not speak TLS: write http://127.0.0.1:${port}, or put a proxy that speaks TLS in front of it)`,
    )
  })

  it('because TLS is expected says that, too', async () => {
    const { realm } = await prepareReal()
    const port = await portOf(createTlsServer())
    const hint = await hintOf(realm.fetch(`http://127.0.0.1:${port}/`, { service: 'orders' }))
    expect(hint).toContain(`then write https://127.0.0.1:${port}`)
    expect(hint).toContain('the request may have been handled')
  })

  it('because the connection ended may have been handled', async () => {
    const { realm } = await prepareReal()
    const port = await portOf(createTcpServer(socket => void socket.once('data', () => socket.destroy())))
    const hint = await hintOf(realm.fetch(`http://127.0.0.1:${port}/`, { service: 'orders' }))
    expect(hint).toContain('the request may have been handled')
  })

  it('in a browser may be due to CORS', async () => {
    const fail = () => Promise.reject(new TypeError('Failed to fetch'))
    const { realm } = await prepare({ fetch: fail })
    Object.assign(globalThis, { document: {} })
    onTestFinished(() => void Reflect.deleteProperty(globalThis, 'document'))
    const hint = await hintOf(realm.fetch(`${ORDERS_URL}/`))
    expect(hint).toContain('expose authentication-info')
    expect(hint).not.toContain('HTTP/2')
    const body = new Blob(['x']).stream()
    const sealed = realm.fetch(`${ORDERS_URL}/`, { method: 'POST', body, sealed: true })
    expect(await hintOf(sealed)).toContain('a browser streams a body only over HTTP/2')
  })
})

describe('a response without a proof', () => {
  it.each<[number, Record<string, string>, string]>([
    [502, {}, 'a gateway answered because it could not reach orders@demo.example'],
    [503, {}, 'a gateway answered because it could not reach'],
    [504, {}, 'a gateway answered because it could not reach'],
    [429, {}, 'limits requests'],
    [413, {}, 'refuses a body of this size'],
    [431, {}, 'refuses headers of this size'],
    [505, {}, 'does not accept HTTP/1.1'],
    [401, {}, 'does a proxy remove the Authorization header?'],
    [302, { location: 'https://login.test/?from=orders' }, 'redirects to https://login.test: '],
    [200, {}, 'does requireTicket protect this path?'],
  ])('of status %d says what wrote it', async (status, headers, words) => {
    const { orders, realm } = await prepare()
    orders.intercept = () => new Response(null, { status, headers })
    expect(await hintOf(realm.fetch(`${ORDERS_URL}/`))).toContain(words)
  })
})

describe('a refusal', () => {
  it.each([
    ['too_large', 'a larger maxBody'],
    ['malformed', 'HTTP/2'],
  ] as const)('of %s names what helps', async (code, words) => {
    const { orders, realm } = await prepare()
    orders.intercept = arrived => orders.refuse(arrived, code)
    expect(await hintOf(realm.fetch(`${ORDERS_URL}/`))).toContain(words)
  })

  it('of a credential that has ended says so', async () => {
    const { setting, realm } = await prepare()
    const ticket = (await realm.getServiceTicket('orders')).attenuate({ expires: '1m' })
    const imported = realm.import(ticket.credential(), { allowBearerCredential: true })
    setting.time.pass(61_000)
    const hint = await hintOf(realm.fetch(`${ORDERS_URL}/`, { ticket: imported }))
    expect(hint).toBe(
      `the credential ended at ${new Date(ticket.endTime).toISOString()}: ask whoever handed it on for another`,
    )
  })

  it('of a path names the character that caused it', async () => {
    const { realm } = await prepare()
    const ticket = (await realm.getServiceTicket('orders')).attenuate({ paths: ['/files'] })
    expect(await hintOf(realm.fetch(`${ORDERS_URL}/files/a%2Fb`, { ticket }))).toBe(
      'no paths caveat can hold for the path of this request: it has %2F, which other programs may decode again',
    )
    expect(() => ticket.attenuate({ paths: ['/a|b'] })).toThrow('it has "|", which must be percent-encoded')
  })

  it.each([
    ['/a[b', 'it has "[", which must be percent-encoded'],
    ['/a^b', 'it has "^", which must be percent-encoded'],
    ['/ü', 'it has "ü", which must be percent-encoded'],
    ['/a%zz', 'it has a % without two hex digits'],
    ['/a%2e', 'it has %2e, which other programs may decode again'],
    ['/a//b', 'it has //'],
    ['/a/../b', 'it has the segment . or ..'],
    ['a', 'it does not begin with /'],
    ['/a%20b', undefined],
  ])('of the path %s: %s', (path, fault) => {
    expect(pathFault(path)).toBe(fault)
  })
})

describe('claims that fit in no header beside a delegated ticket', () => {
  it('are reported before anything is sent', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'billing', 'orders')
    const claims = { text: 'x'.repeat(1_900) }
    for (const client of ['web', 'billing']) await realm.allow(client, 'orders', { claims, delegable: true })
    const orders = await Guarded.start(realm, 'orders')
    const whole = await (await realm.connect('web')).getServiceTicket('orders')
    const ticket = whole.attenuate({ to: 'billing', paths: ['/', `/${'y'.repeat(1_800)}`] })
    const caller = (await realm.connect('billing')).onBehalf(ticket.credential())
    expect(
      await failureOf(caller.fetch(`http://127.0.0.1:${orders.port}/`, { service: 'orders' })),
    ).toMatchObject({
      code: 'too_large',
      final: true,
      facts: { hint: expect.stringContaining('give web@test.example and its delegate fewer claims') },
    })
    expect([orders.handled.length, orders.refused.length]).toEqual([0, 0])
    const small = whole.attenuate({ to: 'billing' }).credential()
    const passing = (await realm.connect('billing')).onBehalf(small)
    expect((await passing.fetch(`http://127.0.0.1:${orders.port}/`, { service: 'orders' })).status).toBe(200)
  })
})

describe('a conditional request', () => {
  it('carries only its own cache-control', async () => {
    const { realm } = await prepareReal()
    const seen: string[] = []
    const server = createServer((req, res) => {
      seen.push(`${req.headers['if-none-match']} ${req.headers['cache-control']} ${req.headers.pragma}`)
      res.end()
    })
    const port = await portOf(server)
    const init = { service: 'orders', headers: { 'if-none-match': '"a"' } }
    await failureOf(realm.fetch(`http://127.0.0.1:${port}/`, init))
    expect(seen).toEqual(['"a" undefined undefined'])
  })
})
