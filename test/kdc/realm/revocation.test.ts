import { describe, expect, it } from 'vitest'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import { REVOCATIONS_KEPT } from '../../../kdc/limits/defaults.js'
import { openRealm } from '../../../kdc/realm/realm.js'
import { RECORD_KIND } from '../../../kdc/store/store.js'
import { decodeRevocationRecord } from '../../../kdc/vault/records.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'
import { ask, grantOf, local, login, outcome, START, type TestRealm, testRealm } from '../../support/realm.js'

async function scene(): Promise<TestRealm> {
  const realm = await testRealm()
  await realm.add('orders')
  await realm.allow('*', 'orders')
  return realm
}

async function log({ vault }: TestRealm) {
  const listed = await vault.list(RECORD_KIND.REVOCATION, { limit: 100 })
  return listed.map(({ fields }) => decodeRevocationRecord(fields))
}

/** The same store under another process, whose memory is empty. */
async function restart(realm: TestRealm): Promise<TestRealm> {
  const reopened = await openRealm({ vault: realm.vault, clock: realm.clock, random: systemRandom })
  const context = { ...realm.context, realm: reopened }
  return { ...realm, realm: reopened, context, dispatch: createDispatch(context) }
}

const STEPS = [-DAY, -HOUR, -1, 0, 1, HOUR]

describe('between a login and the next TGS request', () => {
  it.each(STEPS.flatMap(before => STEPS.map(after => [before, after])))(
    'disabling revokes, and enabling restores nothing, with clock steps of %d and %d ms',
    async (before = 0, after = 0) => {
      const realm = await scene()
      const web = await realm.add('web')
      const loggedIn = START + DAY
      realm.clock.set(loggedIn)
      const tgt = grantOf(await login(realm, web, { renewable: true }))
      realm.clock.step(before)
      await realm.call('disable', [web.principal])
      realm.clock.step(after)
      const stamped = { time: realm.realm.time.now() }
      expect(outcome(await login(realm, web, stamped))).toBe('06 principal_disabled')
      await realm.call('enable', [web.principal])
      const answer = outcome(await ask(realm, tgt, stamped))
      expect(['06 revoked', '06 ticket_not_yet_valid']).toContain(answer)
      realm.clock.set(loggedIn)
      expect(outcome(await ask(realm, tgt, { time: realm.realm.time.now() }))).toBe('06 revoked')
      const again = grantOf(await login(realm, web, { time: realm.realm.time.now() }))
      expect(outcome(await ask(realm, again, { time: realm.realm.time.now() }))).toBe('reply')
    },
  )

  it('disabling takes effect immediately if the client was in the cache', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    await realm.call('disable', [web.principal])
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
  })

  it('disabling revokes what was granted while it was being stored', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const commit = realm.store.commit.bind(realm.store)
    let during: Grant | undefined
    realm.store.commit = async changes => {
      realm.clock.pass(1_000)
      during = grantOf(await login(realm, web, { time: realm.clock.now() }))
      await commit(changes)
    }
    await realm.call('disable', [web.principal])
    realm.store.commit = commit
    await realm.call('enable', [web.principal])
    expect(outcome(await ask(realm, during as Grant, { time: realm.clock.now() }))).toBe('06 revoked')
  })

  it.each(STEPS)(
    'removing revokes, and so does making the name again, with a clock step of %d ms',
    async step => {
      const realm = await scene()
      const web = await realm.add('web')
      const tgt = grantOf(await login(realm, web))
      const { clientId } = await realm.record('web')
      await realm.call('remove', [web.principal])
      expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
      realm.clock.step(step)
      const again = await realm.add('web')
      expect(again.kvno).toBe(2)
      expect((await realm.record('web')).clientId).not.toEqual(clientId)
      const stamped = { time: realm.realm.time.now() }
      const answer = outcome(await ask(realm, tgt, stamped))
      expect(['06 revoked', '06 ticket_not_yet_valid']).toContain(answer)
      realm.clock.set(START)
      expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
      realm.clock.set(stamped.time)
      expect(outcome(await login(realm, web, stamped))).toBe('05 auth_failed')
      expect(outcome(await login(realm, again, stamped))).toBe('reply')
    },
  )

  it('a revocation is kept over a restart', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    await realm.call('disable', [web.principal])
    await realm.call('enable', [web.principal])
    expect(outcome(await ask(await restart(realm), tgt))).toBe('06 revoked')
  })

  it('a login that was under way while its client was cut off is revoked with the rest', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const [answer] = await Promise.all([login(realm, web), realm.call('disable', [web.principal])])
    await realm.call('enable', [web.principal])
    if (answer.reply !== undefined) expect(outcome(await ask(realm, grantOf(answer)))).toBe('06 revoked')
  })

  it('a second cut-off within a millisecond revokes what was issued in between', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    for (let i = 0; i < 3; i++) {
      const tgt = grantOf(await login(realm, web))
      expect(outcome(await ask(realm, tgt))).toBe('reply')
      await realm.call('disable', [web.principal])
      await realm.call('enable', [web.principal])
      expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    }
  })

  it('a service that is removed or disabled gets no more tickets', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    const asked = { services: [local('orders')] }
    expect((await ask(realm, tgt, asked)).reply?.denials).toEqual([])
    await realm.call('disable', [local('orders')])
    expect((await ask(realm, tgt, asked)).reply?.denials).toEqual([
      { service: local('orders'), code: 'unknown_service' },
    ])
    await realm.call('enable', [local('orders')])
    expect((await ask(realm, tgt, asked)).reply?.denials).toEqual([])
    await realm.call('remove', [local('orders')])
    expect((await ask(realm, tgt, asked)).reply?.denials).toEqual([
      { service: local('orders'), code: 'unknown_service' },
    ])
    await realm.call('forget', ['*', local('orders')])
    expect((await ask(realm, tgt, asked)).reply?.denials).toEqual([
      { service: local('orders'), code: 'policy_denied' },
    ])
  })
})

describe('a clock that was wrong', () => {
  it.each(STEPS)('by %d ms during one change takes nothing down once it is right', async step => {
    const realm = await scene()
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    realm.clock.step(step)
    await realm.add('other')
    realm.clock.step(-step)
    expect(realm.realm.time.now()).toBe(realm.clock.now())
    for (const running of [realm, await restart(realm)]) {
      expect(outcome(await ask(running, tgt))).toBe('reply')
      expect(outcome(await login(running, web))).toBe('reply')
    }
  })

  it.each(STEPS.flatMap(before => STEPS.map(after => [before, after])))(
    'by %d ms before a restart and %d ms after it brings nothing back that was revoked',
    async (before = 0, after = 0) => {
      const realm = await scene()
      const web = await realm.add('web')
      const tgt = grantOf(await login(realm, web, { renewable: true }))
      realm.clock.step(before)
      await realm.call('disable', [web.principal])
      await realm.call('enable', [web.principal])
      const again = await restart(realm)
      realm.clock.set(START + after)
      expect(outcome(await ask(again, tgt, { time: realm.clock.now() }))).not.toBe('reply')
      realm.clock.set(START)
      expect(outcome(await ask(again, tgt))).toBe('06 revoked')
      expect(outcome(await login(again, web))).toBe('reply')
    },
  )
})

describe('the revocation log', () => {
  it('has a numbered entry for each series that ended, kept 10 minutes longer than its tickets can live', async () => {
    const realm = await scene()
    await realm.add('web')
    const series = [(await realm.record('web')).clientId]
    await realm.call('disable', [local('web')])
    series.push((await realm.record('web')).clientId)
    realm.clock.pass(1)
    await realm.call('remove', [local('web')])
    const keepUntil = START + 7 * DAY + 10 * MINUTE
    const entries = await log(realm)
    const entry = { kind: 'client', principal: local('web') }
    expect(entries).toMatchObject([
      { ...entry, seq: 1, by: series[0], time: START, keepUntil },
      { ...entry, seq: 2, by: series[1], time: START + 1, keepUntil: keepUntil + 1 },
    ])
    expect(entries[0]?.mark).not.toEqual(entries[1]?.mark)
  })

  it('continues after a restart, and after another process wrote', async () => {
    const realm = await scene()
    const names = ['a', 'b', 'c', 'd']
    for (const name of names) await realm.add(name)
    await realm.call('disable', [local('a')])
    const other = await restart(realm)
    await realm.call('disable', [local('b')])
    const { callMethod } = await import('../../../kdc/admin/methods.js')
    const { ownContext } = await import('../../../kdc/admin/context.js')
    const admin = ownContext(other.realm, realm.context.report)
    await Promise.all([callMethod(admin, 'disable', [local('c')]), realm.call('disable', [local('d')])])
    expect((await log(realm)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
  })

  it('drops what is outdated from its oldest end, and never one of its newest 10,000', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const { revocations, writer } = realm.realm
    const { clientId: by } = await realm.record('web')
    const revoked = { kind: 'client', principal: web.principal, by } as const
    const append = (count: number) =>
      writer.change(async now => {
        const changes = await revocations.append(Array(count).fill(revoked), now, 7 * DAY)
        return { changes, effect: 'takes', result: undefined }
      })
    await append(REVOCATIONS_KEPT)
    realm.clock.pass(8 * DAY)
    await append(1)
    await append(1)
    await revocations.settle()
    expect([revocations.oldest, revocations.newest]).toEqual([3, REVOCATIONS_KEPT + 2])
    const again = (await restart(realm)).realm.revocations
    expect([again.oldest, again.newest]).toEqual([3, REVOCATIONS_KEPT + 2])
    realm.clock.pass(-8 * DAY)
    await append(1)
    expect((await log(realm))[0]?.seq).toBe(4)
  })

  it.each([
    ['leapt ahead', async (realm: TestRealm) => realm],
    ['was ahead when the KDC started', restart],
  ])('drops nothing by a clock that %s, until it has gone on for an hour', async (_, begin) => {
    const before = await scene()
    await before.add('web')
    const appendTo = ({ realm: { revocations, writer } }: TestRealm, count: number) =>
      writer.change(async now => {
        const revoked = { kind: 'ticket', principal: local('web'), by: systemRandom(16) } as const
        const changes = await revocations.append(Array(count).fill(revoked), now, 7 * DAY)
        return { changes, effect: 'takes', result: undefined }
      })
    await appendTo(before, REVOCATIONS_KEPT)
    before.clock.pass(DAY)
    before.clock.step(365 * DAY)
    const realm = await begin(before)
    for (let i = 0; i < 3; i++) await appendTo(realm, 1)
    expect((await log(realm))[0]?.seq).toBe(1)
    realm.clock.pass(HOUR - 1)
    await appendTo(realm, 1)
    expect((await log(realm))[0]?.seq).toBe(1)
    realm.clock.pass(1)
    await appendTo(realm, 1)
    expect((await log(realm))[0]?.seq).toBe(6)
  })
})
