import { describe, expect, it } from 'vitest'
import {
  decodeRealmSummary,
  encodeRealmChanges,
  type RealmChanges,
  type RealmSummary,
} from '../../../shared/administration/realm.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { ageAtRefresh } from '../../../shared/ticket/refresh.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'
import { grantOf, local, login, START, type TestRealm, testRealm } from '../../support/realm.js'
import { restarted } from '../../support/restart.js'
import { feedScene, settled, TestFollower } from '../feed/following.js'

async function settings(realm: TestRealm): Promise<RealmSummary> {
  return decodeRealmSummary((await realm.call('realm', []))[0])
}

async function change(realm: TestRealm, changes: RealmChanges): Promise<RealmSummary> {
  return decodeRealmSummary((await realm.call('set-realm', [encodeRealmChanges(changes)]))[0])
}

const DEFAULTS: RealmSummary = {
  realm: 'demo.example' as RealmSummary['realm'],
  maxTgtLife: 10 * HOUR,
  maxServiceLife: HOUR,
  maxRenew: 7 * DAY,
  longestLife: 7 * DAY,
  rotation: { krbtgt: 30 * DAY, kdc: 30 * DAY, principals: null },
  survive: null,
  createdAt: START,
}

describe('set-realm', () => {
  it('changes what it names and leaves the rest, also over a restart', async () => {
    const realm = await testRealm()
    expect(await settings(realm)).toEqual(DEFAULTS)
    const once = {
      ...DEFAULTS,
      maxServiceLife: 2 * HOUR,
      rotation: { krbtgt: 2 * DAY, kdc: null, principals: 90 * DAY },
    }
    const rotation = { krbtgt: 2 * DAY, kdc: null, principals: 90 * DAY }
    expect(await change(realm, { maxServiceLife: 2 * HOUR, rotation })).toEqual(once)
    expect(await change(realm, {})).toEqual(once)
    const twice = { ...once, rotation: { ...once.rotation, kdc: 5 * DAY, principals: null } }
    expect(await change(realm, { rotation: { kdc: 5 * DAY, principals: null } })).toEqual(twice)
    expect(await settings(await restarted(realm))).toEqual(twice)
  })

  it('never lets the longest life shrink', async () => {
    const realm = await testRealm()
    expect((await change(realm, { maxRenew: 30 * DAY })).longestLife).toBe(30 * DAY)
    expect((await change(realm, { maxRenew: DAY })).longestLife).toBe(30 * DAY)
    expect((await change(realm, { maxTgtLife: 40 * DAY })).longestLife).toBe(40 * DAY)
    expect((await change(realm, { maxTgtLife: DAY, maxRenew: DAY })).longestLife).toBe(40 * DAY)
  })

  it('is in force for the next ticket, longer or shorter, and no ticket outlives the longest life', async () => {
    const random = (length: number): Uint8Array => new Uint8Array(length)
    const realm = await testRealm({ random })
    const web = await realm.add('web')
    await realm.add('orders')
    await realm.allow('web', 'orders')
    for (const maxServiceLife of [5 * MINUTE, 9 * HOUR, MINUTE]) {
      await change(realm, { maxServiceLife })
      const grant = grantOf(await login(realm, web, { services: [local('orders')] }), 1)
      expect(grant.endTime - START).toBe(maxServiceLife)
    }
  })

  it('keeps revocations as long as the longest life, whatever was set a moment before', async () => {
    const realm = await testRealm()
    await realm.add('web')
    const both = [change(realm, { maxRenew: 60 * DAY }), realm.call('disable', [local('web')])]
    await Promise.all(both)
    await realm.realm.revocations.settle()
    const [entry] = await realm.realm.revocations.entries(1, 1)
    expect(entry?.keepUntil).toBe(START + 60 * DAY + 10 * MINUTE)
  })

  it.each<[string, Value]>([
    ['a life below a minute', encodeRealmChanges({ maxServiceLife: MINUTE - 1 })],
    ['a life over a year', encodeRealmChanges({ maxRenew: 366 * DAY + 1 })],
    ['a life of nothing', [0, null, null, [null, null, null], null]],
    ['keys due before a day', encodeRealmChanges({ rotation: { krbtgt: DAY - 1 } })],
    [
      'an age whose end is no time, so that nobody could ask about their keys',
      encodeRealmChanges({ rotation: { principals: Number.MAX_SAFE_INTEGER } }),
    ],
    ['a text', ['1h', null, null, [null, null, null], null]],
    ['two ages', [null, null, null, [null, null], null]],
    ['no ages', [null, null, null, null, null]],
    ['a field too many', [null, null, null, [null, null, null], null, null]],
  ])('refuses %s', async (_, changes) => {
    const realm = await testRealm()
    await expect(realm.call('set-realm', [changes])).rejects.toMatchObject({ code: 'malformed' })
    expect(await settings(realm)).toEqual(DEFAULTS)
  })

  it('takes a life of a minute, and one of a year', async () => {
    const realm = await testRealm()
    await change(realm, { maxServiceLife: MINUTE, maxTgtLife: MINUTE, maxRenew: 366 * DAY })
    expect((await settings(realm)).longestLife).toBe(366 * DAY)
  })

  it('is told with what was set', async () => {
    const realm = await testRealm()
    await change(realm, { maxRenew: DAY })
    expect(realm.logger.lines.at(-1)).toMatchObject({
      message: 'administration',
      fields: { method: 'set-realm', on: ['demo.example'], settings: { ...DEFAULTS, maxRenew: DAY } },
    })
  })
})

describe('an outage that is to be survived', () => {
  it('lengthens what tickets live, and keys and revocations are kept as long', async () => {
    const realm = await testRealm()
    const changed = await change(realm, { survive: DAY, maxRenew: HOUR })
    const [maxServiceLife, maxTgtLife] = [36 * HOUR, 48 * HOUR]
    expect(changed).toMatchObject({ survive: DAY, maxServiceLife, maxTgtLife, maxRenew: HOUR })
    expect(await settings(await restarted(realm))).toEqual(changed)
    const longer = await change(realm, { survive: 30 * DAY })
    expect(longer.longestLife).toBe(longer.maxTgtLife)
    expect(longer.longestLife).toBeGreaterThan(30 * DAY)
  })

  it('leaves every ticket in use as much as it takes, however much the KDC shortens it', async () => {
    const realm = await testRealm()
    for (const survive of [MINUTE, HOUR, 2 * HOUR, 5 * HOUR, DAY, 3 * DAY, 30 * DAY]) {
      const { maxServiceLife, maxTgtLife } = await change(realm, { survive })
      for (const share of [0.9, 1]) {
        const tgt = share * maxTgtLife
        const atTheLatest = tgt - ageAtRefresh(tgt)
        const ticket = Math.min(0.9 * maxServiceLife, atTheLatest)
        expect(ticket - ageAtRefresh(ticket), `${survive / HOUR} h`).toBeGreaterThan(survive)
      }
    }
  })

  it('is taken back with the lifetimes that it made', async () => {
    const realm = await testRealm()
    await change(realm, { survive: 3 * DAY })
    const shorter = await change(realm, { survive: DAY })
    expect(shorter.maxServiceLife).toBe(36 * HOUR)
    const { longestLife } = shorter
    expect(await change(realm, { survive: null })).toEqual({ ...DEFAULTS, longestLife })
  })

  it('keeps longer lifetimes that were chosen', async () => {
    const realm = await testRealm()
    await change(realm, { maxServiceLife: 9 * HOUR, maxTgtLife: 5 * DAY })
    expect(await change(realm, { survive: HOUR })).toMatchObject({
      maxServiceLife: 9 * HOUR,
      maxTgtLife: 5 * DAY,
    })
    expect(await change(realm, { survive: null })).toMatchObject({
      maxServiceLife: 9 * HOUR,
      maxTgtLife: 5 * DAY,
    })
  })

  it.each<[string, RealmChanges]>([
    ['a ticket that is too short for it', { survive: DAY, maxServiceLife: 30 * HOUR }],
    ['a TGT that is too short for it', { survive: DAY, maxTgtLife: 40 * HOUR }],
    ['less than a minute', { survive: MINUTE - 1 }],
    ['more than 30 days', { survive: 30 * DAY + 1 }],
  ])('is refused with %s', async (_, changes) => {
    const realm = await testRealm()
    await expect(change(realm, changes)).rejects.toMatchObject({ code: 'malformed' })
    expect(await settings(realm)).toEqual(DEFAULTS)
  })

  it('does not let a later change make it untrue', async () => {
    const realm = await testRealm()
    await change(realm, { survive: DAY })
    await expect(change(realm, { maxServiceLife: HOUR })).rejects.toThrow('change survive too')
    await change(realm, { survive: null, maxServiceLife: HOUR })
  })

  it('is told to those who follow, before their first answer to alive, and whenever it changes', async () => {
    const scene = await feedScene()
    const told = (follower: TestFollower): unknown[] =>
      follower.heard.map(one => (typeof one === 'object' && 'name' in one ? [one.name, ...one.fields] : one))
    const first = await TestFollower.open(scene, await scene.add('orders'))
    await first.follow()
    expect(told(first)).toEqual([])
    await change(scene, { survive: DAY })
    await change(scene, { maxRenew: DAY })
    expect(told(first)).toEqual([['survive', DAY]])
    const second = await TestFollower.open(scene, await scene.add('billing'))
    await second.follow()
    await settled()
    expect(told(second)).toEqual([['survive', DAY]])
    await change(scene, { survive: null })
    for (const follower of [first, second]) expect(told(follower).at(-1)).toEqual(['survive', 0])
  })
})
