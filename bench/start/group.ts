import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MINUTE } from '../../shared/time.js'
import { KdcSocket } from '../exchanges/kdc-socket.js'
import { askAs } from '../exchanges/questions.js'
import { clientName, entryOf } from '../exchanges/realm.js'
import { type Group, type MeasuredRow, makeGroup, type RowHead, type Sample } from '../figures.js'
import { Child } from '../processes.js'
import type { Settings } from '../settings.js'
import { type BuiltDatabase, buildDatabase } from './database.js'
import type { StartFigures } from './kdc-process.js'

/** How a KDC starts, by how many principals it has. */

const SIZES = { NORMAL: [10, 100_000], QUICK: [10, 1_000], FULL: [10, 100_000, 1_000_000] } as const
const MIB = 1024 * 1024
const DEADLINE = 5 * MINUTE

export async function measureStarts(settings: Settings): Promise<Group> {
  const { quick, full } = settings
  const rows: MeasuredRow[] = []
  for (const size of quick ? SIZES.QUICK : full ? SIZES.FULL : SIZES.NORMAL) {
    rows.push(...(await measureSize(size, settings)))
  }
  const note = full || quick ? HEAD.note : `${HEAD.note} 1,000,000 principals are measured with --full only.`
  return makeGroup({ ...HEAD, note }, rows)
}

const HEAD = {
  id: 'start',
  title: 'The KDC: start, by number of principals',
  note:
    'Each round starts a KDC in a new process, on LevelDB in a temporary folder whose files the system has in memory, ' +
    'after another that was closed in order, or was not. ' +
    'Start is from startKdc to listening; the first answer, from there on, is a new connection and an AS exchange ' +
    'with one service. Memory is resident at that moment, and the most until then.',
  columns: [
    { key: 'elapsed', title: 'start, ms', better: 'less' },
    { key: 'first', title: 'first AS answer, ms', better: 'less' },
    { key: 'resident', title: 'resident, MiB', better: 'less' },
    { key: 'peak', title: 'most resident, MiB', better: 'less' },
    { key: 'build', title: 'made in, s', better: 'less' },
  ],
  main: 'elapsed',
} as const

/** How the KDC before ended: it decides what the next one does first. */
type End = 'closed' | 'killed'

async function measureSize(size: number, { rounds }: Settings): Promise<MeasuredRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'orthrus-bench-'))
  const sweep = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', sweep)
  try {
    const begin = performance.now()
    const database = await buildDatabase(directory, size)
    const build = (performance.now() - begin) / 1000
    const rows: MeasuredRow[] = []
    for (const end of ['closed', 'killed'] as const) {
      await measureRound(database, end)
      const samples: Sample[] = []
      for (let round = 0; round < rounds; round++) samples.push(await measureRound(database, end))
      rows.push({
        head: headOf(size, database, end),
        samples: end === 'closed' ? samples.map(sample => ({ ...sample, build })) : samples,
      })
    }
    return rows
  } finally {
    process.off('exit', sweep)
    sweep()
  }
}

function headOf(size: number, { principals }: BuiltDatabase, end: End): RowHead {
  const number = (count: number) => count.toLocaleString('en-US')
  const missing = principals < size ? ` (of ${number(size)}: there was no time for more)` : ''
  const name = `${number(principals)} principals${missing}, ${end === 'closed' ? 'closed in order' : 'killed'} before`
  return { id: `start.${size}.${end}`, name }
}

/** @param end how this KDC ends */
async function measureRound(database: BuiltDatabase, end: End): Promise<Sample> {
  const kdc = new Child('./start/kdc-process.js')
  try {
    const { url, elapsed, resident, peak } = await kdc.ask<StartFigures>('start', database, DEADLINE)
    const first = await firstAnswer(url, database.keytab)
    if (end === 'closed') await kdc.ask('close')
    return { elapsed, first, resident: resident / MIB, peak: peak / MIB }
  } finally {
    await kdc.stop()
  }
}

/** @returns milliseconds */
async function firstAnswer(url: string, keytab: string): Promise<number> {
  const { principal, key } = entryOf(keytab, clientName(0))
  const login = askAs(principal, key, 1)
  const begin = performance.now()
  const socket = await KdcSocket.open(url)
  const answer = await socket.ask(login.bytes)
  const elapsed = performance.now() - begin
  socket.close()
  if (login.open(answer).grants.length !== 2) throw new Error('the KDC gave too few tickets')
  return elapsed
}
