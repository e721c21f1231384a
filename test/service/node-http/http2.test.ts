import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { type ClientHttp2Session, connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import { requireTicket } from '../../../service/index.js'
import { startRealm } from '../realm.js'

it('a request of HTTP/2 is refused where the application may answer, and harms nobody', async () => {
  const { service } = await startRealm()
  const listener = requireTicket({ service, onRefused: (_refused, _req, res) => res.end('rendered') }, () =>
    expect.unreachable('it was handled'),
  )
  const session = await sessionWith(listener)
  for (const method of ['GET', 'POST']) {
    const stream = session.request({ ':method': method, ':path': '/orders' })
    stream.end()
    const [head] = await once(stream, 'response')
    expect([head[':status'], await text(stream)]).toEqual([401, 'authentication required\n'])
  }
})

it('a request of HTTP/2 without a ticket passes where none is required, and its handler may fail', async () => {
  const { service } = await startRealm()
  const listener = requireTicket({ service, permitWithoutTicket: true }, (req, res, ticket) => {
    if (req.url === '/fail') throw new Error('no database')
    res.end(`hello ${ticket?.client ?? 'nobody'}`)
  })
  const session = await sessionWith(listener)
  for (const [path, headers, answer] of [
    ['/', {}, [200, 'hello nobody']],
    ['/fail', {}, [500, 'internal error\n']],
    ['/', { authorization: 'Orthrus AQg' }, [400, 'malformed\n']],
    ['/', { 'orthrus-accept': 'records' }, [401, 'authentication required\n']],
  ] as const) {
    const stream = session.request({ ':path': path, ...headers })
    stream.end()
    const [head] = await once(stream, 'response')
    expect([head[':status'], await text(stream)]).toEqual(answer)
  }
  expect(service.state.withoutTicket?.requests).toBe(2)
})

async function sessionWith(listener: RequestListener): Promise<ClientHttp2Session> {
  const server = createServer(listener as unknown as Parameters<typeof createServer>[0] & RequestListener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  onTestFinished(() => {
    session.destroy()
    server.close()
  })
  return session
}
