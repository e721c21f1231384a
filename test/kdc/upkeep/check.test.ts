import { describe, expect, it } from 'vitest'
import { entryName } from '../../../kdc/realm/revocation-log.js'
import { RECORD_KIND } from '../../../kdc/store/store.js'
import { type CheckReport, checkRealm } from '../../../kdc/upkeep/check.js'
import { decodeRevocationRecord, encodeRevocationRecord } from '../../../kdc/vault/records.js'
import type { Pattern } from '../../../shared/pattern.js'
import { enrol, invite } from '../../support/invitations.js'
import { local, type TestRealm, testRealm } from '../../support/realm.js'

/** Records that open, each by itself as it should be, and do not fit together. */

async function realmWithAll(): Promise<TestRealm> {
  const realm = await testRealm()
  for (const name of ['web', 'orders', 'gone']) await realm.add(name)
  await realm.allow('web', 'orders')
  for (const name of ['web', 'orders', 'gone']) await realm.call('revoke-client', [local(name)])
  return realm
}

async function check({ store, masterKey }: TestRealm): Promise<CheckReport> {
  const snapshot = await store.snapshot()
  return checkRealm(snapshot, { current: masterKey, previous: undefined }).finally(() => snapshot.close())
}

async function remove({ vault }: TestRealm, kind: 'principal' | 'policy' | 'revocation', name: string) {
  const { version = 0 } = (await vault.read(kind, name)) ?? {}
  expect(version).toBeGreaterThan(0)
  await vault.commit([{ kind, name, expected: version, fields: undefined }])
}

describe('a check', () => {
  it('finds no fault in a realm that only its KDC wrote', async () => {
    const realm = await realmWithAll()
    const code = await invite(realm, 'host')
    await enrol(realm, code)
    expect(await check(realm)).toMatchObject({ found: 0, faults: [], notes: [] })
  })

  it('notes a rule for who is gone, whose record is gone, and for a group that nobody is in', async () => {
    const realm = await realmWithAll()
    await realm.allow('gone', 'orders')
    await realm.allow('web', 'gone')
    await realm.allow('@backend', 'orders')
    await realm.allow('web', '@empty')
    await realm.amend('web', record => ({ ...record, groups: ['@backend' as Pattern] }))
    const there = await check(realm)
    expect(there.notes).toEqual([expect.stringContaining('names @empty, a group that nobody is in')])
    await remove(realm, 'principal', local('gone'))
    await realm.amend('web', record => ({ ...record, groups: [] }))
    const { notes, found } = await check(realm)
    expect(found).toBe(0)
    expect([...notes].sort()).toEqual([
      `the rule for @backend and ${local('orders')} names @backend, a group that nobody is in`,
      `the rule for ${local('gone')} and ${local('orders')} names ${local('gone')}, which does not exist`,
      `the rule for ${local('web')} and @empty names @empty, a group that nobody is in`,
      `the rule for ${local('web')} and ${local('gone')} names ${local('gone')}, which does not exist`,
    ])
  })

  it('finds an invitation without its target, and a key of an invitation that is gone', async () => {
    const realm = await realmWithAll()
    const code = await invite(realm, 'host')
    await enrol(realm, code)
    const { principal: invitation } = code
    await remove(realm, 'principal', local('host'))
    expect((await check(realm)).faults).toEqual([
      {
        about: `principal ${invitation}`,
        fault: `it waits for ${local('host')}, which has no key of it`,
        hint: expect.stringContaining('withdraw it: orthrus admin uninvite invite-'),
      },
    ])
    const other = await realmWithAll()
    const second = await invite(other, 'host')
    await enrol(other, second)
    await remove(other, 'principal', second.principal)
    expect((await check(other)).faults).toEqual([
      {
        about: `principal ${local('host')}`,
        fault: `its next key is said to be of ${second.principal}, which knows nothing of it`,
        hint: 'invite it again: orthrus admin invite host',
      },
    ])
  })

  it('finds an invitation that says of nothing that it is one', async () => {
    const realm = await realmWithAll()
    const { principal } = await invite(realm, 'host')
    await realm.amend(principal.split('@')[0] ?? '', record => ({ ...record, invitation: null }))
    expect((await check(realm)).faults).toEqual([
      expect.objectContaining({
        about: `principal ${principal}`,
        fault: expect.stringContaining('disagree'),
      }),
    ])
  })

  it('finds a gap in the revocation log, and an entry under another number', async () => {
    const realm = await realmWithAll()
    const { vault } = realm
    const third = await vault.read(RECORD_KIND.REVOCATION, entryName(3))
    await remove(realm, RECORD_KIND.REVOCATION, entryName(2))
    expect((await check(realm)).faults).toEqual([
      expect.objectContaining({
        about: `revocation ${entryName(3)}`,
        fault: 'the entries after 1 are missing: services refuse such a log',
        hint: expect.stringContaining('orthrus restore FILE'),
      }),
    ])
    const entry = { ...decodeRevocationRecord(third?.fields ?? []), seq: 9 }
    const fields = encodeRevocationRecord(entry)
    await vault.commit([
      { kind: RECORD_KIND.REVOCATION, name: entryName(3), expected: third?.version ?? 0, fields },
    ])
    expect((await check(realm)).faults.map(({ fault }) => fault)).toContain(
      'the record says that it is entry 9',
    )
  })

  it.each(['krbtgt', 'kdc'])('finds that %s is missing', async name => {
    const realm = await realmWithAll()
    await remove(realm, 'principal', local(name))
    expect((await check(realm)).faults).toEqual([
      expect.objectContaining({
        about: `principal ${local(name)}`,
        fault: expect.stringContaining('missing'),
      }),
    ])
  })

  it('finds that the log revokes the tickets and the key that a principal has now', async () => {
    const realm = await realmWithAll()
    const first = decodeRevocationRecord(
      (await realm.vault.read(RECORD_KIND.REVOCATION, entryName(1)))?.fields ?? [],
    )
    await realm.amend('web', record => ({ ...record, clientId: first.by as Uint8Array }))
    expect((await check(realm)).faults).toEqual([
      expect.objectContaining({ fault: `it revokes the tickets that ${local('web')} gets now` }),
    ])
  })
})
