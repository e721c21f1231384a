import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { encodeNewInvitation, type NewInvitation } from '../../../shared/administration/invitations.js'
import { toHex } from '../../../shared/bytes.js'
import { revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { isInvitation } from '../../../shared/principal.js'
import { HOUR, MINUTE } from '../../../shared/time.js'
import { enrol, invitations, invite } from '../../support/invitations.js'
import {
  type Identity,
  local,
  login,
  outcome,
  pattern,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

async function join(realm: TestRealm, code: Identity, instance: string | null = null): Promise<Identity> {
  const host = await enrol(realm, code, instance)
  expect(outcome(await login(realm, host))).toBe('reply')
  return host
}

async function keysOf(realm: TestRealm, name: string): Promise<string[]> {
  const { keys } = await realm.record(name)
  return keys.map(({ kvno, state, stagedBy }) => `${kvno} ${state}${stagedBy === null ? '' : ' invited'}`)
}

const args = (wanted: Partial<NewInvitation>): Value[] =>
  encodeNewInvitation({
    target: pattern('host'),
    uses: 1,
    endsAt: START + MINUTE,
    principalsLife: null,
    ...wanted,
  })

describe('invite', () => {
  it('makes a principal with a key, an end and a target, and returns its key once', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    expect(isInvitation(code.principal)).toBe(true)
    const record = await realm.record(code.principal)
    expect(record.keys.map(({ key }) => toHex(revealKey(key)))).toEqual([toHex(revealKey(code.key))])
    expect(record).toMatchObject({ expiresAt: START + 10 * MINUTE, lastKvno: code.kvno })
    expect(await invitations(realm)).toEqual([
      {
        invitation: code.principal,
        target: 'orders@demo.example',
        uses: 1,
        used: 0,
        staged: 0,
        endsAt: START + 10 * MINUTE,
        principalsLife: null,
        createdAt: START,
        withdrawn: false,
        lastUsedAt: null,
        lastUsedFrom: null,
      },
    ])
    expect(JSON.stringify(realm.logger.lines)).not.toContain(toHex(revealKey(code.key)))
  })

  it.each<[string, Partial<NewInvitation>, RegExp]>([
    ['for everyone', { target: pattern('*') }, /nobody can be invited/],
    ['for krbtgt', { target: pattern('krbtgt') }, /nobody can be invited/],
    ['for kdc', { target: pattern('kdc') }, /nobody can be invited/],
    ['for instances of kdc', { target: pattern('kdc/*'), uses: 2 }, /nobody can be invited/],
    ['for an invitation', { target: pattern('invite-0123456789abcdef') }, /nobody can be invited/],
    ['for another realm', { target: pattern('web@other.example') }, /not of the realm/],
    ['for a realm that ends alike', { target: pattern('web@x.demo.example') }, /not of the realm/],
    ['for instances in another realm', { target: pattern('web/*@other.example') }, /not of the realm/],
    ['for no host', { uses: 0 }, /1 to 1000000 hosts/],
    ['for too many hosts', { target: pattern('web/*'), uses: 1_000_001 }, /1 to 1000000 hosts/],
    ['for one principal twice', { uses: 2 }, /one principal is one host/],
    ['for one principal with an end', { principalsLife: 1 }, /only the instances/],
    [
      'for instances whose end is no time, so that none could enrol',
      { target: pattern('web/*'), principalsLife: Number.MAX_SAFE_INTEGER },
      /a century/,
    ],
    ['that would have ended', { endsAt: START }, /ended already/],
  ])('refuses one %s', async (_, wanted, message) => {
    const realm = await testRealm()
    const before = await realm.store.list('principal', { limit: 10 })
    await expect(realm.call('invite', args(wanted))).rejects.toMatchObject({
      code: 'malformed',
      message: expect.stringMatching(message),
    })
    expect(await realm.store.list('principal', { limit: 10 })).toEqual(before)
  })

  it.each([['two fields'], [pattern('host'), 1, START + 1, 0], [pattern('host'), 1, '10m', null]])(
    'refuses arguments of another form: %#',
    async (...wrong) => {
      const realm = await testRealm()
      await expect(realm.call('invite', wrong as Value[])).rejects.toMatchObject({ code: 'malformed' })
    },
  )

  it('draws another name where one is taken', async () => {
    const draws: Uint8Array[] = []
    const random = (length: number): Uint8Array =>
      (length === 8 ? draws.shift() : undefined) ?? systemRandom(length)
    const realm = await testRealm({ random })
    const same = new Uint8Array(8).fill(7)
    draws.push(same)
    const first = await invite(realm, 'a')
    draws.push(same)
    const second = await invite(realm, 'b')
    expect(first.principal).toBe(`invite-${'07'.repeat(8)}@demo.example`)
    expect(second.principal).not.toBe(first.principal)
    expect(await invitations(realm)).toHaveLength(2)
  })
})

describe('invitations', () => {
  it('returns pages in order, and list does not have them', async () => {
    const realm = await testRealm()
    for (const name of ['invite-me', 'invite', 'invitee', 'zoo']) await realm.add(name)
    const codes: string[] = []
    for (let i = 0; i < 5; i++) codes.push((await invite(realm, `host${i}`)).principal)
    const seen: string[] = []
    for (let after: Value = null; ; ) {
      const [page] = (await realm.call('invitations', [after, 2])) as [Value[][]]
      seen.push(...page.map(([name]) => name as string))
      if (page.length < 2) break
      after = [seen.at(-1) ?? '']
    }
    expect(seen).toEqual([...codes].sort())
    const [listed] = (await realm.call('list', [null, 100])) as [Value[][]]
    expect(listed.map(([name]) => name)).toEqual(
      ['admin', 'invite', 'invite-me', 'invitee', 'kdc', 'krbtgt', 'zoo'].map(name => local(name)).sort(),
    )
  })

  it('says how often and from where each was used', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders/*', { uses: 3 })
    await join(realm, code)
    realm.clock.step(MINUTE)
    await join(realm, code)
    await enrol(realm, code)
    expect(await invitations(realm)).toMatchObject([
      { uses: 3, used: 2, staged: 1, lastUsedAt: START + MINUTE, lastUsedFrom: '192.0.2.1' },
    ])
  })
})

describe('an invitation', () => {
  it.each(['show', 'disable', 'enable', 'remove'] as const)('is no principal for %s', async method => {
    const realm = await testRealm()
    const { principal } = await invite(realm, 'orders')
    const before = await realm.store.get('principal', principal)
    await expect(realm.call(method, [principal])).rejects.toMatchObject({
      code: 'unknown_service',
      message: expect.stringContaining('orthrus admin uninvite invite-'),
    })
    expect(await realm.store.get('principal', principal)).toEqual(before)
  })

  it('is not made by add', async () => {
    const realm = await testRealm()
    await expect(realm.add('invite-0123456789abcdef')).rejects.toMatchObject({ code: 'malformed' })
    await realm.add('invite-0123456789abcde')
    await realm.add('invite-0123456789abcdef/1')
  })
})

describe('uninvite', () => {
  it('ends an invitation, its tickets and the keys that it handed out', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders/*', { uses: 5 })
    const [used, staged] = [await join(realm, code, 'a'), await enrol(realm, code, 'b')]
    const { clientId } = await realm.record(code.principal)
    await realm.call('uninvite', [code.principal])
    expect(outcome(await login(realm, staged))).toBe('05 auth_failed')
    expect(outcome(await login(realm, used))).toBe('reply')
    expect(await realm.record('orders/b')).toMatchObject({ removed: true, keys: [] })
    expect((await realm.record(code.principal)).clientId).not.toEqual(clientId)
    const [entry] = await realm.realm.revocations.entries(1, 10)
    expect(entry).toMatchObject({ kind: 'client', by: clientId, principal: code.principal })
    await expect(enrol(realm, code, 'c')).rejects.toMatchObject({ code: 'revoked' })
    expect(await invitations(realm)).toMatchObject([{ withdrawn: true, used: 1, staged: 0 }])
  })

  it('takes back a key that waits for a principal which was there before, and leaves that as it was', async () => {
    const realm = await testRealm()
    const orders = await realm.add('orders')
    const code = await invite(realm, 'orders')
    await enrol(realm, code)
    expect(await keysOf(realm, 'orders')).toEqual(['2 next invited', '1 current'])
    await realm.call('uninvite', [code.principal])
    expect(await keysOf(realm, 'orders')).toEqual(['1 current'])
    expect(outcome(await login(realm, orders))).toBe('reply')
  })

  it('leaves a key that another invitation handed out since', async () => {
    const realm = await testRealm()
    const [one, other] = [await invite(realm, 'orders'), await invite(realm, 'orders')]
    await enrol(realm, one)
    const host = await enrol(realm, other)
    await realm.call('uninvite', [one.principal])
    expect(outcome(await login(realm, host))).toBe('reply')
  })

  it('says that one was used, and what to do if the host was not the right one', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    await join(realm, code)
    await expect(realm.call('uninvite', [code.principal])).rejects.toMatchObject({
      code: 'revoked',
      message: expect.stringMatching(/was used at 2027-01-15T.* from 192\.0\.2\.1.*admin revoke key orders/),
    })
  })

  it('says that one has ended, or was withdrawn', async () => {
    const realm = await testRealm()
    const [old, code] = [await invite(realm, 'a'), await invite(realm, 'b')]
    await realm.call('uninvite', [code.principal])
    const again = { code: 'revoked', message: expect.stringContaining('was withdrawn at') }
    await expect(realm.call('uninvite', [code.principal])).rejects.toMatchObject(again)
    realm.clock.step(10 * MINUTE)
    const ended = { code: 'revoked', message: expect.stringContaining('was expired at') }
    await expect(realm.call('uninvite', [old.principal])).rejects.toMatchObject(ended)
  })

  it.each([[local('invite-0123456789abcdef')], [local('web')], [local('ghost')]])(
    'refuses %s, which is no invitation',
    async name => {
      const realm = await testRealm()
      await realm.add('web')
      await expect(realm.call('uninvite', [name])).rejects.toMatchObject({ code: 'unknown_service' })
    },
  )
})

describe('enrol', () => {
  it('makes a principal with a staged key alone', async () => {
    const realm = await testRealm()
    const host = await enrol(realm, await invite(realm, 'orders'))
    expect(host).toMatchObject({ principal: 'orders@demo.example', kvno: 1 })
    expect(await keysOf(realm, 'orders')).toEqual(['1 next invited'])
    await realm.add('web')
    await realm.allow('web', 'orders')
  })

  it('goes on with the kvno of a name that was removed', async () => {
    const realm = await testRealm()
    await realm.add('orders')
    await realm.call('remove', [local('orders')])
    expect(await join(realm, await invite(realm, 'orders'))).toMatchObject({ kvno: 2 })
  })

  it('drops what the same invitation, or anybody else, staged before', async () => {
    const realm = await testRealm()
    await realm.add('orders')
    const code = await invite(realm, 'orders')
    const [first, second] = [await enrol(realm, code), await enrol(realm, code)]
    expect([first.kvno, second.kvno]).toEqual([2, 3])
    expect(await keysOf(realm, 'orders')).toEqual(['3 next invited', '1 current'])
    expect(outcome(await login(realm, first))).toBe('05 auth_failed')
    expect(outcome(await login(realm, second))).toBe('reply')
  })

  it.each([
    ['one principal', null, /the code is for orders@demo.example alone/],
    ['a name outside the grammar', 'orders/*', /"A" is not an instance/],
  ])('refuses an instance of %s', async (_, fleet, message) => {
    const realm = await testRealm()
    const code = await invite(realm, fleet ?? 'orders')
    await expect(enrol(realm, code, 'A')).rejects.toMatchObject({
      code: 'malformed',
      message: expect.stringMatching(message),
    })
  })

  it.each(['a/b', 'a@x.example', '*', '', '-', `a${'b'.repeat(63)}`, '$&', "$'"])(
    'refuses %j as an instance',
    async instance => {
      const realm = await testRealm()
      const code = await invite(realm, 'orders/*', { uses: 9 })
      await expect(enrol(realm, code, instance)).rejects.toMatchObject({ code: 'malformed' })
    },
  )

  it('gives a fleet a principal for each host, which may end', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders/*', { uses: 3, principalsLife: HOUR })
    const [named, drawn] = [await join(realm, code, 'host-a'), await join(realm, code)]
    expect(named.principal).toBe('orders/host-a@demo.example')
    expect(drawn.principal).toMatch(/^orders\/[0-9a-f]{8}@demo\.example$/)
    for (const { principal } of [named, drawn]) {
      expect(await realm.record(principal)).toMatchObject({ expiresAt: START + HOUR })
    }
    realm.clock.step(HOUR)
    expect(outcome(await login(realm, named))).toBe('06 principal_disabled')
  })

  it('refuses an instance that exists, whoever made it', async () => {
    const realm = await testRealm()
    await realm.add('orders/old')
    const code = await invite(realm, 'orders/*', { uses: 9 })
    const other = await invite(realm, 'orders/*', { uses: 9 })
    await join(realm, code, 'joined')
    await enrol(realm, other, 'waiting')
    for (const instance of ['old', 'joined', 'waiting']) {
      await expect(enrol(realm, code, instance), instance).rejects.toMatchObject({
        code: 'malformed',
        message: expect.stringContaining('exists already'),
      })
    }
    expect(await keysOf(realm, 'orders/old')).toEqual(['1 current'])
  })

  it.each(['boss', 'gone'])(
    'gives nobody with the code of a fleet the rules that name one instance: %s',
    async instance => {
      const realm = await testRealm()
      const code = await invite(realm, 'orders/*', { uses: 9 })
      await realm.add('orders/gone')
      await realm.allow(`orders/${instance}`, 'kdc', { claims: [['role', 'admin']] })
      await realm.call('remove', [local('orders/gone')])
      const before = await realm.store.list('principal', { limit: 100 })
      await expect(enrol(realm, code, instance)).rejects.toMatchObject({
        code: 'malformed',
        message: expect.stringMatching(/there are rules for orders\/.*orthrus admin invite orders\//),
      })
      expect(await realm.store.list('principal', { limit: 100 })).toEqual(before)
      for (const other of ['bos', 'boss2', 'gon', 'gone-2', null]) await join(realm, code, other)
      const alone = await invite(realm, `orders/${instance}`)
      await join(realm, alone)
    },
  )

  it('takes an instance again that its own host, or an ended invitation, left behind', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders/*', { uses: 9 })
    const [lost, again] = [await enrol(realm, code, 'a'), await enrol(realm, code, 'a')]
    expect([lost.kvno, again.kvno]).toEqual([1, 2])
    expect(await invitations(realm)).toMatchObject([{ staged: 1 }])
    realm.clock.step(10 * MINUTE)
    const fresh = await invite(realm, 'orders/*')
    expect(await join(realm, fresh, 'a')).toMatchObject({ kvno: 3 })
    expect(outcome(await login(realm, again))).toBe('05 auth_failed')
  })

  it.each([
    ['the end of the last code that brought it', 2 * HOUR],
    ['no end, if the last code that brought it gives none', null],
  ])('gives an instance that was left behind %s', async (_, principalsLife) => {
    const realm = await testRealm()
    const first = await invite(realm, 'orders/*', { uses: 9, principalsLife: HOUR })
    await enrol(realm, first, 'a')
    realm.clock.step(4 * MINUTE)
    await enrol(realm, first, 'a')
    expect(await realm.record('orders/a')).toMatchObject({ expiresAt: realm.clock.now() + HOUR })
    realm.clock.step(6 * MINUTE)
    const host = await join(realm, await invite(realm, 'orders/*', { principalsLife }), 'a')
    const expiresAt = principalsLife === null ? null : realm.clock.now() + principalsLife
    expect(await realm.record('orders/a')).toMatchObject({ expiresAt })
    realm.clock.step(HOUR - MINUTE)
    expect(outcome(await login(realm, host))).toBe('reply')
    realm.clock.step(HOUR + MINUTE)
    expect(outcome(await login(realm, host))).toBe(expiresAt === null ? 'reply' : '06 principal_disabled')
  })

  it('hands out no more keys than hosts may still join: the oldest waiting one makes room', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders/*', { uses: 3 })
    await join(realm, code, 'a')
    const [b, c, d] = [
      await enrol(realm, code, 'b'),
      await enrol(realm, code, 'c'),
      await enrol(realm, code, 'd'),
    ]
    expect(await realm.record('orders/b')).toMatchObject({ removed: true, keys: [] })
    expect(outcome(await login(realm, b))).toBe('05 auth_failed')
    expect(outcome(await login(realm, d))).toBe('reply')
    expect(outcome(await login(realm, c))).toBe('reply')
    await expect(enrol(realm, code, 'e')).rejects.toMatchObject({ code: 'revoked' })
    expect(outcome(await login(realm, code))).toBe('06 revoked')
  })

  it('draws another instance where one is taken, and gives up after a few', async () => {
    const drawn: Uint8Array[] = []
    const random = (length: number): Uint8Array =>
      (length === 4 ? drawn.shift() : undefined) ?? systemRandom(length)
    const realm = await testRealm({ random, store: createMemoryStore() })
    const code = await invite(realm, 'orders/*', { uses: 9 })
    const ones = (): Uint8Array => new Uint8Array(4).fill(1)
    drawn.push(ones())
    expect((await enrol(realm, code)).principal).toBe('orders/01010101@demo.example')
    drawn.push(ones())
    expect((await enrol(realm, code)).principal).not.toBe('orders/01010101@demo.example')
    drawn.push(...Array.from({ length: 8 }, ones))
    await expect(enrol(realm, code)).rejects.toMatchObject({ code: 'unavailable' })
  })
})
