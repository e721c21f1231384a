import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAudit } from '../../../kdc/report/audit/audit.js'
import { AuditKey, FIRST_LINK, openLink } from '../../../kdc/report/audit/chain.js'
import { ChainedLines } from '../../../kdc/report/audit/chained-lines.js'
import { readMark } from '../../../kdc/report/audit/end-of-log.js'
import { formatMark, parseMark } from '../../../kdc/report/audit/mark.js'
import { ownerView } from '../../../kdc/report/audit/owner-view.js'
import { readAudit, readUses } from '../../../kdc/report/audit/reader.js'
import { searchRefusals } from '../../../kdc/report/audit/refusal-search.js'
import { toldRefusal } from '../../../kdc/report/audit/told-refusal.js'
import { verifyAudit } from '../../../kdc/report/audit/verify.js'
import { openAuditKey, readAuditKey, sealAuditKey } from '../../../kdc/vault/audit-key.js'
import { MasterKey } from '../../../kdc/vault/master-key.js'
import {
  decodeAuditPage,
  decodeAuditQuestion,
  decodeUsesPage,
  decodeUsesQuestion,
  encodeAuditPage,
  encodeAuditQuestion,
  encodeUsesPage,
  encodeUsesQuestion,
} from '../../../shared/administration/audit.js'
import { type AuditLine, decodeAuditLine } from '../../../shared/administration/audit-line.js'
import { decode, encode } from '../../../shared/encoding/encoding.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { steadyRandom } from '../../support/chance.js'
import { TestClock } from '../../support/clock.js'
import { asyncOutcomeOf, type Entry, ofText, outcomeOf, requireSame, textOf } from '../entry.js'

/** The files of an audit log, which anybody may have changed, and what is said about it over a channel. */

const KEY = new AuditKey(new Uint8Array(32).fill(3))
const MASTER = new MasterKey(new Uint8Array(32).fill(4))
const ANY = { client: null, service: null, outcome: null, since: null } as const
const FILTER = { client: 'web/*@demo.example', service: '*', outcome: 'denied', since: 5 } as never
const PLACE = { file: 1, offset: 7 }

function lines(count: number): string {
  const fields = {
    kind: 'ticket',
    outcome: 'granted',
    client: 'web@demo.example',
    service: 'orders@demo.example',
  } as const
  const entries = Array.from({ length: count }, () => ({ at: Date.UTC(2027, 0, 15, 8), fields }))
  return new ChainedLines(KEY).make({ n: 0, mac: FIRST_LINK }, entries, false).bytes.toString()
}

const DENIED = `{"n":1,"at":"2027-01-15T08:00:00.000Z","kind":"ticket","outcome":"denied","exchange":"TGS","client":"web@demo.example","service":"orders@demo.example","rule":"deny web@demo.example *","code":"policy_denied","id":"0123456789ab","reason":"a rule denies it"}\n`

/** The reader takes pieces of 256 KiB, several times. */
const FLOOR = 16 * 1024 * 1024

function logEntry(directory: string): Entry {
  const path = join(directory, 'audit-000000000001.jsonl')
  return {
    name: 'audit: a file of the log',
    form: 'text',
    seeds: ofText(lines(3), `${lines(2)}{"n":3,"at":`, lines(2).replace('granted', 'denied'), DENIED, ''),
    // And a step from line to line takes its objects, however short the lines are.
    floor: 3 * FLOOR,
    quick: 20,
    run: async (input, measure) => {
      writeFileSync(path, input)
      rmSync(join(directory, 'last-mark'), { force: true })
      const before = await measure(() => verifyAudit(directory, KEY))
      await measure(() => readAudit(directory, { filter: ANY }, null))
      const late = { filter: { ...ANY, since: 9e12 } }
      await measure(() => readAudit(directory, late, { file: 1, offset: input.length >> 1 }))
      const owned = { filter: ANY, view: ownerView(parsePrincipal('orders@demo.example')) }
      await measure(() => readUses(directory, owned, null))
      const search = {
        before: null,
        reach: Number.POSITIVE_INFINITY,
        passes: async (line: AuditLine) => toldRefusal(line) !== undefined,
      }
      await measure(() => searchRefusals(directory, '0123456789ab', search))
      await measure(() => goOn(directory))
      const after = await measure(() => verifyAudit(directory, KEY))
      // A KDC that goes on behind it hides nothing of what was wrong.
      if (before.findings.some(({ file }) => file !== 'last-mark') && after.findings.length === 0) {
        throw new Error('a fault was hidden')
      }
      return before.findings.length > 1 ? 'faults' : 'taken'
    },
  }
}

/** A KDC starts with the log, and writes a line. */
async function goOn(directory: string): Promise<void> {
  const clock = new TestClock()
  const shares = { refusals: RATE, allRefusals: RATE, tickets: RATE }
  const retention = { maxAge: 1e12, maxBytes: 1e9, fileBytes: 1e9 }
  const options = { directory, key: KEY, retention, shares, backlogMax: 10, clock, timers: clock }
  const audit = await openAudit({ ...options, tell: () => {} })
  await audit.listener({ kind: 'records_read', by: [], method: 'list', on: [] })
  await audit.close()
}

const RATE = { points: 10, interval: 1_000 }

function fileEntries(directory: string): Entry[] {
  const mark = join(directory, 'mark')
  const key = join(directory, 'key')
  return [
    {
      name: 'audit: the last mark',
      form: 'text',
      seeds: ofText(formatMark(KEY, { n: 7, mac: new Uint8Array(16).fill(8) })),
      floor: FLOOR,
      run: async (input, measure) => {
        const parsed = measure(() => parseMark(KEY, textOf(input)))
        if (parsed !== undefined) requireSame(formatMark(KEY, parsed), textOf(input).trim())
        writeFileSync(mark, input)
        const read = await readMark(KEY, mark)
        return `${parsed !== undefined} ${read.kind}`
      },
    },
    {
      name: 'audit: the sealed key',
      form: 'text',
      seeds: ofText(sealAuditKey(new Uint8Array(32).fill(5), MASTER, steadyRandom())),
      floor: FLOOR,
      run: (input, measure) => {
        const opened = measure(() => openAuditKey(textOf(input), MASTER))
        writeFileSync(key, input, { mode: 0o600 })
        return asyncOutcomeOf(
          () => readAuditKey(key, { current: MASTER, previous: undefined }),
          ['keytab_invalid'],
        ).then(read => `${opened !== undefined} ${read}`)
      },
    },
  ]
}

const said: Entry[] = [
  {
    name: 'audit: a line',
    form: 'text',
    seeds: ofText(
      lines(1).trimEnd(),
      '{"n":1,"at":"2027-01-15T08:00:00.000Z","kind":"log","outcome":"noted","on":["a"],"count":3,"details":{}}',
    ),
    run: (input, measure) => {
      measure(() => openLink(input))
      return outcomeOf(() => measure(() => decodeAuditLine(textOf(input))), ['malformed'])
    },
  },
  {
    name: 'audit: questions and pages',
    form: 'list',
    seeds: [
      encodeAuditQuestion({ filter: FILTER, place: PLACE, wait: 3 }),
      encodeUsesQuestion({ filter: ANY, place: null }),
      encodeAuditPage({ lines: ['{}'], next: PLACE, isEnd: true }),
      encodeUsesPage({
        uses: [{ client: 'web', service: 'orders', granted: 1, denied: 2, at: 3, from: '192.0.2.1' }],
        next: PLACE,
        isEnd: false,
      }),
    ].map(list => encode(list)),
    run: (input, measure) => {
      const readers = [decodeAuditQuestion, decodeUsesQuestion, decodeAuditPage, decodeUsesPage]
      return readers
        .map(read => outcomeOf(() => measure(() => read(decode(input))), ['malformed', 'too_large']))
        .join(' ')
    },
  },
]

export function auditEntries(): { readonly entries: readonly Entry[]; end(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'orthrus-fuzz-audit-'))
  const entries = [...said, ...fileEntries(directory), logEntry(directory)]
  return { entries, end: () => rmSync(directory, { recursive: true, force: true }) }
}
