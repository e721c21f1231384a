import { describe, expect, it } from 'vitest'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import { CUT_OFF_AHEAD } from '../../../kdc/limits/defaults.js'
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
    const { cutOff } = await realm.record('web')
    await realm.amend('web', record => ({ ...record, cutOff: 0 }))
    expect(cutOff).toBe(START + CUT_OFF_AHEAD)
    expect(outcome(await ask(realm, tgt))).toBe('06 principal_disabled')
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

  it('disabling says so if it was stored too late to revoke everything', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const commit = realm.store.commit.bind(realm.store)
    realm.store.commit = async changes => {
      realm.clock.pass(CUT_OFF_AHEAD + 1)
      await login(realm, web, { time: realm.clock.now() })
      await commit(changes)
    }
    await expect(realm.call('disable', [web.principal])).rejects.toMatchObject({ code: 'unavailable' })
    expect((await realm.record('web')).disabled).toBe(true)
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
      realm.clock.set(Math.max(realm.clock.now(), START))
      expect(outcome(await ask(realm, tgt, stamped))).toBe('06 revoked')
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

describe('KDC time', () => {
  it('never falls below the newest time stored, restarts included', async () => {
    const realm = await scene()
    realm.clock.step(HOUR)
    const web = await realm.add('web')
    realm.clock.step(-DAY)
    expect(realm.realm.time.now()).toBe(START + HOUR)
    const again = await restart(realm)
    expect(again.realm.time.now()).toBe(START + HOUR)
    expect(outcome(await login(again, web))).toBe('06 clock_skew')
    expect(grantOf(await login(again, web, { time: START + HOUR })).startTime).toBe(START + HOUR)
  })

  it('is shared by all that share the store', async () => {
    const realm = await scene()
    const other = await restart(realm)
    realm.clock.step(HOUR)
    await realm.add('web')
    realm.clock.step(-HOUR)
    await new Promise(resolve => setImmediate(resolve))
    expect(other.realm.time.now()).toBe(START + HOUR)
  })
})

describe('the revocation log', () => {
  it('has a numbered entry for each cut-off, kept 10 minutes longer than what it revokes can live', async () => {
    const realm = await scene()
    await realm.add('web')
    await realm.call('disable', [local('web')])
    realm.clock.pass(1)
    await realm.call('remove', [local('web')])
    const time = START + CUT_OFF_AHEAD
    const keepUntil = time + 7 * DAY + 10 * MINUTE
    expect(await log(realm)).toEqual([
      { seq: 1, kind: 'client', subject: local('web'), time, extra: null, keepUntil },
      {
        seq: 2,
        kind: 'client',
        subject: local('web'),
        time: time + 1,
        extra: null,
        keepUntil: keepUntil + 1,
      },
    ])
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

  it('clears what is outdated, but never its newest entry', async () => {
    const realm = await scene()
    for (const name of ['a', 'b', 'c']) {
      await realm.add(name)
      await realm.call('disable', [local(name)])
    }
    realm.clock.pass(8 * DAY)
    await realm.call('disable', [local('a')])
    expect((await log(realm)).map(({ seq }) => seq)).toEqual([4])
  })
})
