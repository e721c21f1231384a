import { afterEach, describe, expect, it, vi } from 'vitest'
import { INVITATIONS_CLEARED } from '../../../kdc/limits/defaults.js'
import { planClearingRules } from '../../../kdc/realm/ended-rules.js'
import { KeySchedule } from '../../../kdc/realm/key-schedule.js'
import { encodeRealmChanges } from '../../../shared/administration/realm.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'
import { enrol, invitations, invite } from '../../support/invitations.js'
import { ask, grantOf, local, login, outcome, START, type TestRealm, testRealm } from '../../support/realm.js'
import { restarted } from '../../support/restart.js'
import { turns } from '../../support/turns.js'

const running: KeySchedule[] = []

afterEach(async () => {
  for (const schedule of running.splice(0)) await schedule.stop()
})

/** A realm whose schedule runs on the clock of the test. */
async function scheduled(realm?: TestRealm): Promise<TestRealm & { schedule: KeySchedule }> {
  const made = realm ?? (await testRealm())
  const schedule = KeySchedule.start({ realm: made.realm, timers: made.clock, report: made.context.report })
  running.push(schedule)
  return { ...made, schedule }
}

/** Time passes, and the schedule looks once. */
async function later(realm: TestRealm, milliseconds: number): Promise<void> {
  realm.clock.pass(milliseconds)
  realm.realm.time.look()
  await realm.clock.elapse(10 * MINUTE)
  await turns()
}

async function keys(realm: TestRealm, name: string): Promise<string[]> {
  return (await realm.record(name)).keys.map(({ kvno, state }) => `${kvno} ${state}`)
}

describe('the schedule of the keys of the KDC', () => {
  it('changes krbtgt and kdc when they are 30 days old, and erases what was before once no ticket can live', async () => {
    const realm = await scheduled()
    await later(realm, 29 * DAY)
    expect([await keys(realm, 'krbtgt'), await keys(realm, 'kdc')]).toEqual([['1 current'], ['1 current']])
    await later(realm, DAY)
    for (const name of ['krbtgt', 'kdc']) expect(await keys(realm, name)).toEqual(['2 current', '1 old'])
    await later(realm, 7 * DAY - HOUR)
    for (const name of ['krbtgt', 'kdc']) expect(await keys(realm, name)).toEqual(['2 current', '1 old'])
    await later(realm, 2 * HOUR)
    for (const name of ['krbtgt', 'kdc']) expect(await keys(realm, name)).toEqual(['2 current'])
    const told = realm.logger.lines
      .filter(({ message }) => message === 'administration')
      .map(({ fields }) => fields)
    const by = 'the KDC itself'
    expect(told).toEqual([
      { by, method: 'rotate', on: [local('krbtgt')], kvno: 2 },
      { by, method: 'rotate', on: [local('kdc')], kvno: 2 },
      { by, method: 'erase-keys', on: [local('krbtgt')], kvnos: [1] },
      { by, method: 'erase-keys', on: [local('kdc')], kvnos: [1] },
    ])
  })

  it('leaves a TGT good that was granted just before', async () => {
    const realm = await scheduled()
    const web = await realm.add('web')
    realm.clock.pass(30 * DAY - 1)
    const tgt = grantOf(await login(realm, web, { time: realm.clock.now() }))
    await later(realm, MINUTE)
    expect(await keys(realm, 'krbtgt')).toEqual(['2 current', '1 old'])
    expect(outcome(await ask(realm, tgt, { time: realm.clock.now() }))).toBe('reply')
  })

  it('follows the settings of the realm, each principal its own', async () => {
    const realm = await scheduled()
    await realm.call('set-realm', [encodeRealmChanges({ rotation: { krbtgt: 2 * DAY, kdc: null } })])
    await later(realm, 2 * DAY)
    expect([await keys(realm, 'krbtgt'), await keys(realm, 'kdc')]).toEqual([
      ['2 current', '1 old'],
      ['1 current'],
    ])
    await later(realm, 100 * DAY)
    expect(await keys(realm, 'kdc')).toEqual(['1 current'])
  })

  it('clears invitations away a day after they ended, with the principals that they made, and no others', async () => {
    const realm = await scheduled()
    const code = await invite(realm, 'orders/*', { uses: 5, endsAt: START + HOUR })
    const staged = await enrol(realm, code, 'a')
    const joined = await enrol(realm, code, 'b')
    expect(outcome(await login(realm, joined))).toBe('reply')
    const other = await invite(realm, 'web', { endsAt: START + 2 * DAY })
    await later(realm, HOUR + DAY - 11 * MINUTE)
    expect(await realm.record(code.principal)).toMatchObject({ removed: false, lastKvno: code.kvno })
    await later(realm, 11 * MINUTE)
    expect(await realm.store.get('principal', code.principal)).toBeUndefined()
    expect(await realm.record(staged.principal)).toMatchObject({ removed: true, keys: [] })
    expect(realm.logger.lines.at(-1)?.fields).toEqual({
      by: 'the KDC itself',
      method: 'clear-invitations',
      on: [code.principal],
    })
    expect(outcome(await login(realm, joined))).toBe('reply')
    expect((await invitations(realm)).map(({ invitation }) => invitation)).toEqual([other.principal])
  })

  it('tells of invitations that it could not clear away, and tries again', async () => {
    const realm = await scheduled()
    await invite(realm, 'web')
    const { commit } = realm.store
    realm.store.commit = () => Promise.reject(new Error('EIO'))
    await later(realm, 2 * DAY)
    expect(realm.logger.lines.at(-1)).toMatchObject({
      message: expect.stringContaining('could not be cleared away'),
      fields: { failure: { message: 'EIO' } },
    })
    realm.store.commit = commit
    await later(realm, 0)
    expect(await invitations(realm)).toEqual([])
  })

  it('clears all of them in one look, in one pass over them, however many', async () => {
    const realm = await scheduled()
    for (let i = 0; i < 2 * INVITATIONS_CLEARED + 1; i++) await invite(realm, `host${i}`)
    const list = vi.spyOn(realm.store, 'list')
    await later(realm, 2 * DAY)
    // The schedule looks twice in that time.
    expect(list.mock.calls.filter(([, { after }]) => after?.startsWith('invite-'))).toHaveLength(2)
    const told = realm.logger.lines.filter(({ fields }) => fields.method === 'clear-invitations')
    expect(told.map(({ fields }) => (fields.on as unknown[]).length)).toEqual([
      INVITATIONS_CLEARED,
      INVITATIONS_CLEARED,
      1,
    ])
    expect(await invitations(realm)).toEqual([])
  })

  it('clears them once, however many KDCs serve the realm', async () => {
    const realm = await scheduled()
    for (let i = 0; i < 3; i++) await scheduled(realm)
    await invite(realm, 'web')
    await later(realm, 2 * DAY)
    expect(realm.logger.lines.filter(({ fields }) => fields.method === 'clear-invitations')).toHaveLength(1)
    expect(realm.logger.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('clears rules away a day after they ended, and shows them until then', async () => {
    const realm = await scheduled()
    await realm.allow('web', 'orders', { until: START + HOUR })
    await realm.allow('web', '*', { until: START + 3 * DAY })
    await realm.allow('*', 'orders')
    const clients = async () => (await realm.vault.list('policy', { limit: 9 })).map(({ name }) => name)
    const all = await clients()
    await later(realm, HOUR + DAY - 11 * MINUTE)
    expect(await clients()).toEqual(all)
    await later(realm, 11 * MINUTE)
    expect(await clients()).toEqual(all.filter(name => name !== 'web@demo.example orders@demo.example'))
    expect(realm.logger.lines.at(-1)?.fields).toEqual({
      by: 'the KDC itself',
      method: 'clear-rules',
      on: ['web@demo.example orders@demo.example'],
    })
  })

  it('clears no rule away that was prolonged or replaced meanwhile', async () => {
    const realm = await scheduled()
    await realm.allow('web', 'orders', { until: START + HOUR })
    const names = [(await realm.vault.list('policy', { limit: 9 })).at(-1)?.name ?? '']
    const late = START + 2 * DAY
    expect((await planClearingRules(realm.realm, names, late)).changes).toHaveLength(1)
    await realm.allow('web', 'orders', { until: START + 3 * DAY })
    expect((await planClearingRules(realm.realm, names, late)).changes).toEqual([])
  })

  it('changes no key of another principal', async () => {
    const realm = await scheduled()
    await realm.add('web')
    await realm.call('set-realm', [encodeRealmChanges({ rotation: { principals: DAY } })])
    await later(realm, 40 * DAY)
    expect(await keys(realm, 'web')).toEqual(['1 current'])
  })

  it('does nothing for an hour after the clock leapt, since a key that is erased stays so', async () => {
    const realm = await scheduled()
    await realm.call('rotate', [local('krbtgt')])
    realm.clock.step(8 * DAY)
    realm.realm.time.look()
    await later(realm, 0)
    expect(await keys(realm, 'krbtgt')).toEqual(['2 current', '1 old'])
    await later(realm, HOUR)
    expect(await keys(realm, 'krbtgt')).toEqual(['2 current'])
  })

  it('does nothing for an hour after it started, since a machine may start with a wrong clock', async () => {
    const before = await testRealm()
    await before.call('rotate', [local('krbtgt')])
    const code = await invite(before, 'web', { endsAt: START + 2 * DAY })
    before.clock.step(365 * DAY)
    const realm = await scheduled(await restarted(before))
    await later(realm, 40 * MINUTE)
    expect(await keys(realm, 'krbtgt')).toEqual(['2 current', '1 old'])
    expect(await realm.record(code.principal)).toMatchObject({ removed: false })
    realm.clock.step(-365 * DAY)
    await later(realm, HOUR)
    expect(await keys(realm, 'krbtgt')).toEqual(['2 current', '1 old'])
    expect(outcome(await login(realm, code))).toBe('reply')
  })

  it('changes nothing while the clock is set back, and catches up', async () => {
    const realm = await scheduled()
    realm.clock.set(START - 40 * DAY)
    await later(realm, 2 * HOUR)
    expect(await keys(realm, 'krbtgt')).toEqual(['1 current'])
    realm.clock.set(START + 30 * DAY)
    await later(realm, 2 * HOUR)
    await later(realm, HOUR)
    expect(await keys(realm, 'krbtgt')).toEqual(['2 current', '1 old'])
  })

  it('changes a key once, however many KDCs serve the realm', async () => {
    const realm = await scheduled()
    for (let i = 0; i < 3; i++) await scheduled(realm)
    await later(realm, 30 * DAY)
    for (const name of ['krbtgt', 'kdc']) expect(await keys(realm, name)).toEqual(['2 current', '1 old'])
  })

  it.each([true, false])(
    'tells of a store that fails, and tries again (it had written: %s)',
    async writes => {
      const realm = await scheduled()
      const commit = realm.store.commit.bind(realm.store)
      let failures = 0
      realm.store.commit = async changes => {
        if (failures++ === 0) {
          if (writes) await commit(changes)
          throw new Error('EIO')
        }
        await commit(changes)
      }
      await later(realm, 30 * DAY)
      expect(realm.logger.lines.filter(({ level }) => level === 'error')).toMatchObject([
        { fields: { method: 'rotate', on: [local('krbtgt')] } },
        { fields: { principal: local('krbtgt'), failure: { message: 'EIO' } } },
      ])
      await later(realm, 0)
      expect(await keys(realm, 'krbtgt')).toEqual(['2 current', '1 old'])
    },
  )

  it('is over when it is stopped, and holds no process', async () => {
    const realm = await scheduled()
    expect(realm.clock.timers).toEqual({ all: 1, held: 0 })
    await realm.schedule.stop()
    expect(realm.clock.timers.all).toBe(0)
    await later(realm, 40 * DAY)
    expect(await keys(realm, 'krbtgt')).toEqual(['1 current'])
  })
})
