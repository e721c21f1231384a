import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { connect } from '../../../client/connect.js'
import { unreachable } from '../../../client/kdc-link/link-failure.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { type Logger, silentLogger } from '../../../shared/logger.js'
import { TestLogger } from '../../support/logger.js'
import { failureOf, Setting } from '../setting.js'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => void server.close())
  return (server.address() as AddressInfo).port
}

async function failureAt(url: string, logger: Logger = silentLogger): Promise<OrthrusError> {
  const { keytab } = new Setting()
  return (await failureOf(connect({ kdc: url, keytab, logger }))) as OrthrusError
}

describe('a KDC that cannot be reached', () => {
  it.each([
    [502, 'a proxy answers, but cannot reach the KDC behind it', 'where the proxy looks for it'],
    [503, 'a proxy answers', 'check that the KDC runs'],
    [429, 'limits the number of connections', 'wait a little'],
    [403, 'does not let this client connect', 'not that of a service, and look for a proxy'],
    [301, 'redirects', 'the URL that it redirects to'],
    [400, 'as a KDC of another version does, or a server that is no KDC', 'the version of the KDC'],
    [404, 'an HTTP server answers there, but no KDC', 'check port and path'],
    [200, 'an HTTP server answers there, but no KDC', 'must pass on WebSockets'],
  ])('answers status %i: the cause and the next step', async (status, told, hint) => {
    const server = createServer((_, response) => response.writeHead(status, { location: '/' }).end())
    const cause = await failureAt(`ws://127.0.0.1:${await listening(server)}`)
    expect(cause.code).toBe('unavailable')
    expect(cause.reason).toContain(told)
    expect(cause.facts.hint).toContain(hint)
  })

  it('is recognised as another WebSocket server', async () => {
    const server = createServer()
    const sockets = new WebSocketServer({ server, handleProtocols: () => false })
    ends.push(() => sockets.close())
    const logger = new TestLogger()
    const cause = await failureAt(`ws://127.0.0.1:${await listening(server)}`, logger)
    expect(cause.reason).toContain('no KDC of this version')
    expect(logger.lines.filter(({ level }) => level === 'warn')).toEqual([
      { level: 'warn', fields: { cause }, message: 'no KDC of this version can be reached' },
    ])
  })

  it('is recognised as not speaking TLS', async () => {
    const cause = await failureAt(`wss://127.0.0.1:${await listening(createServer())}`)
    expect(cause.reason).toMatch(/it does not speak TLS: write EPROTO TLS: wrong version number$/)
    expect(cause.facts.hint).toContain('write ws://')
  })

  it('is recognised as not speaking HTTP', async () => {
    const server = createTcpServer(socket => void socket.end('\u0015\u0003\u0003\u0000\u0002\u0002\u0032'))
    const cause = await failureAt(`ws://127.0.0.1:${await listening(server)}`)
    expect(cause.facts.hint).toContain('write wss://')
  })

  it('that expects TLS and gets none is recognised by how it ends the connection', async () => {
    const cause = await failureAt(`ws://127.0.0.1:${await listening(createTlsServer())}`)
    expect(cause.reason).toContain('ended the connection without an answer')
    expect(cause.facts.hint).toContain('then write wss://')
  })

  it('is recognised as not existing', async () => {
    const server = createServer()
    const port = await listening(server)
    await new Promise(resolve => server.close(resolve))
    const cause = await failureAt(`ws://127.0.0.1:${port}`)
    expect(cause.reason).toContain('nothing listens there')
    expect(cause.facts.hint).toContain('orthrus kdc')
  })

  it.each([
    ['self-signed certificate; SELF_SIGNED_CERT_IN_CHAIN', 'NODE_EXTRA_CA_CERTS'],
    ['unable to verify the first certificate', 'NODE_EXTRA_CA_CERTS'],
    ['certificate has expired', 'renew it'],
    ["Hostname/IP does not match certificate's altnames: Host: a", 'use the name in the certificate'],
    ['getaddrinfo ENOTFOUND kdc.test', 'check the host name'],
    ['connect EHOSTUNREACH 10.0.0.1:1', 'firewalls'],
    ['something that nobody foresaw', 'check that it runs there'],
  ])('says "%s": %s', (reason, hint) => {
    const cause = unreachable('ws://kdc.test', reason)
    expect(cause.reason).toContain(reason)
    expect(cause.facts.hint).toContain(hint)
  })

  it('is distinguished from a URL of another kind before anything is tried', async () => {
    expect(await failureAt('http://user:canary@127.0.0.1:8750/p')).toMatchObject({
      message: 'not the URL of a KDC: "http://127.0.0.1:8750/p"; write "ws://127.0.0.1:8750/p"',
    })
    expect(await failureAt('https://kdc.test')).toMatchObject({
      message: expect.stringContaining('wss://kdc.test'),
    })
    expect(await failureAt('127.0.0.1:8750')).toMatchObject({
      message: expect.stringContaining('ws://127.0.0.1:8750'),
    })
  })
})

describe('a password in a URL', () => {
  const SECRET = 'ws://user:canary@127.0.0.1:8750/?token=canary'

  it('shows in no error, log or inspection', async () => {
    const setting = new Setting()
    const shown: unknown[] = []
    shown.push(await failureOf(setting.connect({ kdc: SECRET })))
    setting.kdc.up(SECRET)
    const realm = await setting.connect({ kdc: [SECRET] })
    await realm.getServiceTicket('orders')
    shown.push(realm)
    setting.kdc.intercept = () => undefined
    const silent = failureOf(realm.getServiceTicket('billing'))
    await setting.time.elapse(20_000)
    shown.push(await silent)
    setting.kdc.down()
    const down = failureOf(realm.getServiceTicket('billing'))
    await setting.time.elapse(20_000)
    shown.push(await down)
    for (const url of [
      SECRET.replace('ws:', 'http:'),
      'user:canary@kdc.test',
      SECRET.replace('127.0.0.1', 'kdc.test'),
    ]) {
      shown.push(
        await failureOf(setting.connect({ kdc: url, principal: 'alice@demo.example', password: 'x' })),
      )
    }
    shown.push(
      await failureOf(setting.connect({ services: { 'http://user:canary@orders.test/?canary': 'orders' } })),
    )
    const orders = 'http://user:canary@orders.test/?canary'
    shown.push(await failureOf(realm.fetch(orders, { service: 'orders' })))
    shown.push(await failureOf(realm.fetch('ftp://orders.test/?canary', { service: 'orders' })))
    for (const what of shown) expect(what).toBeDefined()
    const text = [...shown, ...setting.log].map(
      what => `${String(what)} ${inspect(what, { depth: 10, showHidden: true })} ${JSON.stringify(what)}`,
    )
    expect(text.join('\n')).toContain('127.0.0.1:8750')
    expect(text.join('\n')).not.toContain('canary')
  })
})
