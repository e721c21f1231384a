import type { Principal } from '../principal.js'
import { formatKeytab, type KeytabEntry } from './keytab.js'

/** Changes to the text of a keytab. Lines that they do not name stay as they are, comments of people too. */

export interface KeytabEdit {
  readonly principal: Principal
  readonly add?: readonly KeytabEntry[]
  /** The kvnos whose lines are taken out. */
  readonly drop?: readonly number[]
  /** When no ticket under a key can live any more, by kvno: milliseconds of KDC time. */
  readonly ends?: ReadonlyMap<number, number>
}

/** A comment beside an old key. Whoever does not know it skips it, as all comments. */
const NOTE = /^# (\S+) ([0-9]+) ends (\S+)$/

/** A key that ends later, milliseconds, is kept without a note. */
const CALENDAR_END = 8.64e15

export function editKeytab(text: string, { principal, add = [], drop = [], ends }: KeytabEdit): string {
  const dropped = new Set(drop)
  const noted = new Map([...endsIn(text, principal), ...(ends ?? [])])
  const kept = text.split('\n').filter(line => {
    if (line === '') return false
    const named = ownLine(line, principal)
    return named === undefined || (!named.isNote && !dropped.has(named.kvno))
  })
  const notes = [...noted]
    .filter(([kvno, end]) => !dropped.has(kvno) && end <= CALENDAR_END)
    .map(([kvno, end]) => `# ${principal} ${kvno} ends ${new Date(end).toISOString()}`)
  return `${[...kept, ...notes, ...linesOf(add)].join('\n')}\n`
}

/** When the old keys of a principal end, by kvno: milliseconds of KDC time. */
export function endsIn(text: string, principal: Principal): Map<number, number> {
  const ends = new Map<number, number>()
  for (const line of text.split('\n')) {
    const named = ownLine(line, principal)
    if (named?.isNote === true && Number.isFinite(named.end)) ends.set(named.kvno, named.end)
  }
  return ends
}

interface OwnLine {
  readonly isNote: boolean
  readonly kvno: number
  readonly end: number
}

function ownLine(line: string, principal: Principal): OwnLine | undefined {
  const [, named, digits, time = ''] = NOTE.exec(line) ?? []
  if (named === principal) return { isNote: true, kvno: Number(digits), end: Date.parse(time) }
  const [name, kvno] = line.split(' ', 2)
  return name === principal ? { isNote: false, kvno: Number(kvno), end: Number.NaN } : undefined
}

/** Without the first line, which the keytab has already. */
function linesOf(entries: readonly KeytabEntry[]): string[] {
  return entries.length === 0 ? [] : formatKeytab(entries).trimEnd().split('\n').slice(1)
}
