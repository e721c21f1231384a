import { describe, expect, it } from 'vitest'
import type { WireError } from '../../shared/encoding/error.js'
import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import { expectRefused, failureOf, startTestRealm, startWorld } from '../support/world.js'

import { type Answer, entryOf, grantsOf, HandClient, outcome, present } from './by-hand.js'

/** Asks again, once, at the time that the KDC said it is. */
async function inTime(ask: (time?: number) => Promise<Answer>): Promise<Answer> {
  const answer = await ask()
  const error: WireError | undefined = answer.error
  return error?.code === 'clock_skew' && error.authenticated ? ask(error.time) : answer
}

/** What each step of the clock does is in test/kdc/realm/revocation.test.ts; here it is done to a KDC that runs. */
const STEPS = [-2 * HOUR, 0, 2 * HOUR] as const

/** A clock that went back finds the old ticket to be of the future, before it looks whether it was revoked. */
const REFUSED = ['06 revoked', '06 ticket_not_yet_valid']

describe('a TGT from before', () => {
  const pairs = STEPS.flatMap(before => STEPS.map(after => [before, after] as const))

  it.each(pairs)(
    'its client was disabled is revoked, also once it is enabled again; clock steps of %d and %d ms',
    async (before, after) => {
      const realm = await startTestRealm()
      await realm.add('web', 'orders')
      await realm.allow('web', 'orders')
      const { clock, administration } = realm
      const rightTime = clock.now()
      const web = await HandClient.open(realm, 'web')
      const [tgt] = await web.grants()
      const { principal } = entryOf(realm, 'web')
      const services = [entryOf(realm, 'orders').principal]
      const tgs = () => inTime(time => web.tgs(tgt, time === undefined ? { services } : { services, time }))
      const login = () => inTime(time => web.login(time === undefined ? { services } : { services, time }))
      expect(outcome(await tgs())).toBe('reply')
      clock.set(clock.now() + before)
      await administration.disable(principal)
      expect(REFUSED).toContain(outcome(await tgs()))
      expect(outcome(await login())).toBe('06 principal_disabled')
      clock.set(clock.now() + after)
      expect(REFUSED).toContain(outcome(await tgs()))
      await administration.enable(principal)
      expect(REFUSED).toContain(outcome(await tgs()))
      const [fresh] = grantsOf(await login(), 2)
      expect(outcome(await inTime(time => web.tgs(fresh, time === undefined ? {} : { time })))).toBe('reply')
      clock.set(rightTime)
      expect(outcome(await tgs())).toBe('06 revoked')
    },
  )

  it.each(pairs)(
    'its client was deleted, and made again, is revoked; clock steps of %d and %d ms',
    async (before, after) => {
      const realm = await startTestRealm()
      await realm.add('web', 'orders')
      await realm.allow('web', 'orders')
      const { clock, administration } = realm
      const rightTime = clock.now()
      const web = await HandClient.open(realm, 'web')
      const [tgt] = await web.grants()
      const { principal } = entryOf(realm, 'web')
      const services = [entryOf(realm, 'orders').principal]
      const tgs = () => inTime(time => web.tgs(tgt, time === undefined ? { services } : { services, time }))
      clock.set(clock.now() + before)
      await administration.remove(principal)
      expect(REFUSED).toContain(outcome(await tgs()))
      expect(outcome(await inTime(time => web.login(time === undefined ? {} : { time })))).toBe(
        '05 auth_failed',
      )
      clock.set(clock.now() + after)
      await realm.add('web')
      expect(REFUSED).toContain(outcome(await tgs()))
      expect(outcome(await inTime(time => web.login(time === undefined ? {} : { time })))).toBe(
        '05 auth_failed',
      )
      clock.set(rightTime)
      expect(outcome(await tgs())).toBe('06 revoked')
      const again = await HandClient.open(realm, 'web')
      expect(again.kvno).toBe(2)
      const answer = await inTime(time => again.login(time === undefined ? { services } : { services, time }))
      expect(outcome(answer)).toBe('reply')
      // The new one's ticket beside the old one's key, and the other way round.
      const [fresh] = grantsOf(answer, 2)
      const mixed = await web.tgs({ ...fresh, key: tgt.key }, { services, time: fresh.authTime })
      expect(outcome(mixed)).toBe('05 auth_failed')
    },
  )

  it('is reported to the client’s caller by what a new login says', async () => {
    const { web, realm, clock } = await startWorld()
    await realm.add('billing')
    await realm.allow('web', 'billing')
    await web.getServiceTicket('orders')
    const { principal } = entryOf(realm, 'web')
    await realm.administration.disable(principal)
    const failure = await failureOf(web.getServiceTicket('billing'))
    expect(failure).toMatchObject({ code: 'principal_disabled', final: true })
    await realm.administration.enable(principal)
    clock.advance(2 * SECOND)
    expect((await web.getServiceTicket('billing')).service).toBe('billing@test.example')
    await realm.administration.remove(principal)
    await realm.add('web', 'stock')
    await realm.allow('web', 'stock')
    expect(await failureOf(web.getServiceTicket('stock'))).toMatchObject({
      code: 'auth_failed',
      final: false,
      facts: { claimed: 'auth_failed' },
    })
  })

  it('gives nobody its tickets or the rules of its policy by taking the name of one that is gone', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders', { claims: { role: 'admin' } })
    const old = await HandClient.open(realm, 'web')
    const [tgt] = await old.grants('orders')
    await realm.administration.remove(old.principal)
    const services = [entryOf(realm, 'orders').principal]
    expect(outcome(await old.tgs(tgt, { services }))).toBe('06 revoked')
    await realm.add('web.')
    const almost = await HandClient.open(realm, 'web.')
    const answer = await almost.login({ services })
    expect(answer.reply?.denials.map(({ code }) => code)).toEqual(['policy_denied'])
  })
})

describe('a chain of renewals', () => {
  it('ends at renewTill, however it is renewed, and keeps the time of the login', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const { clock } = realm
    const web = await HandClient.open(realm, 'web')
    const [first] = await web.grants()
    const { renewTill, authTime } = first
    if (renewTill === null) throw new Error('not renewable')
    let [tgt, renewals] = [first, 0]
    while (tgt.endTime < renewTill) {
      clock.advance(tgt.endTime - 1 - clock.now())
      // What the client asks for changes nothing.
      const lifetime = renewals % 2 === 0 ? 0 : Number.MAX_SAFE_INTEGER
      const [renewed] = grantsOf(await web.tgs(tgt, { renew: true, lifetime }))
      expect(renewed).toMatchObject({ authTime, renewTill })
      expect(renewed.endTime).toBeLessThanOrEqual(renewTill)
      if (renewed.endTime <= tgt.endTime) break
      tgt = renewed
      renewals++
    }
    expect(renewals).toBeGreaterThan(15)
    expect(tgt.endTime).toBeGreaterThan(renewTill - HOUR)
    clock.advance(renewTill - clock.now())
    expect(outcome(await web.tgs(tgt, { renew: true }))).toBe('06 ticket_expired')
    expect(outcome(await web.tgs(first, { renew: true }))).toBe('06 ticket_expired')
  })

  it('cannot begin with a ticket that is not renewable, nor with one for a service', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const web = await HandClient.open(realm, 'web')
    const [plain] = grantsOf(await web.login())
    expect(plain.renewTill).toBeNull()
    expect(outcome(await web.tgs(plain, { renew: true }))).toBe('06 not_renewable')
    expect(outcome(await web.tgs(await web.ticket('orders'), { renew: true }))).toBe('05 ticket_invalid')
  })
})

describe('a ticket that ended', () => {
  it('is refused by the service and the KDC from that millisecond on', async () => {
    const { realm, orders, clock } = await startWorld()
    const web = await HandClient.open(realm, 'web')
    const [tgt, ticket] = await web.grants('orders')
    if (ticket === undefined) throw new Error('denied')
    clock.advance(ticket.endTime - 1 - clock.now())
    expect((await orders.deliver(present(ticket, { time: clock.now() }))).status).toBe(200)
    clock.advance(1)
    for (const later of [0, 4_999, 1, HOUR]) {
      clock.advance(later)
      expectRefused(await orders.deliver(present(ticket, { time: clock.now() })), 'ticket_expired', '06')
    }
    clock.advance(tgt.endTime - 1 - clock.now())
    expect(outcome(await web.tgs(tgt))).toBe('reply')
    clock.advance(1)
    expect(outcome(await web.tgs(tgt))).toBe('06 ticket_expired')
    expect(orders.handled).toHaveLength(1)
  })

  it.each([-120_000 - 1, 120_000 + 1, -MINUTE * 60, 2 ** 52])(
    'or has not ended is refused if the request is stamped %d ms off',
    async offset => {
      const realm = await startTestRealm()
      await realm.add('web')
      const web = await HandClient.open(realm, 'web')
      const time = Math.max(0, realm.clock.now() + offset)
      const [tgt] = await web.grants()
      expect(outcome(await web.login({ time }))).toBe('06 clock_skew')
      expect(outcome(await web.tgs(tgt, { time }))).toBe('06 clock_skew')
    },
  )
})
