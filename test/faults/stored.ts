import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { DATA_FILES } from '../../kdc/data-files.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { RECORD_KIND, type RecordKind } from '../../kdc/store/store.js'
import { readMasterKey } from '../../kdc/vault/master-key.js'
import {
  decodePolicyRecord,
  decodePrincipalRecord,
  decodeRevocationRecord,
  type PolicyRecord,
  type PrincipalRecord,
} from '../../kdc/vault/records.js'
import { Vault } from '../../kdc/vault/vault.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { RevocationEntry } from '../../shared/revocation/entry.js'
import type { State } from './ledger.js'

/** Reads a data folder without a KDC, in a copy, so that the folder itself stays as the dead process left it. */

export interface StoredRealm {
  readonly principals: ReadonlyMap<string, PrincipalRecord>
  readonly rules: readonly PolicyRecord[]
  readonly revocations: readonly RevocationEntry[]
}

export async function readStored(data: string): Promise<StoredRealm> {
  const copy = await mkdtemp(join(tmpdir(), 'orthrus-stored-'))
  try {
    await cp(join(data, DATA_FILES.DATABASE), join(copy, 'db'), { recursive: true })
    const masterKey = await readMasterKey(join(data, DATA_FILES.MASTER_KEY))
    const vault = new Vault(
      await openLevelStore(join(copy, 'db'), { create: false }),
      masterKey,
      systemRandom,
    )
    try {
      return await readAll(vault)
    } finally {
      await vault.close()
    }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

async function readAll(vault: Vault): Promise<StoredRealm> {
  const all = async (kind: RecordKind) => (await vault.list(kind, { limit: 100_000 })).map(row => row.fields)
  const principals = (await all(RECORD_KIND.PRINCIPAL)).map(decodePrincipalRecord)
  return {
    principals: new Map(principals.map(record => [shortOf(record.name), record])),
    rules: (await all(RECORD_KIND.POLICY)).map(decodePolicyRecord),
    revocations: (await all(RECORD_KIND.REVOCATION)).map(decodeRevocationRecord),
  }
}

/** What the ledger has of these names. */
export function statesOf(realm: StoredRealm, names: readonly string[]): Map<string, State> {
  const states = new Map<string, State>()
  for (const name of names) {
    const record = realm.principals.get(name)
    if (record !== undefined) states.set(`principal ${name}`, stateOf(record, revocationsOf(realm, record)))
    const rule = realm.rules.find(({ client }) => shortOf(client) === name)
    if (rule !== undefined)
      states.set(`rule ${name}`, { kind: 'rule', effect: rule.effect, maxLife: rule.maxLife })
  }
  return states
}

export function shortOf(name: string): string {
  return name.slice(0, name.lastIndexOf('@'))
}

function stateOf({ removed, disabled, lastKvno, keys }: PrincipalRecord, revoked: readonly unknown[]): State {
  const life = removed ? 'removed' : disabled ? 'disabled' : 'enabled'
  const password = keys[0]?.fromPassword === true
  return { kind: 'principal', life, kvno: lastKvno, password, revoked: revoked.length }
}

function revocationsOf({ revocations }: StoredRealm, { name }: PrincipalRecord): RevocationEntry[] {
  return revocations.filter(({ principal }) => principal === name)
}

/**
 * What holds between the records of one commit, and from one reading to the next: nothing has gone back that may not.
 */
export function requireSound(realm: StoredRealm, before: StoredRealm | undefined): void {
  const { principals, revocations } = realm
  expect(revocations.map(({ seq }) => seq)).toEqual(revocations.map((_, i) => i + 1))
  for (const [i, { mark }] of (before?.revocations ?? []).entries()) {
    expect(revocations[i]?.mark, `entry ${i + 1} is the one that was there`).toEqual(mark)
  }
  for (const [name, record] of principals) {
    const dead = revocationsOf(realm, record).map(({ by }) => Buffer.from(by as Uint8Array).toString('hex'))
    expect(new Set(dead).size, `each series of ${name} is revoked once`).toBe(dead.length)
    expect(dead, `the present series of ${name}`).not.toContain(Buffer.from(record.clientId).toString('hex'))
    const earlier = before?.principals.get(name)
    expect(record.lastKvno, `the kvno of ${name}`).toBeGreaterThanOrEqual(earlier?.lastKvno ?? 0)
    // A removed principal has no tickets, and whoever is added under its name begins another series.
    if (earlier === undefined || earlier.removed) continue
    if (Buffer.compare(earlier.clientId, record.clientId) === 0) continue
    const left = Buffer.from(earlier.clientId).toString('hex')
    expect(dead, `the series that ${name} had before`).toContain(left)
  }
}
