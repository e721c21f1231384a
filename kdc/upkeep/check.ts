import { isGroup } from '../../shared/pattern.js'
import { isPrincipal, kdcService, type RealmName } from '../../shared/principal.js'
import { policyName } from '../realm/directory.js'
import { RECORD_KIND, type StoreSnapshot } from '../store/store.js'
import {
  decodeFirstRealmRecord,
  decodeRealmRecord,
  type PolicyRecord,
  REALM_RECORD_NAME,
  type RealmRecord,
} from '../vault/records.js'
import type { MasterKeys } from '../vault/sealed-records.js'
import type { RecordCounts } from './backup-form.js'
import { checkEntries } from './check-entries.js'
import { checkPrincipals, type KnownPrincipals } from './check-principals.js'
import { type Fault, Faults } from './faults.js'
import { type ReadOptions, readable, rulesIn } from './read-records.js'

/** What a whole check has found. */
export interface CheckReport {
  /** `undefined` if the record of the realm cannot be read. */
  readonly realm: RealmName | undefined
  /** Records of each kind, those included that cannot be read. */
  readonly counts: RecordCounts
  /** Records that are still sealed under the master key before. */
  readonly underPrevious: number
  /** How many faults there are; the first thousand of them are in `faults`. */
  readonly found: number
  readonly faults: readonly Fault[]
  /** What is allowed, and may be a mistake. */
  readonly notes: readonly string[]
}

/** Opens every record, and checks everything that they say of each other. It writes nothing. */
export async function checkRealm(store: StoreSnapshot, keys: MasterKeys): Promise<CheckReport> {
  const faults = new Faults()
  const notes: string[] = []
  let underPrevious = 0
  const counted = counting(store)
  const previous = (): void => {
    underPrevious++
  }
  const options: ReadOptions = { store: counted.store, keys, faults, previous }
  const realm = await checkRealmRecord(options)
  if (realm !== undefined) {
    const known = await checkPrincipals(options, realm.name)
    await checkRules(options, realm.name, known, notes)
    if (realm.isPresent) await checkEntries(options, known)
    else
      notes.push(
        'an earlier version of orthrus wrote the database: it is brought to the present form when its KDC starts',
      )
  }
  const { counts } = counted
  return {
    realm: realm?.name,
    counts,
    underPrevious,
    found: faults.count,
    faults: faults.kept,
    notes: notes.slice(0, 100),
  }
}

/** A store whose records are counted as they are read. */
function counting(store: StoreSnapshot): { store: StoreSnapshot; counts: RecordCounts } {
  const counts = Object.fromEntries(Object.values(RECORD_KIND).map(kind => [kind, 0])) as Record<
    string,
    number
  >
  return {
    counts: counts as RecordCounts,
    store: {
      list: async (kind, page) => {
        const listed = await store.list(kind, page)
        counts[kind] = (counts[kind] ?? 0) + listed.length
        return listed
      },
      close: () => store.close(),
    },
  }
}

interface FoundRealm {
  readonly name: RealmName
  /** Whether it has the present form. */
  readonly isPresent: boolean
}

async function checkRealmRecord(options: ReadOptions): Promise<FoundRealm | undefined> {
  const { faults } = options
  let realm: FoundRealm | undefined
  const read = readable(options, RECORD_KIND.REALM, (fields, name) => {
    if (name !== REALM_RECORD_NAME.REALM) return undefined
    return decodeFirstRealmRecord(fields) ?? decodeRealmRecord(fields)
  })
  for await (const { record } of read) {
    if (record === undefined) continue
    realm = { name: record.realm, isPresent: 'logId' in record }
    checkLives(faults, record)
  }
  if (realm === undefined && faults.count === 0) {
    faults.add('realm', 'the database has no realm', 'is it the folder that "orthrus init" made?')
  }
  return realm
}

function checkLives(
  faults: Faults,
  { maxTgtLife, maxServiceLife, maxRenew, longestLife }: Pick<RealmRecord, LifeName>,
): void {
  if (longestLife >= Math.max(maxTgtLife, maxServiceLife, maxRenew)) return
  const hint = 'set a lifetime again, which corrects it: orthrus admin realm --max-renew 7d'
  faults.add('realm', 'tickets may live longer than keys and revocations are kept for them', hint)
}

type LifeName = 'maxTgtLife' | 'maxServiceLife' | 'maxRenew' | 'longestLife'

async function checkRules(
  options: ReadOptions,
  realm: RealmName,
  known: KnownPrincipals,
  notes: string[],
): Promise<void> {
  let administrators = 0
  const groups = new Set([...known.values()].filter(({ removed }) => !removed).flatMap(one => one.groups))
  for await (const { name, record } of rulesIn(options)) {
    const { client, service } = record
    if (policyName(client, service) !== name) {
      options.faults.add(`policy ${name}`, `the record says that it is about ${client} and ${service}`)
    }
    if (isForAdministrators(record, realm)) administrators++
    for (const side of [client, service]) {
      const about = `the rule for ${client} and ${service} names ${side}`
      if (isGroup(side) && !groups.has(side)) notes.push(`${about}, a group that nobody is in`)
      if (isPrincipal(side) && known.get(side)?.removed !== false)
        notes.push(`${about}, which does not exist`)
    }
  }
  if (administrators > 0) return
  notes.push('no rule makes anybody an administrator: nobody can administer the realm while its KDC runs')
}

function isForAdministrators({ service, effect, claims }: PolicyRecord, realm: RealmName): boolean {
  const isAdmin = claims.some(([name, value]) => name === 'role' && value === 'admin')
  return effect === 'allow' && (service as string) === kdcService(realm) && isAdmin
}
