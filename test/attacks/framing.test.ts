import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { requireTicket } from '../../service/require-ticket.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'

/** How a message begins and ends, if the other side decides it. */

async function listen(server: Server | ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

async function scene(): Promise<TestRealm> {
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  return realm
}

/** The credentials of an empty POST, taken off the wire before they reached the service. */
async function stolenCredentials(realm: TestRealm): Promise<string> {
  let stolen = ''
  const port = await listen(
    createHttpServer((req, res) => {
      stolen = req.headers.authorization ?? ''
      res.end()
    }),
  )
  const web = await realm.connect('web')
  const failure = await web
    .fetch(`http://127.0.0.1:${port}/`, { method: 'POST', service: 'orders' })
    .catch(e => e)
  expect(failure).toMatchObject({ code: 'response_unproved' })
  return stolen
}

describe('HTTP/2', () => {
  it('carries no body past the binding that no header announced', async () => {
    const realm = await scene()
    const authorization = await stolenCredentials(realm)
    const service = await realm.loadService('orders')
    let handled = 0
    const guarded = requireTicket({ service }, (_req, res) => {
      handled++
      res.end()
    })
    const port = await listen(createServer(guarded as never))
    const session = connect(`http://127.0.0.1:${port}`)
    onTestFinished(() => session.destroy())
    const stream = session.request({ ':method': 'POST', ':path': '/', authorization })
    stream.end('EVIL BODY')
    const headers = await new Promise<Record<string, unknown>>(resolve => stream.once('response', resolve))
    expect(headers[':status']).toBe(400)
    expect(headers['www-authenticate']).toContain('error="malformed"')
    expect(handled).toBe(0)
  })
})

describe('a service that never ends its answer', () => {
  it.each([
    ['after a proof of nothing', 'Authentication-Info: Orthrus AQkA'],
    ['after no proof', 'X-Nothing: x'],
    ['after an encoded body', 'Authentication-Info: Orthrus AQkA\r\nContent-Encoding: gzip'],
  ])('%s is disconnected', async (_, header) => {
    const realm = await scene()
    const hungUp = new Promise<void>(resolve => {
      const server = createTcpServer((socket: Socket) => {
        socket.on('error', () => {})
        socket.once('close', () => resolve())
        socket.once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\n${header}\r\nContent-Length: 100\r\n\r\nx`)
        })
      })
      void listen(server).then(async port => {
        const web = await realm.connect('web')
        const failure = await web.fetch(`http://127.0.0.1:${port}/`, { service: 'orders' }).catch(e => e)
        expect(failure).toMatchObject({ code: 'response_unproved', final: false })
      })
    })
    await hungUp
  })
})
