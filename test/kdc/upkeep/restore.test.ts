import { describe, expect, it } from 'vitest'
import { ownContext } from '../../../kdc/admin/context.js'
import { callMethod } from '../../../kdc/admin/methods.js'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import { openRealm } from '../../../kdc/realm/realm.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { snapshotOf } from '../../../kdc/upkeep/backup-records.js'
import { checkRealm } from '../../../kdc/upkeep/check.js'
import { decodeBackup } from '../../../kdc/upkeep/decode-backup.js'
import { HeldBackup } from '../../../kdc/upkeep/held-backup.js'
import { type RestoreReport, restoreRealm } from '../../../kdc/upkeep/restore.js'
import { decodePrincipalRecord, type PrincipalRecord } from '../../../kdc/vault/records.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { encodeRealmChanges } from '../../../shared/administration/realm.js'
import { concatBytes, toHex } from '../../../shared/bytes.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { DAY, HOUR, SECOND } from '../../../shared/time.js'
import { enrol, invite } from '../../support/invitations.js'
import {
  ask,
  grantOf,
  type Identity,
  local,
  login,
  outcome,
  REALM,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

async function backupOf({ vault, clock }: TestRealm): Promise<Uint8Array> {
  const held = new HeldBackup()
  const pieces: Uint8Array[] = []
  for (let position = 0; ; ) {
    const piece = await held.next(vault, position, clock.now())
    if (piece.length === 0) return concatBytes(...pieces)
    pieces.push(piece)
    position += piece.length
  }
}

const tgtOf = async (realm: TestRealm, client: Identity) => grantOf(await login(realm, client))

interface Restored {
  readonly realm: TestRealm
  readonly report: RestoreReport
  record(name: string): Promise<PrincipalRecord>
}

/** The realm of a backup, served by a KDC on the clock of the one that was lost. */
async function restore(lost: TestRealm, bytes: Uint8Array, freshAdmin = false): Promise<Restored> {
  const { clock, masterKey } = lost
  const vault = new Vault(createMemoryStore(), masterKey, systemRandom)
  const backup = decodeBackup('it', bytes, masterKey)
  const report = await restoreRealm({
    ...{ backup, masterKey, target: vault, now: clock.now(), random: systemRandom, freshAdmin },
  })
  const realm = await openRealm({ vault, clock, timers: clock, random: systemRandom })
  const context = { ...lost.context, realm }
  const running = { ...lost, vault, realm, context, dispatch: createDispatch(context) }
  const record = async (name: string) => {
    const stored = await vault.read('principal', local(name))
    return decodePrincipalRecord(stored?.fields ?? [])
  }
  return { realm: running, report, record }
}

describe('a realm that is restored', () => {
  it('refuses every ticket from before, and lets who kept its key log in again', async () => {
    const lost = await testRealm()
    const web = await lost.add('web')
    await lost.allow('web', 'orders')
    await lost.add('orders')
    const tgt = await tgtOf(lost, web)
    expect(outcome(await ask(lost, tgt, { services: [local('orders')] }))).toBe('reply')
    const { realm, record } = await restore(lost, await backupOf(lost))
    // The key of krbtgt that it is under is gone.
    expect(outcome(await ask(realm, tgt, { services: [local('orders')] }))).toBe('05 ticket_invalid')
    const again = await tgtOf(realm, web)
    expect(outcome(await ask(realm, again, { services: [local('orders')] }))).toBe('reply')
    expect((await record('web')).keys).toHaveLength(1)
  })

  it('has another log, with an entry for each series that may have tickets, behind those of before', async () => {
    const lost = await testRealm()
    for (const name of ['web', 'orders', 'gone', 'off']) await lost.add(name)
    const series = { web: await lost.record('web'), orders: await lost.record('orders') }
    await lost.call('remove', [local('gone')])
    await lost.call('disable', [local('off')])
    const before = await lost.realm.revocations.entries(1, 10)
    const { realm, record } = await restore(lost, await backupOf(lost))
    expect(realm.realm.record.logId).not.toEqual(lost.realm.record.logId)
    const entries = await realm.realm.revocations.entries(1, 10)
    expect(entries.slice(0, 2)).toEqual(before)
    expect(
      entries.slice(2).map(({ seq, kind, principal, keepUntil }) => [seq, kind, principal, keepUntil]),
    ).toEqual(
      ['admin', 'off', 'orders', 'web'].map((name, i) => [
        3 + i,
        'client',
        local(name),
        lost.clock.now() + 7 * DAY + 600_000,
      ]),
    )
    expect(entries.map(({ by }) => by)).toEqual(
      expect.arrayContaining([series.web.clientId, series.orders.clientId]),
    )
    expect((await record('web')).clientId).not.toEqual(series.web.clientId)
  })

  it('revokes the series of who was disabled then and enabled afterwards', async () => {
    const lost = await testRealm()
    const off = await lost.add('off')
    await lost.call('disable', [off.principal])
    const bytes = await backupOf(lost)
    await lost.call('enable', [off.principal])
    expect(outcome(await login(lost, off))).toBe('reply')
    const { realm } = await restore(lost, bytes)
    const revoked = (await realm.realm.revocations.entries(1, 10)).map(({ by }) => by)
    expect(revoked).toContainEqual((await lost.record('off')).clientId)
  })

  it('never gives a kvno again that the lost one may have given, also for a name that is made again', async () => {
    const lost = await testRealm()
    const web = await lost.add('web')
    await lost.add('gone')
    await lost.call('remove', [local('gone')])
    const bytes = await backupOf(lost)
    for (let i = 0; i < 5; i++) await lost.call('replace-key', [web.principal])
    const { realm, record } = await restore(lost, bytes)
    const seconds = Math.floor((lost.clock.now() - Date.UTC(2020, 0, 1)) / SECOND)
    expect(seconds).toBeGreaterThan(1e8)
    for (const name of ['web', 'gone', 'admin']) expect((await record(name)).lastKvno).toBe(seconds)
    for (const name of ['krbtgt', 'kdc']) {
      const { keys, lastKvno } = await record(name)
      expect([keys.map(({ kvno }) => kvno), lastKvno]).toEqual([[seconds + 1], seconds + 1])
    }
    expect((await record('web')).keys[0]?.kvno).toBe(1)
    const context = ownContext(realm.realm, realm.context.report)
    await callMethod(context, 'replace-key', [web.principal])
    expect((await record('web')).keys.map(({ kvno }) => kvno)).toEqual([seconds + 1])
  })

  it('admits nobody with a code that was open, and names who was joining or due', async () => {
    const lost = await testRealm()
    for (const name of ['asked', 'quiet', 'host']) await lost.add(name)
    await lost.call('rotate', [local('asked')])
    const code = await invite(lost, 'host')
    const staged = await enrol(lost, code)
    const open = (await lost.realm.vault.list('principal', { after: 'invite-', limit: 1 }))[0]?.name
    const { realm, report, record } = await restore(lost, await backupOf(lost))
    expect(report).toMatchObject({
      realm: REALM,
      principals: 6,
      admin: undefined,
      withdrawn: [open],
      enrol: [
        { principal: local('asked'), reason: 'was asked for a new key' },
        { principal: local('host'), reason: 'was being invited' },
      ],
    })
    expect(outcome(await login(realm, staged))).toBe('05 auth_failed')
    expect((await record('host')).keys.map(({ state }) => state)).toEqual(['current'])
    expect(await record((open ?? '').split('@')[0] as string)).toMatchObject({
      disabled: true,
      invitation: { staged: [] },
    })
  })

  it('names who may have rotated by schedule since', async () => {
    const lost = await testRealm()
    await lost.call('set-realm', [encodeRealmChanges({ rotation: { principals: DAY } })])
    await lost.add('web')
    const bytes = await backupOf(lost)
    expect((await restore(lost, bytes)).report.enrol).toEqual([])
    lost.clock.pass(25 * HOUR)
    const { report } = await restore(lost, bytes)
    expect(report.enrol.map(({ principal }) => principal)).toEqual([local('admin'), local('web')])
  })

  it('gives the administrator a fresh key where its keytab is lost, and no other', async () => {
    const lost = await testRealm()
    const bytes = await backupOf(lost)
    const { realm, report } = await restore(lost, bytes, true)
    expect(outcome(await login(realm, lost.admin))).toBe('05 auth_failed')
    if (report.admin === undefined) throw new Error('no key')
    expect(outcome(await login(realm, report.admin))).toBe('reply')
    expect(outcome(await login((await restore(lost, bytes)).realm, lost.admin))).toBe('reply')
  })

  it('has no fault, and no series or fresh key of the backup', async () => {
    const lost = await testRealm()
    await lost.add('web')
    await lost.call('rotate', [local('krbtgt')])
    const bytes = await backupOf(lost)
    const one = await restore(lost, bytes)
    const other = await restore(lost, bytes)
    const keys = { current: lost.masterKey, previous: undefined }
    const seen = new Set<string>()
    for (const { record } of [one, other]) {
      for (const name of ['web', 'krbtgt', 'kdc', 'admin']) seen.add(toHex((await record(name)).clientId))
    }
    expect(seen.size).toBe(8)
    const again = decodeBackup('it', await backupOf(one.realm), lost.masterKey)
    expect((await checkRealm(snapshotOf(again), keys)).faults).toEqual([])
  })
})
