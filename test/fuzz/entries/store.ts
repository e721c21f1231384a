import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { Level } from 'level'
import { openRealm } from '../../../kdc/realm/realm.js'
import { markClosedCleanly, wasClosedCleanly } from '../../../kdc/store/level/clean-close.js'
import { COMMITS_FILE, CommitsFile, readCommits } from '../../../kdc/store/level/commit-count.js'
import { commitsInLog } from '../../../kdc/store/level/log-check.js'
import { decodeStored, encodeStep } from '../../../kdc/store/level/step.js'
import { openLevelStore } from '../../../kdc/store/level/store.js'
import { isWholeTable } from '../../../kdc/store/level/table-check.js'
import { decodeTally, encodeTally } from '../../../kdc/store/level/tally.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import { RECORD_KIND, type RecordKind } from '../../../kdc/store/store.js'
import { createMasterKey, MasterKey } from '../../../kdc/vault/master-key.js'
import { readMasterKeys } from '../../../kdc/vault/master-key-place.js'
import { MASTER_KEY_VARIABLE, openMasterKey } from '../../../kdc/vault/master-key-source.js'
import {
  decodePolicyRecord,
  decodePrincipalRecord,
  decodeRealmRecord,
  decodeRevocationRecord,
  encodePolicyRecord,
  encodePrincipalRecord,
  encodeRealmRecord,
  encodeRevocationRecord,
} from '../../../kdc/vault/records.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { sealWith } from '../../../shared/crypto/seal.js'
import { decode, encode, type Value } from '../../../shared/encoding/encoding.js'
import { systemClock } from '../../../shared/time.js'
import { steadyRandom } from '../../support/chance.js'
import { fixedRandom } from '../../vectors.js'
import { asyncOutcomeOf, type Entry, outcomeOf, requireSame } from '../entry.js'
import { kdcScene } from './kdc.js'

/** What the KDC reads back from its disk: a backup may be anybody's. */

type Record = readonly [decode: (list: readonly Value[]) => unknown, encode: (record: never) => Value[]]

const RECORDS: readonly Record[] = [
  [decodePrincipalRecord, encodePrincipalRecord],
  [decodePolicyRecord, encodePolicyRecord],
  [decodeRealmRecord, encodeRealmRecord],
  [decodeRevocationRecord, encodeRevocationRecord],
]

const MASTER = new Uint8Array(32).fill(21)
const NONCE = new Uint8Array(24).fill(22)

/** A record as the store has it: sealed, and bound to kind, name and version. */
function sealedRecord(kind: RecordKind, name: string, plaintext: Uint8Array): Uint8Array {
  const bound = encode(['orthrus record 1', kind, name, 1])
  return sealWith(MASTER, bound, plaintext, fixedRandom(NONCE))
}

async function vaultOf(records: readonly (readonly [RecordKind, string, Uint8Array])[]): Promise<Vault> {
  const store = createMemoryStore()
  await store.commit(records.map(([kind, name, value]) => ({ kind, name, expected: 0, value })))
  return new Vault(store, new MasterKey(MASTER.slice()), steadyRandom())
}

/** Of each kind one, as a realm writes it. */
async function recordSeeds(): Promise<Value[][]> {
  const { realm } = await kdcScene()
  await realm.call('disable', ['web@demo.example'])
  const kinds = Object.values(RECORD_KIND)
  const pages = await Promise.all(kinds.map(kind => realm.vault.list(kind, { limit: 8 })))
  return pages.flat().map(({ fields }) => fields)
}

/** Forms of earlier versions. */
const EARLIER: Value[][] = [
  [1, 'web@a', '*', 'allow', [['role', 'x']], null, ['GET'], null, false, 1],
  [2, 'web@a', new Uint8Array(8), [], 9, null, false, false, null, null, null, 1, 1, null, null],
]

function records(seeds: readonly Value[][]): Entry {
  const name = 'web@demo.example'
  return {
    name: 'store: inside of a record',
    form: 'list',
    seeds: [...seeds, ...EARLIER].map(list => encode(list)),
    run: async (plaintext, measure) => {
      const vault = await vaultOf([
        [RECORD_KIND.PRINCIPAL, name, sealedRecord(RECORD_KIND.PRINCIPAL, name, plaintext)],
      ])
      let list: Value[] = []
      const read = () => vault.read(RECORD_KIND.PRINCIPAL, name)
      const opened = await asyncOutcomeOf(async () => {
        list = (await measure(read))?.fields ?? []
      }, ['unavailable'])
      const said = RECORDS.map(([decodeRecord, encodeRecord]) =>
        outcomeOf(() => {
          const record = measure(() => decodeRecord(list))
          // Earlier forms are read, and written no more.
          if (list[0] === (decodeRecord === decodePrincipalRecord ? 3 : 2)) {
            requireSame(encode(encodeRecord(record as never)), plaintext)
          }
        }, ['unavailable']),
      )
      return [opened, ...said].join(' ')
    },
  }
}

function realm(seeds: readonly Value[][]): Entry {
  const realmRecord = seeds.find(list => list.length === 10 && list[2] instanceof Uint8Array) ?? []
  const first = [1, 'demo.example', new Uint8Array(32), 1, 1, 1, 1]
  const revocation = seeds.find(list => list.length === 8) ?? []
  const firstRevocation = [1, 1, 'client', 'web@demo.example', 1, null, 2]
  return {
    name: 'store: the records that a realm is opened by',
    form: 'list',
    // The realm's record is decoded twice: by what brings a database to the newest form, and to open it.
    floor: 2 * 1024 * 1024,
    seeds: [
      encode([encode(realmRecord), encode([]), encode(revocation)]),
      encode([encode(first), encode([1, 5]), encode(firstRevocation)]),
    ],
    run: async (input, measure) => {
      const [first, second, third] = partsOf(input)
      const vault = await vaultOf([
        [RECORD_KIND.REALM, 'realm', sealedRecord(RECORD_KIND.REALM, 'realm', first)],
        [RECORD_KIND.REALM, 'clock', sealedRecord(RECORD_KIND.REALM, 'clock', second)],
        [RECORD_KIND.REVOCATION, NUMBER, sealedRecord(RECORD_KIND.REVOCATION, NUMBER, third)],
      ])
      return asyncOutcomeOf(async () => {
        const open = await measure(() => openRealm({ vault, clock: systemClock, random: steadyRandom() }))
        open.close()
      }, ['unavailable'])
    },
  }
}

const NUMBER = '0000000000000001'

function partsOf(input: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  try {
    const parts = decode(input).map(part => (part instanceof Uint8Array ? part : new Uint8Array()))
    return [parts[0] ?? input, parts[1] ?? input, parts[2] ?? input]
  } catch {
    return [input, input, input]
  }
}

function sealedValue(seeds: readonly Value[][]): Entry {
  return {
    name: 'store: a record as it is stored',
    form: 'bytes',
    seeds: [sealedRecord(RECORD_KIND.POLICY, 'a b', encode(seeds[0] ?? []))],
    run: async (value, measure) => {
      const vault = await vaultOf([[RECORD_KIND.POLICY, 'a b', value]])
      return asyncOutcomeOf(
        () => measure(() => vault.list(RECORD_KIND.POLICY, { limit: 2 })),
        ['unavailable'],
      )
    },
  }
}

const stored = encodeStep({ kind: 'policy', name: 'a', expected: 4, value: new Uint8Array(40) }).stored
const tally = encodeTally({ commits: 7, sum: new Uint8Array(32).fill(3) })

const tallies: Entry = {
  name: 'store: a tally, and a value with its version',
  form: 'bytes',
  seeds: [tally, stored ?? new Uint8Array(6)],
  run: (input, measure) => {
    const decoded = measure(() => decodeTally(input))
    if (decoded !== undefined) requireSame(encodeTally(decoded), input)
    // What is shorter than a version is not in a database whose records add up.
    if (input.length < 6) return 'none'
    const { version, value } = measure(() => decodeStored(input))
    const again = encodeStep({ kind: 'policy', name: 'a', expected: version - 1, value })
    if (version > 0) requireSame(again.stored ?? '', input)
    return decoded === undefined ? 'none' : 'taken'
  },
}

/** Files are written to a folder of the machine's own, and read by what reads them in the end. */
function files(folder: string): Entry[] {
  const of = (name: string) => joinPath(folder, name)
  const put = (name: string, content: Uint8Array) => writeFileSync(of(name), content, { mode: 0o600 })
  return [
    {
      name: 'store: the file COMMITS',
      form: 'text',
      seeds: [new Uint8Array(readFileSync(of(COMMITS_FILE)))],
      quick: 25,
      run: async (content, measure) => {
        put(COMMITS_FILE, content)
        const commits = await measure(() => readCommits(folder))
        return commits === undefined ? 'not relied on' : `${commits}`
      },
    },
    {
      name: 'store: the file REST',
      form: 'text',
      seeds: [new Uint8Array(readFileSync(of('REST')))],
      quick: 25,
      run: async (content, measure) => {
        put('REST', content)
        // What is changed is not what was written, and nobody can write another that fits.
        return `${await measure(() => wasClosedCleanly(folder))}`
      },
    },
    {
      name: 'store: the file of the master key',
      form: 'text',
      seeds: [new Uint8Array(readFileSync(of('master.key')))],
      quick: 25,
      run: async (content, measure) => {
        put('master.key', content)
        return asyncOutcomeOf(() => measure(() => readMasterKeys(of('master.key'))), ['keytab_invalid'])
      },
    },
    {
      name: 'store: a master key that is handed over',
      form: 'text',
      seeds: [new Uint8Array(readFileSync(of('master.key')))],
      quick: 25,
      run: async (content, measure) => {
        const source = { kind: 'environment', variable: MASTER_KEY_VARIABLE } as const
        const env = { [MASTER_KEY_VARIABLE]: Buffer.from(content).toString('latin1') }
        return asyncOutcomeOf(() => measure(() => openMasterKey(source, env)), ['keytab_invalid'])
      },
    },
  ]
}

async function table(folder: string): Promise<Entry> {
  const directory = joinPath(folder, 'db')
  const options = { keyEncoding: 'utf8', valueEncoding: 'view', compression: false } as const
  // What one opening finds in a log the next has in a table.
  for (const round of [1, 2]) {
    const database = new Level<string, Uint8Array>(directory, options)
    await database.open()
    for (let i = 0; i < 40; i++) await database.put(`policy\0${round} ${i}`, new Uint8Array(30).fill(i))
    await database.close()
  }
  const tables = readdirSync(directory).filter(name => /\.(?:ldb|sst)$/.test(name))
  return {
    name: 'store: a table of LevelDB',
    form: 'bytes',
    seeds: tables.map(name => new Uint8Array(readFileSync(joinPath(directory, name)))),
    run: (file, measure) => String(measure(() => isWholeTable(file))),
  }
}

async function log(folder: string): Promise<Entry> {
  const directory = joinPath(folder, 'logged')
  const store = await openLevelStore(directory, { create: true })
  for (const bytes of [10, 40_000, 20]) {
    await store.commit([
      { kind: RECORD_KIND.POLICY, name: `${bytes}`, expected: 0, value: new Uint8Array(bytes).fill(bytes) },
    ])
  }
  const logs = readdirSync(directory).filter(name => name.endsWith('.log'))
  const seeds = logs.map(name => new Uint8Array(readFileSync(joinPath(directory, name))))
  await store.close()
  return {
    name: 'store: a log of LevelDB',
    form: 'bytes',
    seeds,
    run: (file, measure) => measure(() => commitsInLog(file)).join(' '),
  }
}

/** @returns the entries, and what clears up behind them */
export async function storeEntries(): Promise<{ entries: Entry[]; end: () => void }> {
  const folder = mkdtempSync(joinPath(tmpdir(), 'orthrus-fuzz-'))
  const commits = await CommitsFile.open(folder, 12)
  await commits.close()
  await markClosedCleanly(folder)
  await createMasterKey(joinPath(folder, 'master.key'), steadyRandom())
  const seeds = await recordSeeds()
  const entries = [
    records(seeds),
    realm(seeds),
    sealedValue(seeds),
    tallies,
    ...files(folder),
    await table(folder),
    await log(folder),
  ]
  return { entries, end: () => rmSync(folder, { recursive: true, force: true }) }
}
