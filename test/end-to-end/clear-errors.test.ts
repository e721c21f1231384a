import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Realm } from '../../client/realm.js'
import { requireTicket, type Service, ticketOf } from '../../service/index.js'
import { startRealm } from '../../testing/index.js'
import { failureOf } from '../support/failure.js'
import { TestLogger } from '../support/logger.js'

/** Where a hop is wrong, what its caller gets and what the service's log says name the cause and the next step. */

interface Hop {
  readonly web: Realm
  readonly orders: Service
  readonly billing: Service
  readonly log: TestLogger
  serve(listener: RequestListener): Promise<string>
}

async function start(): Promise<Hop> {
  const log = new TestLogger()
  const realm = await startRealm({ logger: log })
  onTestFinished(() => realm.close())
  await realm.add('web', 'orders', 'billing')
  await realm.allow('web', '*')
  return {
    web: await realm.connect('web'),
    orders: await realm.loadService('orders'),
    billing: await realm.loadService('billing'),
    log,
    serve,
  }
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The message, as whoever runs the caller reads it. */
async function told(call: Promise<unknown>): Promise<string> {
  return String(((await failureOf(call)) as Error).message)
}

const pay = { service: 'orders', method: 'POST', body: 'pay 1' }

describe('a hop says what is wrong and what to do:', () => {
  it('the service is not protected', async () => {
    const { web, serve } = await start()
    const url = await serve((_req, res) => void res.end('hello'))
    const message = await told(web.fetch(url, pay))
    expect(message).toMatch(/^response_unproved: nothing proves that the response is from orders@/)
    expect(message).toContain('does requireTicket protect this path?')
    expect(message).toContain(`connect({ allowUnprotected: ['${url}'] })`)
  })

  it('another service listens there', async () => {
    const { web, billing, log, serve } = await start()
    const url = await serve(requireTicket({ service: billing }, (_req, res) => res.end('hello')))
    const message = await told(web.fetch(url, pay))
    expect(message).toMatch(/^refused_unproved: an answer in the name of orders@/)
    expect(message).toMatch(/is orders the service at this address\?.*services of connect/)
    const line = log.lines.find(({ fields }) => fields.kind === 'refused')
    expect(line?.fields.reason).toMatch(/ticket for orders@.*this service is billing@/)
    expect(line?.fields.hint).toMatch(
      /the client takes billing@.* for orders@.*: correct the address .*services of connect/,
    )
  })

  it('the service is away', async () => {
    const { web } = await start()
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    const message = await told(web.fetch(`http://127.0.0.1:${port}`, pay))
    expect(message).toMatch(/^unavailable: no complete answer from http:\/\/127\.0\.0\.1:\d+/)
    expect(message).toMatch(/nothing was sent.*nothing listens there: start orders@.*or check host and port/)
  })

  it.each(['express', 'node:http'])('something read the body before the gate, in %s', async where => {
    const { web, orders, log, serve } = await start()
    const app = express()
    app.use(express.text({ type: '*/*' }), requireTicket({ service: orders }))
    app.post('/', (req, res) => void res.end(ticketOf(req).client))
    const guarded = requireTicket({ service: orders }, (_req, res) => res.end('hello'))
    const url = await serve(
      where === 'express' ? app : (req, res) => void req.resume().on('end', () => guarded(req, res)),
    )
    const message = await told(web.fetch(url, pay))
    expect(message).toMatch(/unavailable.*the log of orders.* says why/)
    const line = log.lines.find(({ level }) => level === 'error')
    expect(String(line?.fields.err)).toContain('mount requireTicket before body parsers')
  })

  it('a proxy takes the ticket away, where none is required', async () => {
    const { web, orders, serve } = await start()
    const options = { service: orders, permitWithoutTicket: true } as const
    const guarded = requireTicket(options, (_req, res) => res.end('hello'))
    const url = await serve((req, res) => {
      const at = req.rawHeaders.findIndex(name => name.toLowerCase() === 'authorization')
      req.rawHeaders.splice(at, 2)
      guarded(req, res)
    })
    expect(await told(web.fetch(url, pay))).toMatch(
      /^response_unproved.*does requireTicket protect this path/,
    )
    expect(orders.state.withoutTicket?.peers).toMatchObject([{ address: '127.0.0.1', requests: 1 }])
  })

  it('a proxy takes the ticket away', async () => {
    const { web, orders, log, serve } = await start()
    const guarded = requireTicket({ service: orders }, (_req, res) => res.end('hello'))
    const url = await serve((req, res) => {
      const at = req.rawHeaders.findIndex(name => name.toLowerCase() === 'authorization')
      req.rawHeaders.splice(at, 2)
      guarded(req, res)
    })
    const message = await told(web.fetch(url, { ...pay, cover: ['content-language'] }))
    expect(message).toMatch(/does a proxy remove the Authorization header\?/)
    const line = log.lines.find(({ fields }) => fields.kind === 'challenged')
    expect(line?.fields.hint).toMatch(/something on the way removes or rewrites that header/)
  })
})
