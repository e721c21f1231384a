/** The results of the bench as plain values: reports made of groups, rows and figures. All can be written as JSON. */

/** One figure over all rounds. */
export interface Summary {
  readonly median: number
  readonly least: number
  readonly most: number
  /** In the order of the rounds. */
  readonly samples: readonly number[]
}

export interface Column {
  readonly key: string
  /** With its unit. */
  readonly title: string
  readonly better: 'less' | 'more'
}

/** What one round of one row gave, by the keys of the columns. */
export type Sample = Readonly<Record<string, number>>

export interface RowHead {
  readonly id: string
  readonly name: string
  /** Whether the row measures another library, for comparison. */
  readonly peer?: boolean
  /** The id of the row that this one is compared with. */
  readonly beside?: string
}

export interface Row extends RowHead {
  readonly figures: Readonly<Record<string, Summary>>
  /** The main column's figure divided by that of the row compared with, round by round. */
  readonly ratio?: Summary
}

export interface GroupHead {
  readonly id: string
  readonly title: string
  /** What is measured, and how. */
  readonly note: string
  readonly columns: readonly Column[]
  /** The key of the column that ratios and the chart are made of. */
  readonly main: string
}

export interface Group extends GroupHead {
  readonly rows: readonly Row[]
}

export interface Report {
  readonly date: string
  readonly node: string
  readonly platform: string
  readonly cores: number
  readonly processor: string
  /** The system's average of the minute before the run: what else the machine was doing. */
  readonly load: number
  readonly rounds: number
  readonly quick: boolean
  readonly full: boolean
  /** How long the whole run took. */
  readonly seconds: number
  readonly groups: readonly Group[]
}

export interface MeasuredRow {
  readonly head: RowHead
  readonly samples: readonly Sample[]
}

/** @throws TypeError for no samples */
export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b)
  const [least, most] = [sorted[0], sorted.at(-1)]
  if (least === undefined || most === undefined) throw new TypeError('a figure needs a sample')
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? most
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? least)) / 2
  return { median, least, most, samples }
}

/** @param share from 0 to 1. @returns the time that this share of them is at or below */
export function quantile(times: Float64Array, share: number): number {
  const sorted = times.slice().sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

export function makeGroup(head: GroupHead, measured: readonly MeasuredRow[]): Group {
  const rows = measured.map(({ head: row, samples }): Row => ({ ...row, figures: figuresOf(samples) }))
  return { ...head, rows: rows.map(row => withRatio(row, rows, head.main)) }
}

function figuresOf(samples: readonly Sample[]): Record<string, Summary> {
  const keys = Object.keys(samples[0] ?? {})
  return Object.fromEntries(keys.map(key => [key, summarize(samples.map(sample => sample[key] ?? 0))]))
}

/** For each round separately, because a disturbance of a round affects both of its rows. */
function withRatio(row: Row, rows: readonly Row[], main: string): Row {
  const beside = rows.find(other => other.id === row.beside)?.figures[main]?.samples
  const own = row.figures[main]?.samples
  if (beside === undefined || own === undefined) return row
  return { ...row, ratio: summarize(own.map((value, round) => value / (beside[round] ?? Number.NaN))) }
}
