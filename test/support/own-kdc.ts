import { onTestFinished } from 'vitest'
import { Administration } from '../../client/channel/administration.js'
import { type KdcSettings, type RunningKdc, startKdc } from '../../kdc/main.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import type { PrincipalRecord } from '../../kdc/vault/records.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { parseRealm, principalIn } from '../../shared/principal.js'
import { createTestClock, type TestClock } from '../../testing/index.js'
import { amendRecord, readRecord } from './records.js'

/** A KDC whose limits a test sets. Its store and master key are open to the test, as to a thief. */
export interface OwnKdc {
  readonly kdc: RunningKdc
  readonly clock: TestClock
  readonly administration: Administration
  readonly admin: KeytabEntry
  add(name: string): Promise<KeytabEntry>
  record(name: string): Promise<PrincipalRecord>
  /** Edits a record as another process on the same store would. */
  amend(name: string, amend: (record: PrincipalRecord) => PrincipalRecord): Promise<void>
}

export async function startOwnKdc(settings: KdcSettings = {}): Promise<OwnKdc> {
  const clock = createTestClock()
  const store = createMemoryStore()
  const masterKey = new MasterKey(systemRandom(32))
  const vault = new Vault(store, masterKey, systemRandom)
  const realm = parseRealm('test.example')
  const admin = await createRealm({ vault, realm, clock, random: systemRandom })
  const kdc = await startKdc({ store, masterKey, clock, timers: clock, listen: { port: 0 }, ...settings })
  onTestFinished(() => kdc.close())
  const administration = new Administration(kdc.administration)
  return {
    kdc,
    clock,
    administration,
    admin,
    add: async name => {
      const principal = principalIn(realm, name)
      const { kvno, key } = await administration.add({ principal, password: null, ...NO_LIMITS })
      if (key === null) throw new Error('no key')
      return { principal, kvno, key }
    },
    record: name => readRecord(vault, principalIn(realm, name)),
    amend: (name, amend) => amendRecord(vault, principalIn(realm, name), amend),
  }
}
