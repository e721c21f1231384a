import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { consoleAddress } from '../../../cli/console/address.js'
import { filesOfRealm, type ServedFile, type ServedFiles } from '../../../cli/console/files.js'
import { type ConsoleListener, startConsoleListener } from '../../../cli/console/listener.js'
import type { RunningKdc } from '../../../kdc/main.js'
import { SUBPROTOCOL } from '../../../shared/constants.js'
import { parseRealm } from '../../../shared/principal.js'
import { startOwnKdc } from '../../support/own-kdc.js'

const file = (type: string, text: string, isLasting = false): ServedFile => ({
  type,
  body: Buffer.from(text),
  isLasting,
})

const FILES: ServedFiles = new Map([
  ['/', file('text/html; charset=utf-8', '<meta name="realm" content="REALM" />')],
  ['/assets/page-1234.js', file('text/javascript; charset=utf-8', 'page()', true)],
])

interface Served extends ConsoleListener {
  readonly port: number
}

async function serve(kdc: Pick<RunningKdc, 'acceptUpgrade'>, ...hosts: string[]): Promise<Served> {
  const options = { kdc, files: FILES, hosts, tls: undefined }
  const listener = await startConsoleListener({ host: '127.0.0.1', port: 0 }, options)
  onTestFinished(() => listener.close())
  return { ...listener, port: Number(new URL(listener.url).port) }
}

const noKdc = {
  acceptUpgrade: () => {
    throw new Error('it was handed over')
  },
}

/** What comes back for these very bytes. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes))
    socket.on('data', data => {
      text += data.toString('latin1')
    })
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
  })
}

const ask = async (port: number, line: string, ...headers: string[]): Promise<string> => {
  const all = headers.some(header => /^host:/i.test(header)) ? headers : ['Host: localhost', ...headers]
  return await raw(port, `${[`${line} HTTP/1.1`, ...all].join('\r\n')}\r\n\r\n`)
}

const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])

/** @returns what became of the handshake */
function handshake(port: number, path: string, headers: Record<string, string>): Promise<number | 'open'> {
  return new Promise(resolve => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, SUBPROTOCOL, { headers })
    socket.on('open', () => {
      resolve('open')
      socket.close()
    })
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    socket.on('error', () => resolve(0))
  })
}

describe('the listener of the console', () => {
  it('sends the files of its list, and tells the browser to keep to them', async () => {
    const { url } = await serve(noKdc)
    const page = await fetch(url)
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.headers.get('cache-control')).toBe('no-store')
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy.split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      "worker-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ])
    expect(Object.fromEntries(page.headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    })
    // What is said in clear is not to be believed.
    const named = await serve(noKdc, 'console.example')
    expect(await ask(named.port, 'GET /', 'Host: console.example')).not.toMatch(/strict-transport-security/i)
    const script = await fetch(new URL('assets/page-1234.js', url))
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(await script.text()).toBe('page()')
  })

  it('tells the page the name of the realm, and nothing else', async () => {
    const page = filesOfRealm(FILES, parseRealm('demo.example')).get('/')
    expect(Buffer.from(page?.body ?? []).toString()).toBe('<meta name="realm" content="demo.example" />')
  })

  it.each([
    ['GET /../../etc/passwd', 404],
    ['GET /assets/../index.html', 404],
    ['GET /assets/%2e%2e/%2e%2e/package.json', 404],
    ['GET //', 404],
    ['GET /?', 404],
    ['GET /assets/', 404],
    ['GET /assets/page-1234.js%00', 404],
    ['GET /__proto__', 404],
    ['GET /kdc', 404],
    ['GET http://localhost/', 404],
    ['HEAD /', 200],
    ['POST /', 405],
    ['PUT /assets/page-1234.js', 405],
    ['OPTIONS /', 405],
    ['TRACE /', 405],
  ])('answers %s with %i', async (line, status) => {
    const { port } = await serve(noKdc)
    const answered = await ask(port, line, 'Content-Length: 0')
    expect(statusOf(answered)).toBe(status)
    // No answer, whatever its status, is without the headers.
    expect(answered).toMatch(/^content-security-policy: default-src 'none'/im)
    expect(answered).not.toContain('root:')
  })

  it('answers no other name than those of this machine and those that were added', async () => {
    const { port } = await serve(noKdc, 'kdc.example')
    const statuses = async (host: string): Promise<number> =>
      statusOf(await ask(port, 'GET /', `Host: ${host}`))
    expect(await statuses('evil.example')).toBe(421)
    expect(await statuses('kdc.example')).toBe(200)
    expect(await statuses(`127.0.0.1:${port}`)).toBe(200)
    expect(statusOf(await raw(port, 'GET / HTTP/1.0\r\n\r\n'))).toBe(421)
  })

  it('answers nobody who names two hosts, or expects something', async () => {
    const { port } = await serve(noKdc)
    expect(statusOf(await ask(port, 'GET /', 'Host: localhost', 'Host: evil.example'))).toBe(421)
    const expecting = await ask(port, 'POST /', 'Expect: a-miracle', 'Content-Length: 4')
    expect(statusOf(expecting)).toBe(405)
    expect(expecting).toMatch(/^content-security-policy: default-src 'none'/im)
  })

  it('answers while somebody holds as many connections as it gets, and asks nothing', async () => {
    const { url, port } = await serve(noKdc)
    let closed = 0
    for (let i = 0; i < 300; i++) {
      const socket = connect({ host: '127.0.0.1', port })
      socket.on('error', () => {})
      socket.on('close', () => closed++)
      onTestFinished(() => void socket.destroy())
      await new Promise(resolve => socket.on('connect', resolve))
      socket.write('GET / HTTP/1.1\r\nHost: lo')
    }
    expect((await fetch(url)).status).toBe(200)
    // What it holds of one address is bounded.
    await expect.poll(() => closed).toBeGreaterThan(200)
  })

  it('ends while somebody neither asks nor reads', async () => {
    const listener = await serve(noKdc)
    const idle = connect({ host: '127.0.0.1', port: listener.port })
    const ended = new Promise(resolve => idle.on('close', resolve))
    idle.on('error', () => {})
    await new Promise(resolve => idle.on('connect', resolve))
    idle.write('GET / HTTP/1.1\r\nHost: lo')
    await Promise.all([listener.close(), ended])
  })
})

describe('a WebSocket at the console', () => {
  const own = (port: number): Record<string, string> => ({
    host: `127.0.0.1:${port}`,
    origin: `http://127.0.0.1:${port}`,
  })

  it('is handed to the KDC if a page of the console opened it', async () => {
    const { kdc } = await startOwnKdc()
    const { port } = await serve(kdc)
    expect(await handshake(port, '/kdc', own(port))).toBe('open')
    await expect.poll(() => kdc.connections).toBe(0)
  })

  it('is refused from a page of another origin, and from what is no page', async () => {
    const { kdc } = await startOwnKdc()
    const { port } = await serve(kdc, 'kdc.example')
    const host = `127.0.0.1:${port}`
    expect(await handshake(port, '/kdc', { host, origin: 'http://evil.example' })).toBe(403)
    expect(await handshake(port, '/kdc', { host, origin: `https://${host}` })).toBe(403)
    expect(await handshake(port, '/kdc', { host, origin: `http://127.0.0.1:${port + 1}` })).toBe(403)
    expect(await handshake(port, '/kdc', { host, origin: 'null' })).toBe(403)
    // One of its names is not the origin of another of them.
    expect(await handshake(port, '/kdc', { host, origin: 'https://kdc.example' })).toBe(403)
    expect(await handshake(port, '/kdc', { host })).toBe(403)
    expect(kdc.connections).toBe(0)
  })

  it('is refused by a name that a page had lead to this machine', async () => {
    const { port } = await serve(noKdc)
    const host = `evil.example:${port}`
    expect(await handshake(port, '/kdc', { host, origin: `http://${host}` })).toBe(421)
  })

  it.each(['/', '/kdc/', '/kdc?x', '//kdc'])('is refused at %s', async path => {
    const { port } = await serve(noKdc)
    expect(await handshake(port, path, own(port))).toBe(404)
  })

  it('is not taken behind another request over the same connection', async () => {
    const { port } = await serve(noKdc)
    const head = Object.entries(own(port)).map(([name, value]) => `${name}: ${value}\r\n`)
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
    const key = `Sec-WebSocket-Key: ${'A'.repeat(22)}==\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n`
    const answered = await raw(
      port,
      `GET / HTTP/1.1\r\n${head.join('')}\r\nGET /kdc HTTP/1.1\r\n${head.join('')}${upgrade}${key}\r\n`,
    )
    expect(answered).not.toContain('101')
  })

  it('stays open, whoever else comes from its address', async () => {
    const { kdc } = await startOwnKdc()
    const { url, port } = await serve(kdc)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/kdc`, SUBPROTOCOL, { headers: own(port) })
    onTestFinished(() => socket.terminate())
    await new Promise(resolve => socket.on('open', resolve))
    for (let i = 0; i < 70; i++) {
      const idle = connect({ host: '127.0.0.1', port })
      idle.on('error', () => {})
      onTestFinished(() => void idle.destroy())
      await new Promise(resolve => idle.on('connect', resolve))
    }
    expect((await fetch(url)).status).toBe(200)
    expect(socket.readyState).toBe(WebSocket.OPEN)
  })

  it('counts for its address, as one to the KDC itself does', async () => {
    const { kdc } = await startOwnKdc({ limits: { connectionsPerAddress: 2 } })
    const { port } = await serve(kdc)
    const closed: number[] = []
    const open = async (i: number): Promise<WebSocket> => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/kdc`, SUBPROTOCOL, { headers: own(port) })
      socket.on('close', () => closed.push(i))
      socket.on('error', () => {})
      await new Promise(resolve => socket.on('open', resolve))
      onTestFinished(() => socket.terminate())
      return socket
    }
    for (const i of [0, 1, 2]) await open(i)
    await expect.poll(() => closed).toEqual([0])
    // And ends with the KDC, in good order.
    await kdc.close()
    await expect.poll(() => [...closed].sort()).toEqual([0, 1, 2])
  })

  it('is taken over no more once the KDC ends', async () => {
    const { kdc } = await startOwnKdc()
    const { port } = await serve(kdc)
    await kdc.close()
    expect(await handshake(port, '/kdc', own(port))).toBe(0)
  })
})

describe('an address that other machines reach', () => {
  it.each(['0.0.0.0', '::', '192.0.2.7'])(
    'is %s only with TLS, or by a word that says what that gives up',
    async host => {
      const place = { host, port: 8760 }
      const without = consoleAddress(place, [8750], { tls: false, allowed: false })
      await expect(without).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(/has no TLS.*--allow-console-without-tls/),
      })
      expect(await consoleAddress(place, [8750], { tls: true, allowed: false })).toEqual(place)
      expect(await consoleAddress(place, [8750], { tls: false, allowed: true })).toEqual(place)
    },
  )

  it('is no port that the KDC has', async () => {
    const shared = consoleAddress({ host: '127.0.0.1', port: 8750 }, [8750, 0], { tls: true, allowed: true })
    await expect(shared).rejects.toThrow('cannot share port 8750')
  })
})
