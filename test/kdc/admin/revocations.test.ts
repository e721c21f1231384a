import { describe, expect, it } from 'vitest'
import { currentKey } from '../../../kdc/realm/principal-keys.js'
import type { PrincipalRecord } from '../../../kdc/vault/records.js'
import { decodeKeyRevoked, encodeTicketRevocation } from '../../../shared/administration/revocations.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { OrthrusError } from '../../../shared/errors.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { MINUTE } from '../../../shared/time.js'
import { invite } from '../../support/invitations.js'
import {
  ask,
  denialsOf,
  grantOf,
  local,
  login,
  outcome,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'
import { type FeedScene, feedScene, kdcTicket, settled, TestFollower } from '../feed/following.js'

/** The methods that revoke, and what the KDC itself does about it at once. */

const log = (realm: TestRealm) => realm.realm.revocations.entries(1, 100)

async function scene(): Promise<FeedScene> {
  const realm = await feedScene()
  await realm.add('orders')
  await realm.allow('*', 'orders')
  return realm
}

function revokeTicket(realm: TestRealm, grant: Grant, name: string | null = null) {
  const { ticketId } = grant
  return realm.call(
    'revoke-ticket',
    encodeTicketRevocation({ ticketId, principal: name === null ? null : local(name) }),
  )
}

describe('revoke-client', () => {
  it('ends all tickets of the client, which may log in again at once', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    const { clientId } = await realm.record('web')
    expect(await realm.call('revoke-client', [local('web')])).toEqual([1])
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    expect(await log(realm)).toMatchObject([{ kind: 'client', principal: local('web'), by: clientId }])
    const again = grantOf(await login(realm, web))
    expect(outcome(await ask(realm, again))).toBe('reply')
    expect((await realm.record('web')).keys).toHaveLength(1)
  })

  it.each(['krbtgt', 'kdc'])('refuses %s, which has no tickets', async name => {
    const realm = await scene()
    await expect(realm.call('revoke-client', [local(name)])).rejects.toMatchObject({ code: 'malformed' })
  })
})

describe('revoke-ticket', () => {
  it('ends a TGT alone, not what was granted under it nor what its client gets anew', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const [one, other] = [grantOf(await login(realm, web)), grantOf(await login(realm, web))]
    expect(await revokeTicket(realm, one, 'web')).toEqual([1])
    expect(outcome(await ask(realm, one))).toBe('06 revoked')
    expect(outcome(await ask(realm, other))).toBe('reply')
    expect(await log(realm)).toMatchObject([
      {
        kind: 'ticket',
        principal: local('web'),
        by: one.ticketId,
        keepUntil: START + 7 * 24 * 60 * MINUTE + 10 * MINUTE,
      },
    ])
  })

  it('of a ticket that is revoked already answers with the entry that there is', async () => {
    const realm = await scene()
    const tgt = grantOf(await login(realm, await realm.add('web')))
    const answers = await Promise.all([revokeTicket(realm, tgt), revokeTicket(realm, tgt, 'web')])
    expect(answers).toEqual([[1], [1]])
    expect(await log(realm)).toHaveLength(1)
  })

  it.each([
    ['an id of another length', [systemRandom(15), null], 'malformed'],
    ['no id', [null, null], 'malformed'],
    ['no bytes', ['00'.repeat(16), null], 'malformed'],
    ['a principal of another realm', [systemRandom(16), 'web@other.example'], 'unknown_service'],
    ['a principal that there is not', [systemRandom(16), local('wep')], 'unknown_service'],
  ])('refuses %s', async (_, args, code) => {
    const realm = await scene()
    await expect(realm.call('revoke-ticket', args)).rejects.toMatchObject({ code })
    expect(await log(realm)).toEqual([])
  })

  it('is answered when the KDC itself refuses the ticket, even if its log is slow to read', async () => {
    const realm = await scene()
    const tgt = grantOf(await login(realm, await realm.add('web')))
    const list = realm.store.list.bind(realm.store)
    realm.store.list = async (kind, page) => {
      if (kind === 'revocation') await settled(3)
      return list(kind, page)
    }
    await revokeTicket(realm, tgt)
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
  })

  it('of a log that cannot be read lets no ticket pass until it is read again', async () => {
    const realm = await scene()
    const [one, other] = [
      grantOf(await login(realm, await realm.add('web'))),
      grantOf(await login(realm, await realm.add('bob'))),
    ]
    const { list, commit } = realm.store
    realm.store.commit = async changes => {
      realm.store.list = () => Promise.reject(new OrthrusError('unavailable', 'away'))
      await commit.call(realm.store, changes)
    }
    await expect(revokeTicket(realm, one)).rejects.toMatchObject({ code: 'unavailable' })
    for (const tgt of [one, other]) expect(outcome(await ask(realm, tgt))).toBe('06 unavailable')
    realm.store.list = list
    await ask(realm, other)
    await settled()
    expect([outcome(await ask(realm, one)), outcome(await ask(realm, other))]).toEqual([
      '06 revoked',
      'reply',
    ])
  })
})

describe('revoke-key', () => {
  it('leaves the principal no key, and ends its tickets', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    const { clientId } = await realm.record('web')
    const staged = { kvno: 2, key: new LongTermKey(systemRandom(32)), state: 'next' } as const
    await realm.amend('web', record => ({
      ...record,
      lastKvno: 2,
      keys: [{ ...(currentKey(record) as PrincipalRecord['keys'][0]), ...staged }, ...record.keys],
    }))
    expect(decodeKeyRevoked(await realm.call('revoke-key', [local('web')]))).toEqual({ kvno: 2, seq: 2 })
    expect(await log(realm)).toMatchObject([
      { kind: 'client', principal: local('web'), by: clientId },
      { kind: 'key', principal: local('web'), by: 2 },
    ])
    const record = await realm.record('web')
    expect(record).toMatchObject({ keys: [], password: null, lastKvno: 2 })
    expect(record.clientId).not.toEqual(clientId)
    expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    expect(outcome(await login(realm, web))).toBe('05 auth_failed')
    expect(outcome(await login(realm, { ...web, ...staged }))).toBe('05 auth_failed')
    await expect(realm.call('revoke-key', [local('web')])).rejects.toMatchObject({
      code: 'malformed',
      message: expect.stringContaining('run: orthrus admin rotate web --keytab FILE'),
    })
  })

  it('of a service has no ticket granted for it', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    await realm.call('revoke-key', [local('orders')])
    const answer = await login(realm, web, { services: [local('orders')] })
    expect(denialsOf(answer)).toEqual(['orders unknown_service'])
  })

  it('ends the invitations for exactly this principal, and no other', async () => {
    const realm = await scene()
    await realm.add('web')
    const [own, fleet, other] = [
      await invite(realm, 'web'),
      await invite(realm, 'web/*'),
      await invite(realm, 'orders'),
    ].map(({ principal }) => principal)
    const of = (name = '') => realm.record(name)
    const before = await Promise.all([own, fleet, other].map(of))
    await realm.call('revoke-key', [local('web')])
    const after = await Promise.all([own, fleet, other].map(of))
    expect((await log(realm)).map(({ kind, by }) => [kind, by])).toContainEqual([
      'client',
      before[0]?.clientId,
    ])
    expect(after[0]).toMatchObject({ disabled: true })
    expect(after[0]?.clientId).not.toEqual(before[0]?.clientId)
    expect(after.slice(1)).toEqual(before.slice(1))
  })

  it('gives krbtgt a fresh key at once, so that every TGT has to be asked for again', async () => {
    const realm = await scene()
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    expect(decodeKeyRevoked(await realm.call('revoke-key', [local('krbtgt')])).kvno).toBe(1)
    expect((await realm.record('krbtgt')).keys).toMatchObject([{ kvno: 2, state: 'current' }])
    expect(outcome(await ask(realm, tgt))).toBe('05 ticket_invalid')
    expect(outcome(await ask(realm, grantOf(await login(realm, web))))).toBe('reply')
  })
})

describe('a channel', () => {
  it.each<[string, (realm: FeedScene, grant: Grant) => Promise<unknown>, boolean]>([
    ['its client is revoked', realm => realm.call('revoke-client', [local('web')]), true],
    ["its client's key is revoked", realm => realm.call('revoke-key', [local('web')]), true],
    ['the key of kdc is revoked', realm => realm.call('revoke-key', [local('kdc')]), true],
    ['its ticket is revoked', (realm, grant) => revokeTicket(realm, grant), true],
    [
      'another ticket is revoked',
      (realm, grant) => revokeTicket(realm, { ...grant, ticketId: systemRandom(16) }),
      false,
    ],
    ['another client is revoked', realm => realm.call('revoke-client', [local('admin')]), false],
    ['the key of krbtgt is revoked', realm => realm.call('revoke-key', [local('krbtgt')]), false],
  ])('that follows ends at once when %s: %#', async (_, act, ends) => {
    const realm = await scene()
    const grant = await kdcTicket(realm, await realm.add('web'))
    const follower = await TestFollower.under(realm, grant)
    await follower.follow()
    await act(realm, grant)
    await settled()
    expect(follower.isOver).toBe(ends)
    expect(follower.heard.at(-1) === 'ended').toBe(ends)
    if (ends) expect(realm.realm.feed.rows().rows).toMatchObject([{ connected: false }])
  })

  it.each<[string, (grant: Grant) => Parameters<TestFollower['say']>]>([
    ['client', () => ['revoke-client', local('admin')]],
    ['ticket', ({ ticketId }) => ['revoke-ticket', ticketId, null]],
    ['service', () => ['revoke-key', local('kdc')]],
  ])('of an administrator that revokes its own %s is answered, and then ends', async (_, callOf) => {
    const realm = await scene()
    const grant = await kdcTicket(realm, realm.admin)
    const admin = await TestFollower.under(realm, grant)
    await admin.say(...callOf(grant))
    await settled()
    expect(admin.heard).toMatchObject([{ n: 1, results: expect.any(Array) }, 'ended'])
    expect(admin.isOver).toBe(true)
  })

  it('of an administrator that would lose its own key is refused', async () => {
    const realm = await scene()
    const admin = await TestFollower.open(realm, realm.admin)
    await expect(admin.call('revoke-key', local('admin'))).rejects.toMatchObject({ code: 'not_authorized' })
    expect((await realm.record('admin')).keys).toHaveLength(1)
  })
})

describe('the log of the KDC', () => {
  it('says what was revoked, and by whom', async () => {
    const realm = await testRealm()
    await realm.add('web')
    realm.logger.lines.splice(0)
    await realm.call('revoke-ticket', [new Uint8Array(16).fill(0xab), local('web')])
    await realm.call('revoke-client', [local('web')])
    await realm.call('revoke-key', [local('web')])
    expect(realm.logger.lines.map(({ fields }) => [fields.method, fields.on])).toEqual([
      ['revoke-ticket', ['ab'.repeat(16), local('web')]],
      ['revoke-client', [local('web')]],
      ['revoke-key', [local('web')]],
    ])
  })
})
