import { join } from 'node:path'
import { DATA_FILES } from '../../kdc/data-files.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { policyName } from '../../kdc/realm/directory.js'
import { newPrincipal } from '../../kdc/realm/principal.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { RECORD_KIND } from '../../kdc/store/store.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { encodePolicyRecord, encodePrincipalRecord } from '../../kdc/vault/records.js'
import { Vault, type VaultChange } from '../../kdc/vault/vault.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import { MINUTE, systemClock } from '../../shared/time.js'
import { clientName, REALM, serviceName } from '../exchanges/realm.js'

/** A realm on LevelDB with many principals, written as the KDC writes them, but in batches. */

export interface BuiltDatabase {
  readonly directory: string
  readonly masterKey: Uint8Array
  /** Of `client/0`, which may use `service/0`. */
  readonly keytab: string
  /** Besides the three that every realm has. */
  readonly principals: number
}

const BATCH = 10_000
/** What is not there by then is left out. */
const DEADLINE = 5 * MINUTE

/** @param directory one that exists and is empty */
export async function buildDatabase(directory: string, wanted: number): Promise<BuiltDatabase> {
  const masterKey = systemRandom(SIZE.KEY)
  const store = await openLevelStore(join(directory, DATA_FILES.DATABASE), { create: true })
  const vault = new Vault(store, new MasterKey(masterKey.slice()), systemRandom)
  try {
    await createRealm({ vault, realm: REALM, clock: systemClock, random: systemRandom })
    const key = new LongTermKey(systemRandom(SIZE.KEY))
    await vault.commit([principalChange(clientName(0), key), ruleChange(clientName(0), serviceName(0))])
    const principals = 1 + (await addServices(vault, wanted - 1))
    return {
      directory,
      masterKey,
      keytab: formatKeytab([{ principal: clientName(0), kvno: 1, key }]),
      principals,
    }
  } finally {
    await vault.close()
  }
}

async function addServices(vault: Vault, wanted: number): Promise<number> {
  const deadline = performance.now() + DEADLINE
  let made = 0
  while (made < wanted && performance.now() < deadline) {
    const first = made
    const changes = Array.from({ length: Math.min(BATCH, wanted - made) }, (_, i) =>
      principalChange(serviceName(first + i), new LongTermKey(systemRandom(SIZE.KEY))),
    )
    await vault.commit(changes)
    made += changes.length
  }
  return made
}

function principalChange(name: Principal, key: LongTermKey): VaultChange {
  const record = newPrincipal({ name, key, now: Date.now(), random: systemRandom })
  return { kind: RECORD_KIND.PRINCIPAL, name, expected: 0, fields: encodePrincipalRecord(record) }
}

function ruleChange(from: Principal, to: Principal): VaultChange {
  const [client, service] = [from as string as Pattern, to as string as Pattern]
  const fields = encodePolicyRecord({ client, service, effect: 'allow', ...NO_TERMS, changedAt: Date.now() })
  return { kind: RECORD_KIND.POLICY, name: policyName(client, service), expected: 0, fields }
}
