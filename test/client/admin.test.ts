import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConnectedAdministration, connectAdmin, NO_LIMITS, NO_TERMS } from '../../client/admin.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'

/** `orthrus/admin` against a KDC. */

let realm: TestRealm
let admin: ConnectedAdministration

beforeAll(async () => {
  realm = await startRealm()
  await realm.add('root', 'web', 'orders')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  admin = await connect('root')
})

afterAll(async () => {
  admin.close()
  await realm.close()
})

function connect(name: string): Promise<ConnectedAdministration> {
  const { clock } = realm
  return connectAdmin({ kdc: realm.kdc.url, keytab: { text: realm.keytab(name) }, clock, timers: clock })
}

describe('connectAdmin', () => {
  it('administers by names as people write them', async () => {
    const { kvno } = await admin.add({ principal: admin.principal('billing'), password: null, ...NO_LIMITS })
    expect(kvno).toBe(1)
    const pair = { client: admin.pattern('@backend'), service: admin.pattern('billing') }
    await admin.setRule({ ...pair, effect: 'allow', ...NO_TERMS, claims: [['role', 'reader']] })
    await admin.groups.add({ group: admin.pattern('@backend'), principals: [admin.principal('web')] })
    expect(await admin.rule(pair.client, pair.service)).toMatchObject({ claims: [['role', 'reader']] })
    const web = await realm.connect('web')
    expect(await web.getServiceTicket('billing')).toMatchObject({ claims: { role: 'reader' } })
    expect((await admin.wholePolicy.read()).groups.get(pair.client)).toEqual([admin.principal('web')])
  })

  it('goes on over another channel once one has ended', async () => {
    await admin.show(admin.principal('web'))
    await admin.revocations.client(admin.principal('root'))
    await expect.poll(async () => (await admin.show(admin.principal('web'))).principal).toContain('web')
  })

  it('is told what it may not do, and goes on', async () => {
    const other = await connect('orders')
    await expect(other.show(other.principal('web'))).rejects.toMatchObject({ code: 'not_authorized' })
    await expect(other.show(other.principal('web'))).rejects.toMatchObject({ code: 'not_authorized' })
    other.close()
  })

  it('makes no call once it is closed', async () => {
    const other = await connect('root')
    other.close()
    await expect(other.show(other.principal('web'))).rejects.toMatchObject({
      code: 'channel_broken',
      final: true,
    })
  })

  it('is refused for a name that is none', () => {
    expect(() => admin.principal('Web')).toThrow(TypeError)
    expect(() => admin.pattern('w*')).toThrow(TypeError)
  })
})
