import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCorpus } from './corpus.js'
import { Coverage } from './coverage.js'
import { formEntries, partyEntries } from './entries.js'
import type { Entry } from './entry.js'

/** Shows that no decoder is left out: each ran, as V8 saw it, while the entries read their first inputs. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const FOLDERS = ['shared', 'kdc', 'service', 'client', 'cli']
const DECODER = /^export (?:async )?function ((?:decode|parse|open|read)\w*)/gm

/** Functions that read nothing that an entry could change, or that are tried elsewhere. */
const ELSEWHERE = new Map([
  ['shared/crypto/primitives.ts#openExtended', "the twin of Node's, held against it in crypto/twins.test.ts"],
  ['shared/crypto/primitives.ts#openRecord', "the twin of Node's, held against it in crypto/twins.test.ts"],
  ['shared/crypto/primitives.ts#openApart', "the twin of Node's, held against it in crypto/twins.test.ts"],
  [
    'client/request/unproved-response.ts#openUnproved',
    'it reads no form, only bytes up to a bound: tried in test/client/request/unprotected.test.ts',
  ],
  [
    'client/request/sealed-response.ts#openSealed',
    'its head is proved as that of any response, its records are those of sealed streams: tried in test/attacks/sealed-bodies.test.ts',
  ],
  ['shared/keytab/keytab-file.ts#readKeytabFile', 'there are no files in a browser: it refuses'],
  [
    'kdc/store/level/store.ts#openLevelStore',
    'every file of a database is changed in test/kdc/store/level/store.test.ts',
  ],
  [
    'kdc/store/level/store.ts#openUnreadStore',
    'every file of a database is changed in test/kdc/store/level/store.test.ts',
  ],
  [
    'kdc/store/level/database.ts#readTally',
    'every file of a database is changed in test/kdc/store/level/store.test.ts',
  ],
  [
    'kdc/store/level/open.ts#openDatabase',
    'every file of a database is changed in test/kdc/store/level/store.test.ts',
  ],
  ['client/kdc-link/websocket.ts#openSocket', 'opens a socket; what comes over it are frames'],
  ['client/kdc-link/websocket.node.ts#openSocket', 'opens a socket; what comes over it are frames'],
  ['client/request/http-request.ts#readRequest', "reads the caller's own request"],
])

const decoders = FOLDERS.flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .flatMap(name => {
      const path = join(folder, name)
      const text = readFileSync(join(root, path), 'utf8')
      return [...text.matchAll(DECODER)].map(([, decoder]) => `${path}#${decoder}`)
    }),
)

let reached: ReadonlySet<string> = new Set()
let names: string[] = []
let clearUp = (): void => {}

beforeAll(async () => {
  const [forms, parties] = [await formEntries(), await partyEntries()]
  clearUp = forms.end
  const entries: Entry[] = Object.values({ ...forms.groups, ...parties }).flat()
  names = entries.map(({ name }) => name)
  // Only now, because making the entries also runs code.
  const coverage = new Coverage()
  for (const entry of entries) {
    for (const input of [...entry.seeds, ...readCorpus(entry.name)]) await entry.run(input, take => take())
  }
  coverage.take()
  reached = new Set(coverage.functions)
  coverage.stop()
}, 60_000)

afterAll(() => clearUp())

describe('the fuzz entries', () => {
  it('have different names', () => {
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThan(50)
  })

  it('reach every decoder, parser, opener and reader that is exported', () => {
    expect(decoders.length).toBeGreaterThan(60)
    expect(decoders.filter(decoder => !reached.has(decoder) && !ELSEWHERE.has(decoder))).toEqual([])
  })

  it('do not reach what is listed as tried elsewhere', () => {
    const excused = [...ELSEWHERE.keys()]
    expect(excused.filter(decoder => !decoders.includes(decoder) || reached.has(decoder))).toEqual([])
  })
})
