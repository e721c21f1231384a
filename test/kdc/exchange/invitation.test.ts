import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { toHex } from '../../../shared/bytes.js'
import { LongTermKey, revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import { parametersWith } from '../../../shared/exchange/params.js'
import { decodeCaveat } from '../../../shared/ticket/caveats.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'
import { enrol, invitations, invite } from '../../support/invitations.js'
import {
  ADDRESS,
  type Answer,
  ask,
  denialsOf,
  grantOf,
  type Identity,
  krbtgt,
  local,
  login,
  openedBy,
  outcome,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

async function join(realm: TestRealm, code: Identity, instance: string | null = null): Promise<Identity> {
  const host = await enrol(realm, code, instance)
  expect(outcome(await login(realm, host))).toBe('reply')
  return host
}

const told = ({ error }: Answer): string | undefined => error?.message

describe('the tickets of an invitation', () => {
  it('are a TGT for kdc alone, and one for kdc without claims, whatever rules say', async () => {
    const realm = await testRealm()
    const orders = await realm.add('orders')
    await realm.allow('*', 'orders')
    await realm.allow('*', 'kdc', { claims: [['role', 'admin']] })
    const code = await invite(realm, 'host')
    const asked = { services: [orders.principal, local('kdc')], renewable: true }
    const answer = await login(realm, code, asked)
    expect(denialsOf(answer)).toEqual(['orders caveat_failed'])
    const [tgt, kdc] = answer.reply?.grants ?? []
    expect(kdc).toMatchObject({ service: local('kdc'), claims: [] })
    const opened = openedBy(await krbtgt(realm), grantOf(answer))
    expect(opened.caveats.map(decodeCaveat)).toEqual([{ name: 'services', services: [local('kdc')] }])
    expect(tgt?.endTime).toBeLessThanOrEqual(START + 10 * MINUTE)
    const later = await ask(realm, grantOf(answer), { services: [orders.principal, local('kdc')] })
    expect(denialsOf(later)).toEqual(['orders caveat_failed'])
    expect(later.reply?.grants).toMatchObject([{ service: local('kdc'), claims: [] }])
    expect(outcome(await ask(realm, grantOf(answer), { renew: true }))).toBe('06 not_renewable')
  })

  it('are for nobody: an invitation is no service', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.allow('web', '*')
    const { principal } = await invite(realm, 'host')
    expect(denialsOf(await login(realm, web, { services: [principal] }))).toHaveLength(1)
  })
})

describe('the first login with a key that an invitation handed out', () => {
  it('makes it current and uses the invitation up', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    const before = await login(realm, code)
    const host = await enrol(realm, code)
    const { clientId } = await realm.record('orders')
    const answer = await login(realm, host)
    expect(outcome(answer)).toBe('reply')
    const record = await realm.record('orders')
    expect(record.keys).toMatchObject([{ kvno: 1, state: 'current', stagedBy: null }])
    expect(record.clientId).not.toEqual(clientId)
    expect(openedBy(await krbtgt(realm), grantOf(answer)).clientId).toEqual(record.clientId)
    expect(await invitations(realm)).toMatchObject([
      { used: 1, staged: 0, lastUsedAt: START, lastUsedFrom: ADDRESS },
    ])
    expect(outcome(await ask(realm, grantOf(before), { services: [local('kdc')] }))).toBe('06 revoked')
    await expect(enrol(realm, code)).rejects.toMatchObject({ code: 'revoked' })
    expect(outcome(await login(realm, host))).toBe('reply')
  })

  it('drops the other keys of a principal that was there, and revokes what bore or was under them', async () => {
    const realm = await testRealm()
    const orders = await realm.add('orders')
    const { clientId } = await realm.record('orders')
    const tgt = grantOf(await login(realm, orders))
    const code = await invite(realm, 'orders')
    const series = (await realm.record(code.principal)).clientId
    const host = await enrol(realm, code)
    expect(outcome(await login(realm, orders))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    expect(outcome(await login(realm, host))).toBe('reply')
    expect((await realm.record(code.principal)).clientId).not.toEqual(series)
    expect(outcome(await login(realm, orders))).toBe('05 auth_failed')
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    expect((await realm.record('orders')).keys.map(({ kvno }) => kvno)).toEqual([2])
    expect(await realm.realm.revocations.entries(1, 10)).toMatchObject([
      { kind: 'client', principal: orders.principal, by: clientId },
      { kind: 'key', principal: orders.principal, by: 1 },
      { kind: 'client', principal: code.principal, by: series },
    ])
  })

  it('replaces a password', async () => {
    const realm = await testRealm()
    const parameters = parametersWith(systemRandom(16))
    const person = { parameters, key: new LongTermKey(systemRandom(32)) }
    const ann = await realm.add('ann', { password: person })
    await join(realm, await invite(realm, 'ann'))
    expect(await realm.record('ann')).toMatchObject({ password: null, keys: [{ fromPassword: false }] })
    expect(outcome(await login(realm, { ...ann, kvno: 0 }))).toBe('05 auth_failed')
  })

  it('is what tickets for the principal wait for', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.allow('web', 'orders')
    const host = await enrol(realm, await invite(realm, 'orders'))
    const asked = { services: [host.principal] }
    expect(denialsOf(await login(realm, web, asked))).toEqual(['orders unknown_service'])
    await login(realm, host)
    expect(openedBy(host, grantOf(await login(realm, web, asked), 1)).client).toBe(web.principal)
  })

  it('is told the log, with the address', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    await join(realm, code)
    const lines = realm.logger.lines.filter(({ message }) => message === 'administration')
    expect(lines.map(({ fields }) => fields)).toMatchObject([
      { method: 'invite', on: [code.principal, 'orders@demo.example'] },
      { method: 'enrol', by: [code.principal], on: ['orders@demo.example'], kvno: 1 },
      { method: 'promote', on: ['orders@demo.example'], invitation: code.principal, address: ADDRESS },
    ])
  })

  it.each([
    ['disabled', { disabled: true }],
    ['expired', { expiresAt: START }],
  ])('is refused while the principal is %s, and uses nothing up', async (_, change) => {
    const realm = await testRealm()
    await realm.add('orders')
    const code = await invite(realm, 'orders')
    const host = await enrol(realm, code)
    await realm.amend('orders', record => ({ ...record, ...change }))
    expect(outcome(await login(realm, host))).toBe('06 principal_disabled')
    expect(await invitations(realm)).toMatchObject([{ used: 0, staged: 1 }])
  })

  it.each<[string, (realm: TestRealm, code: Identity) => Promise<unknown>, string, RegExp | undefined]>([
    ['has ended', async realm => realm.clock.step(10 * MINUTE), '06 revoked', /expired 2027/],
    [
      'was withdrawn',
      (realm, { principal }) => realm.call('uninvite', [principal]),
      '05 auth_failed',
      undefined,
    ],
    [
      'has ended, and was withdrawn by a process that left its keys',
      (realm, { principal }) => realm.amend(principal, record => ({ ...record, disabled: true })),
      '06 revoked',
      /withdrawn/,
    ],
    [
      'was used up, by a process that left its keys',
      (realm, { principal }) =>
        realm.amend(principal, record => ({
          ...record,
          invitation: record.invitation && { ...record.invitation, used: 1, lastUsedAt: START },
        })),
      '06 revoked',
      /used/,
    ],
    [
      'was cleared away',
      (realm, { principal }) =>
        realm.amend(principal, record => ({ ...record, removed: true, invitation: null })),
      '05 auth_failed',
      undefined,
    ],
    [
      'is for a principal that was removed',
      realm => realm.call('remove', [local('orders')]),
      '05 auth_failed',
      undefined,
    ],
  ])('is refused if the invitation %s', async (_, change, expected, message) => {
    const realm = await testRealm()
    const orders = await realm.add('orders')
    const code = await invite(realm, 'orders')
    const host = await enrol(realm, code)
    await change(realm, code)
    const answer = await login(realm, host)
    expect(outcome(answer)).toBe(expected)
    if (message !== undefined) expect(told(answer)).toMatch(message)
    expect((await realm.record('orders')).keys.find(({ state }) => state === 'current')?.kvno).not.toBe(2)
    if (expected.startsWith('06')) expect(outcome(await login(realm, orders))).toBe('reply')
  })
})

describe('a code that ended', () => {
  it('is answered with when and from where it was used, until a day after its end', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    await join(realm, code)
    for (const step of [MINUTE, 9 * MINUTE, DAY - 1]) {
      realm.clock.step(step)
      const answer = await login(realm, code)
      expect(outcome(answer)).toBe('06 revoked')
      expect(told(answer)).toBe(`invitation used 2027-01-15T08:00:00.000Z from ${ADDRESS}`)
    }
    realm.clock.step(1)
    expect(outcome(await login(realm, code))).toBe('05 auth_failed')
  })

  it('is answered with its end, or that it was withdrawn', async () => {
    const realm = await testRealm()
    const [old, code] = [await invite(realm, 'a'), await invite(realm, 'b')]
    const tgt = grantOf(await login(realm, old))
    await realm.call('uninvite', [code.principal])
    expect(told(await login(realm, code))).toBe('invitation withdrawn 2027-01-15T08:00:00.000Z')
    realm.clock.step(10 * MINUTE - 1)
    expect(outcome(await login(realm, old))).toBe('reply')
    realm.clock.step(1)
    const ended = await login(realm, old)
    expect([outcome(ended), told(ended)]).toEqual([
      '06 revoked',
      'invitation expired 2027-01-15T08:10:00.000Z',
    ])
    expect(outcome(await ask(realm, tgt))).toBe('06 ticket_expired')
  })

  it('tells nothing to whoever has another key', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    await join(realm, code)
    const guess = { ...code, key: new LongTermKey(systemRandom(32)) }
    expect(await login(realm, guess)).toMatchObject({ error: { code: 'auth_failed', message: '' } })
  })
})

describe('two who hold one code', () => {
  it('whoever comes second, after the first has joined, is told so', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    const first = await join(realm, code)
    await expect(enrol(realm, code)).rejects.toMatchObject({ code: 'revoked' })
    expect(told(await login(realm, code))).toContain('invitation used')
    expect(outcome(await login(realm, first))).toBe('reply')
  })

  it('whoever asked first, and logs in after the second asked, has no key', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    const [first, second] = [await enrol(realm, code), await enrol(realm, code)]
    expect(outcome(await login(realm, first))).toBe('05 auth_failed')
    expect(outcome(await login(realm, second))).toBe('reply')
    expect(outcome(await login(realm, first))).toBe('05 auth_failed')
  })

  it('exactly one has a working key, in whatever order their steps are taken', async () => {
    for (const order of orders(['a enrols', 'a logs in', 'b enrols', 'b logs in'])) {
      const realm = await testRealm()
      const code = await invite(realm, 'orders')
      const hosts = new Map<string, Identity | undefined>()
      const sure = new Set<string>()
      for (const step of order) {
        const [who = '', deed] = step.split(' ')
        if (deed === 'enrols') hosts.set(who, await enrol(realm, code).catch(refused))
        else if (outcome(await login(realm, hosts.get(who) ?? code)) === 'reply' && hosts.get(who))
          sure.add(who)
      }
      const working: string[] = []
      for (const [who, host] of hosts) {
        if (host !== undefined && outcome(await login(realm, host)) === 'reply') working.push(who)
      }
      expect(working, order.join(', ')).toEqual([...sure])
      expect(sure.size, order.join(', ')).toBe(1)
      const key = (await realm.record('orders')).keys.map(({ key }) => toHex(revealKey(key)))
      const [winner = ''] = sure
      expect(key).toEqual([toHex(revealKey(hosts.get(winner)?.key as LongTermKey))])
    }
  })

  it('at the same moment: one login, however many come at once', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders')
    const hosts = await Promise.all(Array.from({ length: 6 }, () => enrol(realm, code)))
    const answers = await Promise.all(hosts.map(host => login(realm, host)))
    expect(answers.map(outcome).filter(each => each === 'reply')).toHaveLength(1)
    expect(await invitations(realm)).toMatchObject([{ used: 1 }])
  })

  it('a fleet lets in as many as it has uses, and no more', async () => {
    const realm = await testRealm()
    const code = await invite(realm, 'orders/*', { uses: 3, principalsLife: HOUR })
    const joined: Identity[] = []
    for (let i = 0; i < 5; i++) {
      const host = await enrol(realm, code).catch(refused)
      if (host !== undefined && outcome(await login(realm, host)) === 'reply') joined.push(host)
    }
    expect(joined).toHaveLength(3)
    expect(new Set(joined.map(({ principal }) => principal)).size).toBe(3)
    for (const host of joined) expect(outcome(await login(realm, host))).toBe('reply')
    expect(told(await login(realm, code))).toContain('invitation used')
  })
})

describe('an invitation beside other changes', () => {
  it('ends with a revocation of the key that it would replace, or with its principal', async () => {
    for (const method of ['revoke-key', 'remove'] as const) {
      const realm = await testRealm()
      await realm.add('orders')
      const [code, other] = [await invite(realm, 'orders'), await invite(realm, 'web')]
      const host = await enrol(realm, code)
      await realm.call(method, [local('orders')])
      expect(outcome(await login(realm, host)), method).toBe('05 auth_failed')
      expect(told(await login(realm, code)), method).toContain('invitation withdrawn')
      await expect(enrol(realm, code)).rejects.toMatchObject({ code: 'revoked' })
      expect(outcome(await login(realm, other)), method).toBe('reply')
    }
  })

  it('ends with another revocation, though its principal has no key by now', async () => {
    const realm = await testRealm()
    const orders = await realm.add('orders')
    await realm.call('revoke-key', [orders.principal])
    const code = await invite(realm, 'orders')
    await realm.call('revoke-key', [orders.principal])
    expect(told(await login(realm, code))).toContain('invitation withdrawn')
    await expect(realm.call('revoke-key', [orders.principal])).rejects.toMatchObject({ code: 'malformed' })
  })

  it('made after the revocation of a key brings the next one', async () => {
    const realm = await testRealm()
    const orders = await realm.add('orders')
    await realm.call('revoke-key', [orders.principal])
    expect(await join(realm, await invite(realm, 'orders'))).toMatchObject({ kvno: 2 })
  })

  it('is whole after a commit whose outcome nobody knows', async () => {
    const store = createMemoryStore()
    const realm = await testRealm({ store })
    await realm.add('orders')
    const code = await invite(realm, 'orders')
    const host = await enrol(realm, code)
    const commit = store.commit.bind(store)
    const failing = (isMade: boolean) => async (changes: Parameters<typeof commit>[0]) => {
      store.commit = commit
      if (isMade) await commit(changes)
      throw new OrthrusError('unavailable', 'the disk is gone')
    }
    store.commit = failing(false)
    expect(outcome(await login(realm, host))).toBe('06 unavailable')
    expect(await invitations(realm)).toMatchObject([{ used: 0, staged: 1 }])
    store.commit = failing(true)
    expect(outcome(await login(realm, host))).toBe('06 unavailable')
    expect(outcome(await login(realm, host))).toBe('reply')
    expect(await invitations(realm)).toMatchObject([{ used: 1, staged: 0 }])
  })
})

function refused(cause: unknown): undefined {
  if (!(cause instanceof OrthrusError) || cause.code !== 'revoked') throw cause
}

/** Every order of these steps in which each host enrols before it logs in. */
function orders(steps: readonly string[]): string[][] {
  if (steps.length === 0) return [[]]
  return steps.flatMap(step => {
    const [who = '', deed] = step.split(' ')
    if (deed === 'logs' && steps.includes(`${who} enrols`)) return []
    return orders(steps.filter(other => other !== step)).map(rest => [step, ...rest])
  })
}
