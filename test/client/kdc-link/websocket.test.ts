import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { connect } from '../../../client/connect.js'
import { openSocket as openPlatform } from '../../../client/kdc-link/websocket.js'
import { openSocket as openNode } from '../../../client/kdc-link/websocket.node.js'
import { LIMIT, SUBPROTOCOL } from '../../../shared/constants.js'
import { systemClock } from '../../../shared/time.js'
import { FakeKdc, ORDERS } from '../fake-kdc.js'
import { failureOf, Setting } from '../setting.js'

/** At this path the platform's WebSocket opens though the server took no subprotocol, as in a browser. */
const NO_PROTOCOL = '/none'

/** Node 20 has none of its own; that of `ws` has the same form. Errors are events that need no listener. */
class PlatformWebSocket extends WebSocket {
  constructor(url: string, protocol: string) {
    super(url, url.endsWith(NO_PROTOCOL) ? [] : protocol)
    this.on('error', () => {})
  }
}

const MAX = 4 + LIMIT.MESSAGE_BYTES

/** Over real sockets, at any free port. */
async function serve(options: { readonly protocol?: false; readonly compress?: true } = {}) {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: options.compress === true,
    ...(options.protocol === false ? { handleProtocols: () => false } : {}),
  })
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

afterEach(() => vi.unstubAllGlobals())

describe.each([
  ['of ws', openNode],
  ['of the platform', openPlatform],
])('a WebSocket %s', (_, openSocket) => {
  const open = (url: string) => {
    vi.stubGlobal('WebSocket', PlatformWebSocket)
    const told: string[] = []
    const events: Record<'opened' | 'closed', Promise<string>> = { opened: never(), closed: never() }
    const received: Uint8Array[] = []
    let next: () => void = () => {}
    const socket = new Promise<ReturnType<typeof openSocket>>(resolveSocket => {
      events.closed = new Promise(resolveClosed => {
        events.opened = new Promise(resolveOpened => {
          resolveSocket(
            openSocket(
              { url, protocol: SUBPROTOCOL, maxBytes: MAX },
              {
                opened: () => {
                  told.push('opened')
                  resolveOpened('opened')
                },
                ponged: () => {},
                received: bytes => {
                  received.push(bytes)
                  next()
                },
                closed: reason => {
                  told.push('closed')
                  resolveClosed(reason)
                },
              },
            ),
          )
        })
      })
    })
    const arrival = () =>
      new Promise<void>(resolve => {
        next = resolve
      })
    return { socket, told, received, arrival, events }
  }

  it('carries binary frames both ways, under the subprotocol and without compression', async () => {
    const { server, url } = await serve()
    server.on('connection', socket => {
      expect(socket.protocol).toBe(SUBPROTOCOL)
      expect(socket.extensions).toBe('')
      socket.on('message', data => socket.send(data))
    })
    const { socket, events, received, arrival } = open(url)
    await events.opened
    const frame = new Uint8Array(MAX).fill(3)
    const arrived = arrival()
    ;(await socket).send(frame)
    await arrived
    expect(received).toEqual([frame])
    expect(received[0]?.constructor).toBe(Uint8Array)
    ;(await socket).close()
    expect(await events.closed).toContain('closed')
    // Nobody hears it, and it does no harm.
    ;(await socket).send(frame)
  })

  it('tells when what it was given is sent, or never will be', async () => {
    const { server, url } = await serve()
    let read = 0
    let peer: WebSocket | undefined
    server.on('connection', socket => {
      peer = socket
      socket.pause()
      socket.on('message', () => {
        read += 1
      })
    })
    const { socket: opening, events } = open(url)
    await events.opened
    const socket = await opening
    const frames = 400
    let sent = 0
    for (let i = 0; i < frames; i++) socket.send(new Uint8Array(MAX), () => (sent += 1))
    await expect.poll(() => peer).toBeDefined()
    expect(sent).toBeLessThan(frames)
    peer?.resume()
    await expect.poll(() => [sent, read]).toEqual([frames, frames])
    socket.close()
    await events.closed
    socket.send(new Uint8Array(1), () => (sent += 1))
    expect(sent).toBe(frames + 1)
  })

  it.each([
    ['a frame over the limit', (socket: WebSocket) => socket.send(new Uint8Array(MAX + 1))],
    ['text', (socket: WebSocket) => socket.send('text')],
    ['an end', (socket: WebSocket) => socket.close()],
    ['a cut', (socket: WebSocket) => socket.terminate()],
  ])('is closed by %s', async (_name, act) => {
    const { server, url } = await serve()
    server.on('connection', act)
    const { events, received, told } = open(url)
    await events.closed
    expect(received).toEqual([])
    expect(told).toEqual(['opened', 'closed'])
  })

  it('reports that nothing listens there', async () => {
    const { server, url } = await serve()
    await new Promise(resolve => server.close(resolve))
    const { events, told } = open(url)
    expect(await events.closed).toBeTruthy()
    expect(told).toEqual(['closed'])
  })

  it('is not opened by a server that does not speak the subprotocol', async () => {
    const { url } = await serve({ protocol: false })
    const { events, told } = open(`${url}${NO_PROTOCOL}`)
    await events.closed
    expect(told).toEqual(['closed'])
  })
})

it('of the platform is closed if it fails, though nobody says that it closed: a CSP that forbids it in Chromium', async () => {
  class Forbidden {
    static readonly CLOSED = 3
    readonly readyState = 3
    onerror: () => void = () => {}
    constructor() {
      queueMicrotask(() => this.onerror())
    }
  }
  vi.stubGlobal('WebSocket', Forbidden)
  const options = { url: 'ws://127.0.0.1:8750', protocol: SUBPROTOCOL, maxBytes: MAX }
  const reason = await new Promise<string>(resolve => {
    openPlatform(options, { opened: () => {}, received: () => {}, ponged: () => {}, closed: resolve })
  })
  expect(reason).toContain('code 1006')
})

it('of ws offers no compression, though the server would accept it', async () => {
  const { server, url } = await serve({ compress: true })
  const offered = new Promise(resolve => {
    server.on('headers', (_, request) => resolve(request.headers['sec-websocket-extensions']))
  })
  const silent = { opened: () => {}, received: () => {}, ponged: () => {}, closed: () => {} }
  const socket = openNode({ url, protocol: SUBPROTOCOL, maxBytes: MAX }, silent)
  expect(await offered).toBeUndefined()
  socket.close()
})

it.each([
  [
    'a message in a great many fragments',
    /fragments/,
    async (socket: WebSocket) => {
      for (let i = 0; i < 20; i++) socket.send(new Uint8Array(1), { fin: false })
    },
  ],
  [
    'a frame byte by byte',
    /chunks/,
    async (_: WebSocket, wire: Socket) => {
      wire.setNoDelay().write(Buffer.from([0x82, 126, 0xff, 0xff]))
      for (let sent = 0; !wire.destroyed && sent < 10_000; sent++) {
        wire.write(new Uint8Array(1))
        await new Promise(resolve => setImmediate(resolve))
      }
    },
  ],
])('of ws is closed by %s, which it would have to keep', async (_, reason, flood) => {
  const { server, url } = await serve()
  server.on('connection', (socket, request) => {
    socket.on('error', () => {})
    void flood(socket, request.socket)
  })
  const closed = new Promise<string>(resolve => {
    const events = { opened: () => {}, received: () => {}, ponged: () => {}, closed: resolve }
    openNode({ url, protocol: SUBPROTOCOL, maxBytes: MAX }, events)
  })
  expect(await closed).toMatch(reason)
})

describe('a realm over real sockets', () => {
  const prepare = async () => {
    const setting = new Setting()
    const kdc = new FakeKdc(setting.time)
    Object.assign(kdc.time, { now: systemClock.now })
    const { server, url } = await serve()
    server.on('connection', socket => {
      socket.on('message', (data: Buffer) => {
        const answer = kdc.answer(new Uint8Array(data.subarray(4)))
        if (answer !== undefined) socket.send(Buffer.concat([data.subarray(0, 4), answer]))
      })
    })
    Object.assign(setting, { kdc })
    return { setting, kdc, server, url }
  }

  it('gets tickets, finds a KDC that was away for a while, and ends', async () => {
    const { setting, server, url } = await prepare()
    const realm = await connect({ kdc: url, keytab: setting.keytab })
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    for (const client of server.clients) client.terminate()
    expect(await realm.getServiceTicket('billing')).toMatchObject({ client: realm.client })
    realm.close()
    await Promise.all(
      [...server.clients].map(client => new Promise(resolve => client.once('close', resolve))),
    )
    expect(server.clients.size).toBe(0)
  })

  it('says what answers at the URL if it is not a KDC', async () => {
    const { setting, server, url } = await prepare()
    await new Promise(resolve => {
      for (const client of server.clients) client.terminate()
      server.close(resolve)
    })
    const cause = await failureOf(connect({ kdc: url, keytab: setting.keytab }))
    expect(String(cause)).toContain(url)
    expect(String(cause)).toContain('ECONNREFUSED')
  })
})

function never(): Promise<string> {
  return new Promise(() => {})
}
