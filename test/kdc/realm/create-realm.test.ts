import { describe, expect, it } from 'vitest'
import { createRealm } from '../../../kdc/realm/create-realm.js'
import { openRealm } from '../../../kdc/realm/realm.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { RECORD_KIND } from '../../../kdc/store/store.js'
import { MasterKey } from '../../../kdc/vault/master-key.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { DAY, HOUR } from '../../../shared/time.js'
import { grantOf, local, login, REALM, START, TestClock, testRealm } from '../../support/realm.js'

const emptyVault = (): Vault => new Vault(createMemoryStore(), new MasterKey(systemRandom(32)), systemRandom)
const clock = new TestClock()

describe('a new realm', () => {
  it('has a KDC, an administrator who may administer it, and the default lifetimes', async () => {
    const realm = await testRealm()
    expect(realm.realm.record).toMatchObject({
      realm: REALM,
      maxTgtLife: 10 * HOUR,
      maxServiceLife: HOUR,
      maxRenew: 7 * DAY,
      createdAt: START,
    })
    expect(realm.admin).toMatchObject({ principal: 'admin@demo.example', kvno: 1 })
    const answer = await login(realm, realm.admin, { services: [local('kdc')] })
    expect(grantOf(answer, 1).claims).toEqual([['role', 'admin']])
  })

  it('has keys of its own, all different', async () => {
    const realm = await testRealm()
    const keys = await Promise.all(
      ['krbtgt', 'kdc', 'admin'].map(async name => (await realm.record(name)).keys[0]?.key),
    )
    const all = [...keys.flatMap(key => (key ? [revealKey(key)] : [])), realm.realm.record.saltSecret]
    expect(new Set(all.map(bytes => Buffer.from(bytes).toString('hex'))).size).toBe(4)
  })

  it('is made once', async () => {
    const vault = emptyVault()
    await createRealm({ vault, realm: REALM, clock, random: systemRandom })
    const before = await vault.read(RECORD_KIND.PRINCIPAL, local('admin'))
    await expect(
      createRealm({ vault, realm: 'other.example', clock, random: systemRandom }),
    ).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('has a realm already'),
    })
    expect(await vault.read(RECORD_KIND.PRINCIPAL, local('admin'))).toEqual(before)
    expect(await vault.read(RECORD_KIND.PRINCIPAL, 'admin@other.example')).toBeUndefined()
  })

  it.each([
    [{ realm: 'Demo' }],
    [{ realm: '' }],
    [{ maxTgtLife: 0 }],
    [{ maxServiceLife: 1.5 }],
    [{ maxRenew: -1 }],
    [{ maxRenew: Number.POSITIVE_INFINITY }],
  ])('is not made of %j', async wrong => {
    const vault = emptyVault()
    await expect(createRealm({ vault, realm: REALM, clock, random: systemRandom, ...wrong })).rejects.toThrow(
      TypeError,
    )
    expect(await vault.list(RECORD_KIND.REALM, { limit: 1 })).toEqual([])
  })

  it('is not opened if there is none', async () => {
    await expect(openRealm({ vault: emptyVault(), clock, random: systemRandom })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('orthrus init'),
    })
  })
})
