import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startKdc } from '../end-to-end/processes.js'
import { connectAs, type FaultRealm, makeRealm } from '../support/folder-realm.js'

let realm: FaultRealm

beforeEach(async () => {
  realm = await makeRealm(['web', 'orders'], [['web', 'orders']])
})
afterEach(() => realm.remove())

async function requireTicket(url: string): Promise<void> {
  const client = await connectAs(realm, url, 'web')
  expect((await client.getServiceTicket('orders')).client).toBe('web@demo.example')
  client.close()
}

/** Its terminal was closed, or a tool wants its log reopened. Windows has no such signal. */
describe.skipIf(process.platform === 'win32')('a KDC that gets SIGHUP', { timeout: 60_000 }, () => {
  it('goes on, says so in its log, and ends in order when it is told to', async () => {
    const kdc = await startKdc(realm.folder)
    for (let signals = 1; signals <= 2; signals++) {
      kdc.child.kill('SIGHUP')
      const told = () => kdc.log().match(/"signal":"SIGHUP","msg":"the KDC goes on/g)?.length ?? 0
      await expect.poll(told).toBe(signals)
      await requireTicket(kdc.url)
    }
    expect(await kdc.end('SIGTERM')).toBe(0)
    expect(kdc.log()).toContain('KDC closed')
  })
})
