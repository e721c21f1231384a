import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { connect } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { type KdcProcess, startKdc } from '../end-to-end/processes.js'
import { administer, type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { TcpProxy } from '../support/tcp-proxy.js'
import { type ServiceProcess, startService } from './service-process.js'

/**
 * A KDC that is away, in processes: cached tickets serve, new ones are `unavailable`, and nothing has to be restarted.
 */

/** Milliseconds: a KDC that opens no connection is given up sooner than by default. */
const TIMEOUTS = { connect: 1000 } as const

let realm: FaultRealm
let proxy: TcpProxy
let kdc: KdcProcess
let service: ServiceProcess
let clients: Realm[] = []

beforeEach(async () => {
  realm = await makeRealm(
    ['web', 'orders', 'stock'],
    [
      ['web', 'orders'],
      ['web', 'stock'],
    ],
  )
  proxy = await TcpProxy.start()
  ;[service] = await Promise.all([startService(realm, 'orders'), startKdcBehind()])
})
afterEach(async () => {
  for (const client of clients) client.close()
  clients = []
  await Promise.all([service.end('SIGKILL'), kdc.end('SIGKILL')])
  await realm.remove()
})

async function startKdcBehind(): Promise<void> {
  kdc = await startKdc(realm.folder)
  proxy.leadTo(Number(new URL(kdc.url).port))
}

/** An address that stays while the KDC behind it comes and goes. */
function kdcUrl(): string {
  return `ws://127.0.0.1:${proxy.port}`
}

async function connectHere(name: string): Promise<Realm> {
  const keytab = { text: realm.keytab(name) }
  const client = await connect({ kdc: kdcUrl(), keytab, timeouts: TIMEOUTS })
  clients.push(client)
  return client
}

async function get(client: Realm): Promise<string> {
  return (await client.fetch(`${service.url}/`, { service: 'orders' })).text()
}

/** A ticket that is not held, though the TGT for it may be. */
function another(client: Realm): Promise<unknown> {
  return client.getServiceTicket('stock')
}

const AWAY = {
  code: 'unavailable',
  facts: { hint: expect.stringMatching(/check that (?:it|the KDC) runs there/) },
}

describe('while the KDC is away', { timeout: 120_000 }, () => {
  it('because it was killed, cached tickets serve, and new ones are unavailable until it is back', async () => {
    const web = await connectHere('web')
    expect(await get(web)).toBe('web@demo.example')
    const { administration, close } = await administer(realm, kdcUrl())
    proxy.leadTo(undefined)
    await kdc.end('SIGKILL')
    for (let i = 0; i < 3; i++) expect(await get(web)).toBe('web@demo.example')
    await expect(another(web)).rejects.toMatchObject(AWAY)
    await expect(connectHere('web').then(client => client.getTgt())).rejects.toMatchObject(AWAY)
    await expect(administration.list().next()).rejects.toMatchObject({ code: 'channel_broken' })
    close()
    await startKdcBehind()
    expect(await another(web)).toMatchObject({ service: 'stock@demo.example' })
    expect(await get(web)).toBe('web@demo.example')
    expect(await get(await connectHere('web'))).toBe('web@demo.example')
  })

  it('because it is frozen, calls fail after a second and then at once, and work again a second after it goes on', async () => {
    const web = await connectHere('web')
    expect(await get(web)).toBe('web@demo.example')
    kdc.child.kill('SIGSTOP')
    expect(await get(web)).toBe('web@demo.example')
    const begun = performance.now()
    await expect(another(web)).rejects.toMatchObject(AWAY)
    expect(performance.now() - begun).toBeGreaterThan(500)
    for (let i = 0; i < 100; i++) await expect(another(web)).rejects.toMatchObject(AWAY)
    // A hundred calls on a busy machine; each took a second before.
    expect(performance.now() - begun).toBeLessThan(10_000)
    expect(await get(web)).toBe('web@demo.example')
    kdc.child.kill('SIGCONT')
    await vi.waitFor(
      async () => expect(await another(web)).toMatchObject({ service: 'stock@demo.example' }),
      {
        timeout: 10_000,
        interval: 20,
      },
    )
  })
})
