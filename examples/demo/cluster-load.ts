import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, OrthrusError, type Realm, silentLogger } from 'orthrus/client'
import { loadService, requireTicket } from 'orthrus/service'

/**
 * A service and ten clients of it under load, which keep to themselves that a KDC is gone, in a process of their own: each calls the service without end, and asks the
 * KDCs for a new ticket four times a second. The parent process asks how it went since it asked last.
 */

export interface LoadReport {
  readonly calls: number
  /** Of the calls that failed. */
  readonly failures: readonly string[]
  readonly tickets: number
  /** The longest that a new ticket took, tries that failed included, milliseconds. */
  readonly longest: number
}

const CLIENTS = 10
const [orders = '', web = '', kdcs = ''] = process.argv.slice(2)
const kdc = kdcs.split(',')

const service = await loadService({ keytab: orders, kdc, logger: silentLogger })
const server = createServer(requireTicket({ service }, (_, res, ticket) => res.end(`hello ${ticket.client}`)))
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const report = { calls: 0, failures: [] as string[], tickets: 0, longest: 0 }
/** When those began to ask that have no new ticket yet. */
const waiting = new Set<number>()
let isOver = false
let asked = 0

async function call(realm: Realm): Promise<void> {
  while (!isOver) {
    try {
      await (await realm.fetch(`${url}/orders`)).text()
    } catch (error) {
      if (!isOver) report.failures.push(String(error))
    }
    report.calls++
    await sleep(20)
  }
}

async function ask(realm: Realm): Promise<void> {
  while (!isOver) {
    const began = performance.now()
    waiting.add(began)
    // A ticket of another life is another ticket, which no cache has.
    const lifetime = 1_800_000 + ++asked
    while (!isOver && !(await isGranted(realm, lifetime))) await sleep(25)
    waiting.delete(began)
    report.tickets++
    report.longest = Math.max(report.longest, performance.now() - began)
    await sleep(250)
  }
}

async function isGranted(realm: Realm, lifetime: number): Promise<boolean> {
  try {
    await realm.getServiceTicket('orders', { lifetime })
    return true
  } catch (error) {
    if (error instanceof OrthrusError && error.code === 'unavailable') return false
    throw error
  }
}

const realms: Realm[] = []
for (let i = 0; i < CLIENTS; i++) {
  const realm = await connect({ kdc, keytab: web, services: { [url]: 'orders' }, logger: silentLogger })
  // The service accepts nothing that was stamped in its first seconds; the client waits for that by itself.
  await realm.fetch(url)
  realms.push(realm)
}
const running = realms.flatMap(realm => [call(realm), ask(realm)])

process.on('message', () => {
  const now = performance.now()
  const longest = Math.max(report.longest, ...[...waiting].map(began => now - began))
  process.send?.({ ...report, longest } satisfies LoadReport)
  Object.assign(report, { calls: 0, failures: [], tickets: 0, longest: 0 })
})
process.once('disconnect', async () => {
  isOver = true
  await Promise.all(running)
  for (const realm of realms) realm.close()
  server.closeAllConnections()
  server.close()
  await service.close()
})
process.send?.({ url })
