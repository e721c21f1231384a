import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { missing } from './enough.js'
import { type Run, simulate } from './simulate.js'
import type { Settings } from './world.js'

/**
 * How many runs there are, and what they print. A run is determined by its seed and its number of requests.
 * `ORTHRUS_SIMULATION_SEED=17 npx vitest run --config test/vitest.config.ts test/simulation` begins with the run of
 * seed 17; `ORTHRUS_SIMULATION_RUNS` says how many runs there are, and `ORTHRUS_SIMULATION_REQUESTS` how many requests
 * each has.
 */

const SLOW = process.env.ORTHRUS_SLOW === '1'
export const RUNS = Number(process.env.ORTHRUS_SIMULATION_RUNS ?? (SLOW ? 126 : 2))
export const REQUESTS = Number(process.env.ORTHRUS_SIMULATION_REQUESTS ?? (SLOW ? 800 : 500))
export const FIRST = Number(process.env.ORTHRUS_SIMULATION_SEED ?? randomInt(1, 2 ** 31))

/** A time limit that also holds on a busy machine, milliseconds. */
export const TIMEOUT = SLOW || RUNS > 3 ? 1_500_000 : 120_000

export interface Simulating {
  readonly runs: number
  /** In each run. */
  readonly requests: number
  readonly settings: Settings
  /** How often things must happen, as `missing` takes it. */
  readonly usual: Readonly<Record<string, number>>
}

/** @throws the first violation, and if too little happened */
export async function simulateAll({ runs, requests, settings, usual }: Simulating): Promise<void> {
  console.log(`the simulation: seeds ${FIRST} to ${FIRST + runs - 1}, ${requests} requests each`)
  console.log(again(FIRST, RUNS))
  const counts = new Map<string, number>()
  for (let seed = FIRST; seed < FIRST + runs; seed++) {
    const run = await runOf(seed, requests, settings)
    if (run.violations.length > 0) throw new Error(describeRun(run))
    for (const [what, count] of run.counts) counts.set(what, (counts.get(what) ?? 0) + count)
  }
  console.log(tableOf(counts))
  expect(missing(counts, runs * requests, usual), again(FIRST, RUNS)).toEqual([])
}

/** How to repeat exactly these runs: the seed alone is not enough, since the slow set has more requests in each. */
export function again(seed: number, runs: number): string {
  const settings = { SEED: seed, RUNS: runs, REQUESTS }
  const words = Object.entries(settings).map(([name, value]) => `ORTHRUS_SIMULATION_${name}=${value}`)
  return `run it again: ${words.join(' ')}`
}

/** A run that fails for another reason than a violation prints its seed too. */
async function runOf(seed: number, requests: number, settings: Settings): Promise<Run> {
  try {
    return await simulate(seed, requests, settings)
  } catch (cause) {
    throw new Error(again(seed, 1), { cause })
  }
}

/** What did not hold, and what led to it: the events of the world, and everything about the requests concerned. */
function describeRun({ seed, violations, lines }: Run): string {
  const file = join(tmpdir(), `orthrus-simulation-${seed}.txt`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  const ids = violations.flatMap(violation => violation.match(/#\d+\b/g) ?? [])
  const about = lines.filter(line => ids.some(id => new RegExp(`${id}\\b`).test(line)))
  const tags = about.flatMap(line => line.match(/<[\w-]{8}>/g) ?? [])
  const told = lines.filter(
    line => !/ [#<]/.test(line) || [...ids, ...tags].some(mark => line.includes(mark)),
  )
  return [`${again(seed, 1)}; all of it is in ${file}`, ...violations, ...told.slice(-200)].join('\n')
}

function tableOf(counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
  return rows.map(([what, count]) => `${String(count).padStart(9)}  ${what}`).join('\n')
}
