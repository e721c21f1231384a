import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { OrthrusError } from 'orthrus/client'
import { requireTicket } from 'orthrus/service'
import { startRealm } from 'orthrus/testing'

/**
 * `npm run example:two-hops`: web calls billing, and billing calls orders in web's name, with a ticket that web cut
 * down for it. Each party's log is printed as it is written.
 */

/** Prints the log of one party: what happened, and whom it concerns. */
function loggerOf(party: string) {
  const print = (fields: object, message: string): void => {
    const { client, via, service, code, reason, caveats } = fields as Record<string, unknown>
    const facts = Object.entries({
      client,
      via,
      service,
      code,
      reason,
      caveats: String(caveats ?? '') || undefined,
    })
    const shown = facts.filter(([, value]) => value !== undefined).map(([name, value]) => `${name}=${value}`)
    if (shown.length > 0) console.log(`${party.padEnd(8)}| ${message}: ${shown.join(' ')}`)
  }
  return { debug: () => {}, info: print, warn: print, error: print }
}

const servers: Server[] = []

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const realm = await startRealm({ realm: 'demo.example', logger: loggerOf('kdc') })
await realm.add('web', 'billing', 'orders', 'stranger')
await realm.allow('web', 'billing')
await realm.allow('web', 'orders', { claims: { role: 'reader' }, delegable: true })
await realm.allow('billing', 'orders')
await realm.allow('stranger', 'orders')

const ordersService = await realm.loadService('orders', { logger: loggerOf('orders') })
const orders = await listen(
  requireTicket({ service: ordersService }, (_req, res, ticket) => {
    res.end(`one book for ${ticket.client} (${ticket.claims.role}), asked for by ${ticket.via ?? 'itself'}`)
  }),
)

const billingRealm = await realm.connect('billing')
const billingService = await realm.loadService('billing', { logger: loggerOf('billing') })
const billing = await listen(
  requireTicket({ service: billingService }, async (_req, res, ticket) => {
    const inTheirName = ticket.onBehalf(billingRealm)
    const order = await inTheirName.fetch(`${orders}/orders/7`, { service: 'orders' })
    res.end(`the bill of ${ticket.client}: ${await order.text()}`)
  }),
)

const web = await realm.connect('web')
const whole = await web.getServiceTicket('orders')
const handOff = whole.attenuate({ to: 'billing', expires: '1m', methods: ['GET'], paths: ['/orders'] })
const bill = await web.fetch(`${billing}/bill`, { service: 'billing', handOff })
console.log(`web     | got: ${await bill.text()}`)

// The same credential, leaked: a stranger can do nothing with it.
const stranger = await realm.connect('stranger')
try {
  stranger.import(handOff.credential())
} catch (error) {
  if (!(error instanceof OrthrusError)) throw error
  console.log(`stranger| ${error.message}`)
}

for (const server of servers) server.close()
await realm.close()
