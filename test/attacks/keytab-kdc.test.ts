import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../client/connect.js'
import { TYPE } from '../../shared/constants.js'
import { parseKeytab } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import { failureOf } from '../support/failure.js'
import { loadService } from '../support/load-service.js'
import { WebSocketProxy } from '../support/websocket-proxy.js'
import { startTestRealm } from '../support/world.js'

/** The KDC that a keytab names, written there by whoever may not. */

async function keytabNaming(text: string, urls: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-named-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'web.keytab')
  await writeFile(path, text.replace('\n', `\n# kdc ${urls.join(',')}\n`), { mode: 0o600 })
  return path
}

describe('a KDC that a keytab names, and that has not its key,', () => {
  it('gets a login that proves it nothing, and no ticket comes of it', async () => {
    const [realm, fake] = [await startTestRealm(), await startTestRealm()]
    for (const each of [realm, fake]) {
      await each.add('web', 'orders')
      await each.allow('web', 'orders')
    }
    const wire = await WebSocketProxy.start(fake.kdc.url)
    const keytab = await keytabNaming(realm.keytab('web'), [wire.url])
    const common = { keytab, clock: realm.clock, timers: realm.clock, logger: silentLogger }
    const web = await connect(common)
    onTestFinished(() => web.close())
    const cause = await failureOf(web.getServiceTicket('orders'))
    expect(cause).toMatchObject({ code: 'auth_failed', final: false })
    expect(String(cause)).toContain('nothing proves that it was the KDC')
    const [login] = wire.asked(TYPE.AS_REQ)
    const [entry] = parseKeytab(realm.keytab('web'))
    expect(login).toBeDefined()
    expect(Buffer.from(login ?? []).includes(Buffer.from(JSON.stringify(entry)))).toBe(false)
    // A service that is sent there accepts nothing, since nobody confirms what is revoked.
    const orders = await keytabNaming(realm.keytab('orders'), [wire.url])
    const service = await loadService({ ...common, keytab: orders })
    onTestFinished(() => service.close())
    expect(service.state).toMatchObject({ ready: false, feed: { connected: false } })
  })

  it('costs a question where the keytab names the right one too', async () => {
    const [realm, fake] = [await startTestRealm(), await startTestRealm()]
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const keytab = await keytabNaming(realm.keytab('web'), [fake.kdc.url, realm.kdc.url])
    for (let i = 0; i < 4; i++) {
      const web = await connect({ keytab, clock: realm.clock, timers: realm.clock, logger: silentLogger })
      expect(await web.getServiceTicket('orders')).toMatchObject({ service: 'orders@test.example' })
      web.close()
    }
  })
})

describe('the line of a keytab', () => {
  it.each([0o620, 0o602])('is not read where others may write it, mode %i', async mode => {
    const realm = await startTestRealm()
    await realm.add('web')
    const keytab = await keytabNaming(realm.keytab('web'), [realm.kdc.url])
    await chmod(keytab, mode)
    const options = { keytab, logger: silentLogger }
    for (const allowed of [{}, { allowReadableKeytab: true }]) {
      const refused = { code: 'keytab_invalid', message: expect.stringContaining('changed by others') }
      await expect(connect({ ...options, ...allowed })).rejects.toMatchObject(refused)
      await expect(loadService({ ...options, ...allowed })).rejects.toMatchObject(refused)
    }
  })
})
