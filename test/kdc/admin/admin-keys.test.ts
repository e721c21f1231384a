import { describe, expect, it } from 'vitest'
import { KDC_OLD_KEYS_MAX } from '../../../kdc/limits/defaults.js'
import { type DueKey, decodeDueKey, decodeRotated } from '../../../shared/administration/keys.js'
import { encodeRealmChanges } from '../../../shared/administration/realm.js'
import { toHex } from '../../../shared/bytes.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { listOf } from '../../../shared/encoding/fields.js'
import { parametersWith } from '../../../shared/exchange/params.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'
import { invite } from '../../support/invitations.js'
import {
  ask,
  grantOf,
  krbtgt,
  local,
  login,
  openedBy,
  outcome,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

const LONGEST = 7 * DAY + 10 * MINUTE
const person = () => ({
  parameters: parametersWith(systemRandom(16)),
  key: new LongTermKey(systemRandom(32)),
})

async function rotate(realm: TestRealm, name: string): Promise<number | null> {
  return decodeRotated(await realm.call('rotate', [local(name)]))
}

async function states(realm: TestRealm, name: string): Promise<unknown[]> {
  return (await realm.record(name)).keys.map(({ kvno, state, endsAt }) => [kvno, state, endsAt])
}

async function dueIn(realm: TestRealm, limit = 100): Promise<DueKey[]> {
  const rows: DueKey[] = []
  for (let after: Value = null; ; ) {
    const page: DueKey[] = listOf((await realm.call('due', [after, limit]))[0]).map(decodeDueKey)
    rows.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < limit) return rows
    after = [last.principal]
  }
}

describe('rotate, of krbtgt', () => {
  it('makes a fresh key current at once; the one before opens TGTs until none can live, and is then erased', async () => {
    const realm = await testRealm({ maxTgtLife: 7 * DAY })
    const web = await realm.add('web')
    const before = await krbtgt(realm)
    realm.clock.pass(HOUR)
    const tgt = grantOf(await login(realm, web, { time: realm.clock.now() }))
    expect(await rotate(realm, 'krbtgt')).toBe(2)
    const endsAt = START + HOUR + LONGEST
    expect(await states(realm, 'krbtgt')).toEqual([
      [2, 'current', null],
      [1, 'old', endsAt],
    ])
    const after = await krbtgt(realm)
    expect(openedBy(after, grantOf(await login(realm, web, { time: realm.clock.now() }))).client).toBe(
      web.principal,
    )
    realm.clock.set(tgt.endTime - 1)
    expect(outcome(await ask(realm, tgt, { time: realm.clock.now() }))).toBe('reply')
    realm.clock.set(endsAt)
    expect(outcome(await ask(realm, tgt, { time: realm.clock.now() }))).toBe('05 ticket_invalid')
    await rotate(realm, 'krbtgt')
    expect(await states(realm, 'krbtgt')).toEqual([
      [3, 'current', null],
      [2, 'old', endsAt + LONGEST],
    ])
    const kept = (await realm.record('krbtgt')).keys.map(({ key }) => toHex(revealKey(key)))
    expect(kept).not.toContain(toHex(revealKey(before.key)))
  })

  it('keeps the old key as long as the longest life ever allowed, although tickets are shorter now', async () => {
    const realm = await testRealm()
    await realm.call('set-realm', [
      encodeRealmChanges({ maxTgtLife: HOUR, maxRenew: HOUR, maxServiceLife: HOUR }),
    ])
    await rotate(realm, 'krbtgt')
    expect((await states(realm, 'krbtgt'))[1]).toEqual([1, 'old', START + LONGEST])
  })

  it('refuses one more old key than a ticket should be tried with', async () => {
    const realm = await testRealm()
    const [key] = (await realm.record('krbtgt')).keys
    if (key === undefined) throw new Error('no key')
    const keys = Array.from({ length: KDC_OLD_KEYS_MAX }, (_, i) => {
      return { ...key, kvno: KDC_OLD_KEYS_MAX - i, state: 'old', endsAt: START + 1 } as const
    })
    const lastKvno = KDC_OLD_KEYS_MAX + 1
    await realm.amend('krbtgt', record => ({
      ...record,
      lastKvno,
      keys: [{ ...key, kvno: lastKvno }, ...keys],
    }))
    await expect(rotate(realm, 'krbtgt')).rejects.toMatchObject({ code: 'malformed' })
    realm.clock.pass(1)
    expect(await rotate(realm, 'krbtgt')).toBe(lastKvno + 1)
    expect((await states(realm, 'krbtgt')).length).toBe(2)
  })

  it('gives each of several calls at the same time a key, and keeps all that opened tickets', async () => {
    const realm = await testRealm()
    const kvnos = await Promise.all(Array.from({ length: 4 }, () => rotate(realm, 'krbtgt')))
    expect(kvnos).toEqual([2, 3, 4, 5])
    expect((await states(realm, 'krbtgt')).map(state => (state as unknown[])[1])).toEqual([
      'current',
      ...Array(4).fill('old'),
    ])
  })
})

describe('rotate, of kdc', () => {
  it('keeps tickets for the KDC good that were granted before', async () => {
    const realm = await testRealm()
    const asked = { services: [local('kdc')] }
    const [key] = (await realm.record('kdc')).keys
    if (key === undefined) throw new Error('no key')
    const kdc = { principal: local('kdc'), ...key }
    const before = grantOf(await login(realm, realm.admin, asked), 1)
    expect(await rotate(realm, 'kdc')).toBe(2)
    const after = grantOf(await login(realm, realm.admin, asked), 1)
    expect(openedBy(kdc, before).client).toBe(realm.admin.principal)
    expect(() => openedBy(kdc, after)).toThrow()
    expect(await states(realm, 'kdc')).toEqual([
      [2, 'current', null],
      [1, 'old', START + LONGEST],
    ])
  })
})

describe('rotate, of any other principal', () => {
  it('asks its holder, and changes no key', async () => {
    const realm = await testRealm()
    await realm.add('web')
    const { keys } = await realm.record('web')
    expect(await rotate(realm, 'web')).toBeNull()
    realm.clock.pass(HOUR)
    expect(await rotate(realm, 'web')).toBeNull()
    const record = await realm.record('web')
    expect(record).toMatchObject({ rotationAskedAt: START, lastKvno: 1 })
    expect(record.keys.map(({ kvno }) => kvno)).toEqual(keys.map(({ kvno }) => kvno))
  })

  it.each<[string, (realm: TestRealm) => Promise<unknown>, string, RegExp]>([
    ['a person', realm => realm.add('web', { password: person() }), 'malformed', /admin reset-password web/],
    ['nobody', async () => undefined, 'unknown_service', /no principal/],
    [
      'one without a key',
      async realm => {
        await realm.add('web')
        await realm.amend('web', record => ({ ...record, keys: [] }))
      },
      'malformed',
      /admin invite web/,
    ],
    [
      'an invitation',
      async realm => {
        await realm.add('web')
        const invitation = await invite(realm, 'new')
        const record = await realm.record(invitation.principal)
        await realm.amend('web', web => ({ ...web, invitation: record.invitation }))
      },
      'unknown_service',
      /invitation/,
    ],
  ])('refuses %s', async (_, make, code, message) => {
    const realm = await testRealm()
    await make(realm)
    await expect(rotate(realm, 'web')).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })
})

describe('due', () => {
  it('lists whose key is due, by its age or because it was asked for, page by page', async () => {
    const realm = await testRealm()
    for (const name of ['c', 'a', 'b']) await realm.add(name)
    await realm.add('ann', { password: person() })
    expect(await dueIn(realm)).toEqual([])
    await rotate(realm, 'b')
    const asked = { principal: local('b'), kvno: 1, createdAt: START, due: START, askedAt: START }
    expect(await dueIn(realm)).toEqual([asked])
    await realm.call('set-realm', [encodeRealmChanges({ rotation: { principals: DAY } })])
    realm.clock.pass(DAY - 1)
    expect(await dueIn(realm)).toEqual([asked])
    realm.clock.pass(1)
    const aged = ['a', 'admin', 'b', 'c'].map(name => {
      const principal = local(name)
      return name === 'b' ? asked : { principal, kvno: 1, createdAt: START, due: START + DAY, askedAt: null }
    })
    for (const limit of [1, 3, 100]) expect(await dueIn(realm, limit)).toEqual(aged)
  })

  it('counts a request of a clock that was ahead from the next one, so that it is not put off by that much', async () => {
    const realm = await testRealm()
    await realm.add('web')
    realm.clock.set(START + HOUR)
    await rotate(realm, 'web')
    realm.clock.set(START)
    expect(await dueIn(realm)).toEqual([])
    await rotate(realm, 'web')
    expect((await dueIn(realm)).map(({ due }) => due)).toEqual([START])
  })

  it('lists none whose holder gets no ticket, with which it could change the key', async () => {
    const realm = await testRealm()
    for (const name of ['a', 'b', 'c']) {
      await realm.add(name, name === 'b' ? { expiresAt: START + HOUR } : {})
      await rotate(realm, name)
    }
    await realm.call('disable', [local('a')])
    const due = async () => (await dueIn(realm)).map(({ principal }) => principal)
    realm.clock.pass(HOUR - 1)
    expect(await due()).toEqual([local('b'), local('c')])
    realm.clock.pass(1)
    expect(await due()).toEqual([local('c')])
    await realm.call('enable', [local('a')])
    expect(await due()).toEqual([local('a'), local('c')])
  })

  it('lists keys of the KDC that should have changed by themselves, and no removed principal', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await rotate(realm, 'web')
    await realm.call('remove', [local('web')])
    realm.clock.pass(30 * DAY)
    expect((await dueIn(realm)).map(({ principal }) => principal)).toEqual([local('kdc'), local('krbtgt')])
  })
})
