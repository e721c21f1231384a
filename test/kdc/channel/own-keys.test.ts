import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../kdc/limits/defaults.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import { decodeOwnKeys, decodeStagedKey } from '../../../shared/administration/keys.js'
import { encodePasswordKey, type PasswordKey } from '../../../shared/administration/principals.js'
import { deriveNextKey } from '../../../shared/crypto/derive.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { parametersWith } from '../../../shared/exchange/params.js'
import { encodeCaveat } from '../../../shared/ticket/caveats.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { invite } from '../../support/invitations.js'
import { ask, grantOf, type Identity, local, login, outcome, START } from '../../support/realm.js'
import { type FeedScene, feedScene, kdcTicket, settled, TestFollower } from '../feed/following.js'

const SERVICES = { services: [local('kdc')] }
const CALLS: readonly (readonly [string, ...Value[]])[] = [['keys'], ['next-key', 1]]

const person = (): PasswordKey => ({
  parameters: parametersWith(systemRandom(16)),
  key: new LongTermKey(systemRandom(32)),
})

async function scene(): Promise<{ realm: FeedScene; web: Identity }> {
  const realm = await feedScene()
  return { realm, web: await realm.add('web') }
}

async function states(realm: FeedScene, name = 'web'): Promise<string[]> {
  return (await realm.record(name)).keys.map(({ kvno, state }) => `${kvno} ${state}`)
}

/** What a call comes to: `done`, or the code of the refusal. */
async function outcomeOf(channel: TestFollower, ...call: readonly [string, ...Value[]]): Promise<string> {
  return channel.call(...call).then(
    () => 'done',
    (cause: { code: string }) => cause.code,
  )
}

describe('a key that changes over a channel', () => {
  it('is staged, shown by a login, and ends no channel', async () => {
    const { realm, web } = await scene()
    const channel = await TestFollower.open(realm, web)
    const { kvno, salt } = decodeStagedKey(await channel.call('next-key', 1))
    const next = { ...web, kvno, key: deriveNextKey(web.key, salt) }
    expect(outcome(await login(realm, next))).toBe('reply')
    expect(decodeOwnKeys(await channel.call('keys')).keys).toEqual([
      { kvno: 2, state: 'current', createdAt: START },
    ])
    expect(channel.isOver).toBe(false)
    expect(outcome(await login(realm, web))).toBe('05 auth_failed')
  })

  it('may change only within 5 minutes of the login, whatever ticket comes of it', async () => {
    const { realm, web } = await scene()
    const tgt = grantOf(await login(realm, web, { renewable: true }))
    const early = await TestFollower.open(realm, web)
    realm.clock.pass(5 * MINUTE)
    const under = async (presented = tgt) =>
      TestFollower.under(
        realm,
        grantOf(await ask(realm, presented, { ...SERVICES, time: realm.clock.now() })),
      )
    const fresh = await under()
    for (const channel of [early, fresh]) expect(await outcomeOf(channel, 'next-key', 1)).toBe('done')
    realm.clock.pass(1)
    const renewed = grantOf(await ask(realm, tgt, { renew: true, time: realm.clock.now() }))
    for (const channel of [early, fresh, await under(), await under(renewed)]) {
      for (const call of CALLS) {
        expect(await outcomeOf(channel, ...call)).toBe('not_authorized')
      }
    }
    expect(await states(realm)).toEqual(['3 next', '1 current'])
  })

  it.each([
    ['that expires', encodeCaveat({ name: 'expires', time: START + HOUR })],
    ['that names methods and claims', encodeCaveat({ name: 'claims', claims: ['role'] })],
    ['that names the KDC alone', encodeCaveat({ name: 'services', services: [local('kdc')] })],
  ])('may not change under a TGT with a caveat %s', async (_, caveat) => {
    const { realm, web } = await scene()
    const tgt = grantOf(await login(realm, web))
    const grant = grantOf(await ask(realm, tgt, { ...SERVICES, caveats: [caveat] }))
    const channel = await TestFollower.under(realm, grant)
    for (const call of CALLS) {
      expect(await outcomeOf(channel, ...call)).toBe('not_authorized')
    }
    expect(await states(realm)).toEqual(['1 current'])
  })

  it('changes no more often than the realm can bear, and administration goes on', async () => {
    const limits = { ...DEFAULT_LIMITS, keyChangesPerClient: { points: 3, interval: HOUR } }
    const realm = await feedScene({ rates: createRateLimits(limits) })
    const web = await realm.add('web')
    const channel = await TestFollower.open(realm, web)
    for (let i = 0; i < 3; i++) expect(await outcomeOf(channel, 'next-key', 1)).toBe('done')
    expect(await outcomeOf(channel, 'next-key', 1)).toBe('rate_limited')
    expect(await outcomeOf(channel, 'keys')).toBe('done')
    expect((await realm.record('web')).lastKvno).toBe(4)
  })
})

describe('a thief of a session, of a part of one or of a code', () => {
  const limits = { ...DEFAULT_LIMITS, keyChangesPerClient: { points: 3, interval: HOUR } }
  const limited = (): Promise<FeedScene> => feedScene({ rates: createRateLimits(limits) })

  it('cannot use up what the holder may change, since what may change nothing counts as nothing', async () => {
    const realm = await limited()
    const web = await realm.add('web')
    const stolen = await TestFollower.open(realm, web)
    const caveats = [encodeCaveat({ name: 'services', services: [local('kdc')] })]
    const part = grantOf(await ask(realm, grantOf(await login(realm, web)), { ...SERVICES, caveats }))
    realm.clock.pass(5 * MINUTE + 1)
    for (const channel of [stolen, await TestFollower.under(realm, part)]) {
      for (let i = 0; i < 3; i++) expect(await outcomeOf(channel, 'next-key', 1)).toBe('not_authorized')
      for (let i = 0; i < 3; i++) expect(await outcomeOf(channel, 'new-password', 1)).toBe('not_authorized')
    }
    const holder = await TestFollower.open(realm, web)
    for (let i = 0; i < 3; i++) expect(await outcomeOf(holder, 'next-key', 1)).toBe('done')
    expect(await outcomeOf(holder, 'next-key', 1)).toBe('rate_limited')
  })

  it('cannot fill the database with the code of a fleet faster than anybody changes keys', async () => {
    const realm = await limited()
    const code = await invite(realm, 'worker/*', { uses: 2 })
    const channel = await TestFollower.open(realm, code)
    for (let i = 0; i < 3; i++) expect(await outcomeOf(channel, 'enrol', `${i}`)).toBe('done')
    const before = await realm.store.list('principal', { limit: 100 })
    for (let i = 3; i < 9; i++) expect(await outcomeOf(channel, 'enrol', `${i}`)).toBe('rate_limited')
    expect(await realm.store.list('principal', { limit: 100 })).toEqual(before)
    expect(outcome(await login(realm, code))).toBe('reply')
  })
})

describe('a new password over a channel', () => {
  it('is answered, and then all channels of the person end', async () => {
    const realm = await feedScene()
    const ann = { ...(await realm.add('ann', { password: person() })), kvno: 0 }
    const [own, other] = [await TestFollower.open(realm, ann), await TestFollower.open(realm, ann)]
    const password = person()
    expect(await own.call('new-password', ...encodePasswordKey(password))).toEqual([2])
    await settled()
    expect([own.heard, own.isOver, other.heard, other.isOver]).toEqual([['ended'], true, ['ended'], true])
    expect(outcome(await login(realm, { ...ann, key: password.key }))).toBe('reply')
  })
})

describe('the event that a key is due', () => {
  const rotate = { name: 'rotate', fields: [] }

  it('comes to those who follow as the principal, and to nobody else', async () => {
    const { realm, web } = await scene()
    const orders = await realm.add('orders')
    const [one, two, silent, other] = [
      await TestFollower.open(realm, web),
      await TestFollower.open(realm, web),
      await TestFollower.open(realm, web),
      await TestFollower.open(realm, orders),
    ]
    for (const follower of [one, two, other]) await follower.follow()
    await realm.call('rotate', [web.principal])
    await settled()
    expect([one.heard, two.heard, silent.heard, other.heard]).toEqual([[rotate], [rotate], [], []])
    await realm.call('rotate', [web.principal])
    await settled()
    expect(one.heard).toEqual([rotate, rotate])
  })

  it('comes behind the answer to follow, if the key has been due since before', async () => {
    const { realm, web } = await scene()
    await realm.call('rotate', [web.principal])
    realm.clock.pass(SECOND)
    const follower = await TestFollower.under(realm, await kdcTicket(realm, web))
    expect(follower.heard).toEqual([])
    await follower.follow()
    await settled()
    expect(follower.heard).toEqual([rotate])
    const { kvno, salt } = decodeStagedKey(await follower.call('next-key', 1))
    const next = { ...web, kvno, key: deriveNextKey(web.key, salt) }
    await login(realm, next, { time: realm.clock.now() })
    const later = await TestFollower.open(realm, next)
    await later.follow()
    await settled()
    expect(later.heard).toEqual([])
  })

  it('comes when krbtgt changes to nobody', async () => {
    const { realm, web } = await scene()
    const follower = await TestFollower.open(realm, web)
    await follower.follow()
    await realm.call('rotate', [local('krbtgt')])
    await settled()
    expect(follower.heard).toEqual([])
  })
})
