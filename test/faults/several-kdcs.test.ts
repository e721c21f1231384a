import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { connect, type Realm } from '../../client/connect.js'
import type { Service } from '../../service/index.js'
import { MINUTE, SECOND } from '../../shared/time.js'
import { type KdcProcess, startKdc } from '../end-to-end/processes.js'
import { seededChance } from '../support/chance.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { loadService } from '../support/load-service.js'
import { TestLogger } from '../support/logger.js'

/**
 * Clients and a service of three KDC processes, each with a copy of one realm, of which one at a time is killed or
 * stopped while tickets are asked for without a pause.
 */

const slow = process.env.ORTHRUS_SLOW === '1'
const ROUNDS = slow ? 30 : 2
const CLIENTS = slow ? 8 : 2
/** How many tickets each client gets on average before the next KDC fails, and how long it waits after each, milliseconds. */
const TICKETS = 20
const PAUSE = 20
const COPIES = ['orthrus-data', 'copy-b', 'copy-c']
/** What a busy machine may add to the second that a KDC costs, milliseconds. */
const SLACK = SECOND

let realm: FaultRealm
beforeEach(async () => {
  realm = await makeRealm(['web', 'orders'], [['web', 'orders']])
  for (const copy of COPIES.slice(1)) await cp(realm.data, join(realm.folder, copy), { recursive: true })
})
afterEach(() => realm.remove())

/** What clients saw. */
interface Seen {
  asked: number
  longest: number
  readonly failures: unknown[]
}

/** Asks for a ticket that no cache has, again and again. */
async function ask(client: Realm, seen: Seen, isOver: () => boolean): Promise<void> {
  for (let n = 0; !isOver(); n++) {
    const begun = performance.now()
    try {
      await client.getServiceTicket('orders', { lifetime: MINUTE + (n % 500) })
    } catch (cause) {
      seen.failures.push(cause)
    }
    seen.asked++
    seen.longest = Math.max(seen.longest, performance.now() - begun)
    await new Promise(resolve => setTimeout(resolve, PAUSE))
  }
}

async function follow(kdc: readonly string[]): Promise<Service> {
  const logger = new TestLogger()
  const service = await loadService({ keytab: { text: realm.keytab('orders') }, kdc, logger })
  onTestFinished(() => service.close())
  await expect.poll(() => service.state.ready).toBe(true)
  return service
}

interface Connected {
  readonly client: Realm
  /** The URL of the KDC that it uses. */
  used(): string
}

async function connected(kdc: readonly string[]): Promise<Connected> {
  let used = ''
  const client = await connect({
    kdc,
    keytab: { text: realm.keytab('web') },
    logger: new TestLogger(),
    onEvent: event => {
      if (event.kind === 'kdc_found') used = event.kdc
    },
  })
  onTestFinished(() => client.close())
  await client.getServiceTicket('orders')
  return { client, used: () => used }
}

describe('three KDCs, of which one after another is killed or stopped', () => {
  it('fail no call and cost none more than a second, and what follows them stays fresh', async () => {
    const chance = seededChance('several KDCs')
    const kdcs: KdcProcess[] = []
    for (const copy of COPIES) kdcs.push(await startKdc(realm.folder, copy))
    const urls = kdcs.map(({ url }) => url)
    const clients: Connected[] = []
    for (let i = 0; i < CLIENTS; i++) clients.push(await connected(urls))
    const service = await follow(urls)
    const seen: Seen = { asked: 0, longest: 0, failures: [] }
    let isOver = false
    const asking = clients.map(({ client }) => ask(client, seen, () => isOver))
    for (let round = 0; round < ROUNDS; round++) {
      const used = clients[chance.below(CLIENTS)]?.used()
      const victim = kdcs.findIndex(({ url }) => url === used)
      const kdc = kdcs[victim] as KdcProcess
      const port = new URL(kdc.url).port
      const isKilled = round % 2 === 0
      kdc.child.kill(isKilled ? 'SIGKILL' : 'SIGSTOP')
      const before = seen.asked
      await expect.poll(() => seen.asked - before).toBeGreaterThan(TICKETS * CLIENTS)
      if (!isKilled) kdc.child.kill('SIGCONT')
      else kdcs[victim] = await startKdc(realm.folder, COPIES[victim], [], ['--listen', `127.0.0.1:${port}`])
      expect(service.state).toMatchObject({ ready: true })
    }
    isOver = true
    await Promise.all(asking)
    expect(seen.failures).toEqual([])
    expect(seen.asked).toBeGreaterThan(TICKETS * CLIENTS * ROUNDS)
    expect(seen.longest).toBeLessThan(SECOND + SLACK)
    expect(service.state.feed?.age).toBeLessThan(30 * SECOND)
    console.log(`several KDCs: ${seen.asked} tickets, the longest wait ${Math.round(seen.longest)} ms`)
    for (const kdc of kdcs) await kdc.end('SIGTERM')
  })
})
