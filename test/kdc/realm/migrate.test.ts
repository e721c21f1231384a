import { chmod, cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { createDispatch } from '../../../kdc/exchange/dispatch.js'
import { NO_RATE_LIMITS } from '../../../kdc/limits/rate-limits.js'
import { openRealm } from '../../../kdc/realm/realm.js'
import { SILENT_REPORT } from '../../../kdc/report/report.js'
import { openLevelStore } from '../../../kdc/store/level/store.js'
import { RECORD_KIND } from '../../../kdc/store/store.js'
import { readMasterKey } from '../../../kdc/vault/master-key.js'
import { decodeRevocationRecord, encodeRealmRecord, REALM_RECORD_NAME } from '../../../kdc/vault/records.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { parseKeytab } from '../../../shared/keytab/keytab.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { systemTimers } from '../../../shared/timers.js'
import { temporaryFolder } from '../../end-to-end/processes.js'
import { ask, local, login, outcome, TestClock, type TestRealm } from '../../support/realm.js'

/** A database that the last version wrote. */

const FIRST_FORM = fileURLToPath(new URL('first-form', import.meta.url))
const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function openVault(): Promise<Vault> {
  const { folder, remove } = await temporaryFolder()
  closing.push(remove)
  const data = join(folder, 'data')
  await cp(FIRST_FORM, data, { recursive: true })
  await chmod(join(data, 'master.key'), 0o600)
  const masterKey = await readMasterKey(join(data, 'master.key'))
  const vault = new Vault(await openLevelStore(join(data, 'db'), { create: false }), masterKey, systemRandom)
  closing.push(() => vault.close())
  return vault
}

type Running = Pick<TestRealm, 'dispatch' | 'clock' | 'realm'>

async function run(vault: Vault): Promise<TestRealm> {
  const clock = new TestClock()
  const realm = await openRealm({ vault, clock, random: systemRandom })
  closing.push(() => realm.close())
  const parts = { realm, rates: NO_RATE_LIMITS, timers: systemTimers, random: systemRandom }
  const running: Running = { realm, clock, dispatch: createDispatch({ ...parts, report: SILENT_REPORT }) }
  return running as TestRealm
}

async function tgtOf(name: string): Promise<Grant> {
  const tgts = JSON.parse(await readFile(join(FIRST_FORM, 'tgts.json'), 'utf8'))
  const { ticket, key } = tgts[name]
  const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
  return { ticket: bytes(ticket), key: new SessionKey(bytes(key)) } as Grant
}

async function loginOf(realm: TestRealm, name: string): Promise<string> {
  const entries = parseKeytab(await readFile(join(FIRST_FORM, 'keytab'), 'utf8'))
  const entry = entries.findLast(({ principal }) => principal === local(name))
  if (entry === undefined) throw new Error(`no key of ${name}`)
  return outcome(await login(realm, entry))
}

describe('a database of the last version', () => {
  it('opens, and what was revoked stays so, while the rest goes on', async () => {
    const vault = await openVault()
    // Twice: what a restart reads was written in the present form, or still has the first one.
    for (const realm of [await run(vault), await run(vault)]) {
      expect(outcome(await ask(realm, await tgtOf('web'), { services: [local('orders')] }))).toBe('reply')
      for (const name of ['cut', 'off', 'gone', 'again']) {
        expect(outcome(await ask(realm, await tgtOf(name))), name).toBe('06 revoked')
      }
      const logins = ['web', 'cut', 'again', 'off', 'gone'].map(name => loginOf(realm, name))
      expect(await Promise.all(logins)).toEqual([
        'reply',
        'reply',
        'reply',
        '06 principal_disabled',
        '05 auth_failed',
      ])
    }
  })

  it('has its log go on with what those entries revoked, and no stored time any more', async () => {
    const vault = await openVault()
    const [before] = await vault.list(RECORD_KIND.PRINCIPAL, { after: 'admin@demo.example', limit: 1 })
    const { realm } = await run(vault)
    const entries = (await vault.list(RECORD_KIND.REVOCATION, { limit: 100 })).map(({ fields }) =>
      decodeRevocationRecord(fields),
    )
    expect(entries.map(({ seq, kind, principal }) => [seq, kind, principal])).toEqual([
      [1, 'client', local('cut')],
      [2, 'client', local('off')],
      [3, 'client', local('gone')],
      [4, 'client', local('again')],
    ])
    expect([realm.revocations.oldest, realm.revocations.newest]).toEqual([1, 4])
    expect(realm.record.logId).toHaveLength(16)
    expect(await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.CLOCK)).toBeUndefined()
    expect(before?.name).toBe(local('again'))
  })

  it('keeps the id of its log over restarts', async () => {
    const vault = await openVault()
    const { logId } = (await run(vault)).realm.record
    expect((await run(vault)).realm.record.logId).toEqual(logId)
  })
})

it('a database of a newer version is refused by name', async () => {
  const vault = await openVault()
  const { record } = (await run(vault)).realm
  const stored = await vault.read(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)
  const fields = encodeRealmRecord(record).with(0, 4)
  const change = { kind: RECORD_KIND.REALM, name: REALM_RECORD_NAME.REALM, expected: stored?.version ?? 0 }
  await vault.commit([{ ...change, fields }])
  await expect(run(vault)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(
      'a realm record has form 4, and this version of orthrus reads up to form 3',
    ),
    facts: { hint: 'a newer version of orthrus wrote this database: run that version' },
  })
})
