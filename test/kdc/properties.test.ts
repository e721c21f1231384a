import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LIMIT } from '../../shared/constants.js'
import { encodeCaveat } from '../../shared/ticket/caveats.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { DAY, HOUR } from '../../shared/time.js'
import { ask, grantsOf, local, login, openedBy, testRealm } from '../support/realm.js'

const life = fc.option(fc.integer({ min: 1, max: 20 * DAY }))
const lifetime = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }))
const step = fc.record({
  wait: fc.integer({ min: 0, max: 9 * HOUR }),
  lifetime,
  renew: fc.boolean(),
  expires: fc.option(fc.integer({ min: 1, max: 12 * HOUR })),
})

describe('whatever is asked', () => {
  it('no ticket outlives any of its limits, over any chain of renewals', async () => {
    const limits = fc.record({ client: life, service: life, policy: life, renew: life, expiresIn: life })
    const scenario = fc.tuple(limits, lifetime, fc.array(step, { maxLength: 6 }))
    await fc.assert(
      fc.asyncProperty(scenario, async ([{ client, service, policy, renew, expiresIn }, asked, steps]) => {
        const realm = await testRealm()
        const begun = realm.clock.now()
        const expiresAt = expiresIn === null ? null : begun + expiresIn
        const web = await realm.add('web', { maxLife: client, maxRenew: renew, expiresAt })
        const orders = await realm.add('orders', { maxLife: service })
        await realm.allow('web', 'orders', { maxLife: policy })

        const within = (
          grant: Grant,
          requested: number,
          maxima: (number | null)[],
          ends: (number | null)[],
        ): void => {
          const now = realm.clock.now()
          expect(grant.startTime).toBe(now)
          expect(grant.endTime).toBeGreaterThan(now)
          for (const most of [...maxima, requested || null]) {
            if (most !== null) expect(grant.endTime - now).toBeLessThanOrEqual(most)
          }
          for (const end of ends) if (end !== null) expect(grant.endTime).toBeLessThanOrEqual(end)
        }
        const tgtLives = [client, 10 * HOUR]
        const lives = [client, service, policy, HOUR]

        const services = [orders.principal]
        const first = grantsOf(await login(realm, web, { lifetime: asked, services, renewable: true }))
        let [tgt] = first as [Grant]
        const renewTill = tgt.renewTill
        within(tgt, asked, tgtLives, [expiresAt])
        if (first[1] !== undefined) within(first[1], asked, lives, [expiresAt, tgt.endTime])
        if (renewTill !== null)
          expect(renewTill - begun).toBeLessThanOrEqual(Math.min(renew ?? 7 * DAY, 7 * DAY))

        for (const { wait, lifetime: requested, renew: renewing, expires } of steps) {
          realm.clock.pass(wait)
          const end = expires === null ? null : realm.clock.now() + expires
          const caveats = end === null ? [] : [encodeCaveat({ name: 'expires', time: end })]
          const answer = await ask(realm, tgt, { lifetime: requested, renew: renewing, caveats, services })
          if (answer.reply === undefined) continue
          const grants = [...answer.reply.grants]
          const presented = tgt
          if (renewing) {
            tgt = grants.shift() ?? tgt
            expect(renewTill).not.toBeNull()
            expect(tgt).toMatchObject({ authTime: presented.authTime, renewTill })
            within(tgt, requested, tgtLives, [expiresAt, renewTill])
          }
          for (const grant of grants) {
            within(grant, requested, lives, [expiresAt, presented.endTime, end])
            expect(openedBy(orders, grant)).toMatchObject({
              endTime: grant.endTime,
              authTime: presented.authTime,
              caveats,
            })
          }
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('what would be too large', () => {
  const filler = (bytes: number): Uint8Array =>
    encodeCaveat({ name: 'app', app: 'x', value: 'y'.repeat(bytes) })

  it.each([
    ['14 caveats of the client and 2 of policy', 14, 10, []],
    ['15 caveats of the client and 2 of policy', 15, 10, ['orders too_large']],
    ['2 KiB of caveats in all, and a little', 2, 1005, ['orders too_large']],
  ])('is denied by itself: %s', async (_, count, size, expected) => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.add('orders')
    await realm.allow('web', 'orders', { methods: ['GET'], paths: ['/a'] })
    const [tgt] = grantsOf(await login(realm, web)) as [Grant]
    const caveats = Array.from({ length: count }, () => filler(size))
    const { reply } = await ask(realm, tgt, { caveats, services: [local('kdc'), local('orders')] })
    expect(reply?.denials.map(({ code }) => `orders ${code}`)).toEqual(expected)
    expect(reply?.grants[0]?.service).toBe(local('kdc'))
  })

  it('a ticket of more than 4 KiB affects no other', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    for (const name of ['large', 'larger', 'orders']) await realm.add(name)
    const claims = [['a', 'x'.repeat(2035)] as const]
    await realm.allow('web', 'large', { claims, paths: [`/${'p'.repeat(1700)}`] })
    await realm.allow('web', 'larger', { claims, paths: [`/${'p'.repeat(2030)}`] })
    await realm.allow('web', 'orders')
    const services = ['large', 'larger', 'orders'].map(local)
    const answer = await login(realm, web, { services })
    expect(grantsOf(answer).map(({ service }) => service)).toEqual([
      local('krbtgt'),
      local('large'),
      local('orders'),
    ])
    expect(answer.reply?.denials).toEqual([{ service: local('larger'), code: 'too_large' }])
  })

  it('a reply has what fits into a message, and denies the rest', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const names = Array.from({ length: LIMIT.SERVICES }, (_, i) => `s${i}`)
    for (const name of names) await realm.add(name)
    await realm.allow('web', '*', { claims: [['a', 'x'.repeat(1900)]] })
    const answer = await login(realm, web, { services: names.map(local) })
    const { grants, denials } = answer.reply ?? { grants: [], denials: [] }
    expect(answer.bytes.length).toBeLessThanOrEqual(LIMIT.MESSAGE_BYTES)
    expect(answer.bytes.length).toBeGreaterThan(LIMIT.MESSAGE_BYTES - 6 * 1024)
    expect(grants.length + denials.length).toBe(LIMIT.SERVICES + 1)
    expect(new Set(denials.map(({ code }) => code))).toEqual(new Set(['too_large']))
    expect(denials.length).toBeGreaterThan(10)
  })
})
