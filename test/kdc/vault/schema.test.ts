import { describe, expect, it } from 'vitest'
import { startKdc } from '../../../kdc/main.js'
import { openRealm } from '../../../kdc/realm/realm.js'
import { RECORD_KIND } from '../../../kdc/store/store.js'
import {
  decodeRevocationRecord,
  encodePolicyRecord,
  encodePrincipalRecord,
  encodeRealmRecord,
  encodeRevocationRecord,
} from '../../../kdc/vault/records.js'
import { SCHEMA } from '../../../kdc/vault/schema.js'
import { NO_TERMS } from '../../../shared/administration/rule.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { patternIn } from '../../../shared/pattern.js'
import { local, REALM, type TestRealm, testRealm } from '../../support/realm.js'

/** A program that cannot read all of a database refuses it at its start, by its number, and changes nothing. */

const NAME = 'realm'

async function put({ vault }: TestRealm, fields: readonly Value[]): Promise<void> {
  const { version = 0 } = (await vault.read(RECORD_KIND.REALM, NAME)) ?? {}
  await vault.commit([{ kind: RECORD_KIND.REALM, name: NAME, expected: version, fields }])
}

async function stored({ vault }: TestRealm): Promise<Value[]> {
  return (await vault.read(RECORD_KIND.REALM, NAME))?.fields ?? []
}

const opened = ({ vault, clock }: TestRealm) =>
  openRealm({ vault, clock, timers: clock, random: systemRandom })

describe('the schema of a database', () => {
  it('rises with every form that an earlier version cannot read', async () => {
    const realm = await testRealm()
    await realm.add('web')
    await realm.call('revoke-client', [local('web')])
    const [entry] = await realm.vault.list(RECORD_KIND.REVOCATION, { limit: 1 })
    const rule = {
      client: patternIn(REALM, 'web'),
      service: patternIn(REALM, '*'),
      effect: 'allow',
      ...NO_TERMS,
    } as const
    const forms = {
      realm: encodeRealmRecord(realm.realm.record)[0],
      principal: encodePrincipalRecord(await realm.record('web'))[0],
      policy: encodePolicyRecord({ ...rule, changedAt: 1 })[0],
      revocation: encodeRevocationRecord(decodeRevocationRecord(entry?.fields ?? []))[0],
    }
    // Whoever changes a form here makes the number greater too: it is how the version before refuses the database.
    expect([SCHEMA, forms]).toEqual([3, { realm: 3, principal: 3, policy: 2, revocation: 2 }])
    expect(forms.realm).toBe(SCHEMA)
  })

  it('is written when a database of an earlier one is opened, once', async () => {
    const realm = await testRealm()
    const now = await stored(realm)
    await put(realm, [2, ...now.slice(1, -1)])
    const before = realm.realm.record
    const again = await opened(realm)
    expect(again.record).toEqual(before)
    again.close()
    expect(await stored(realm)).toEqual(now)
    const { version } = (await realm.vault.read(RECORD_KIND.REALM, NAME)) ?? {}
    ;(await opened(realm)).close()
    expect((await realm.vault.read(RECORD_KIND.REALM, NAME))?.version).toBe(version)
  })

  it('that is newer is refused at the start of the KDC, which says what to run and changes nothing', async () => {
    const realm = await testRealm()
    const fields = [SCHEMA + 1, ...(await stored(realm)).slice(1), 'what this version does not know']
    await put(realm, fields)
    let commits = 0
    realm.store.watch(() => {
      commits++
    })
    const { store, masterKey, clock } = realm
    await expect(startKdc({ store, masterKey, clock, listen: { port: 0 } })).rejects.toMatchObject({
      code: 'unavailable',
      reason: `a realm record has form ${SCHEMA + 1}, and this version of orthrus reads up to form ${SCHEMA}`,
      facts: { hint: 'a newer version of orthrus wrote this database: run that version' },
    })
    expect(commits).toBe(0)
  })
})
