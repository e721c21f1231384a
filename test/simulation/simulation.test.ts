import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { missing, USUAL_WITH_KEYS } from './enough.js'
import { type Run, simulate } from './simulate.js'
import { KEYS_CHANGE, KEYS_STAY, type Settings } from './world.js'

/**
 * Clients that follow section 8 of docs/protocol.md over a network that drops, delays, copies, alters and forges, with
 * clocks that step and processes that restart. A run is determined by its seed and its number of requests.
 * In some of the runs services follow what the KDC revokes, everybody changes keys, and hosts join (sections 10 and 12).
 * `ORTHRUS_SIMULATION_SEED=17 npx vitest run --config test/vitest.config.ts test/simulation` begins with the run of
 * seed 17; `ORTHRUS_SIMULATION_RUNS` says how many runs there are, and `ORTHRUS_SIMULATION_REQUESTS` how many requests
 * each has.
 */

const SLOW = process.env.ORTHRUS_SLOW === '1'
const RUNS = Number(process.env.ORTHRUS_SIMULATION_RUNS ?? (SLOW ? 126 : 3))
const REQUESTS = Number(process.env.ORTHRUS_SIMULATION_REQUESTS ?? (SLOW ? 800 : 500))
const FIRST = Number(process.env.ORTHRUS_SIMULATION_SEED ?? randomInt(1, 2 ** 31))

/** Runs in which keys change, each of fewer requests, as services then ask the KDC every 5 s. */
const KEY_RUNS = Math.ceil(RUNS / 3)
const KEY_REQUESTS = Math.ceil(REQUESTS / 3)

/** A time limit that also holds on a busy machine, milliseconds. */
const TIMEOUT = SLOW || RUNS > 3 ? 1_500_000 : 120_000

describe('a client that follows section 8', { timeout: TIMEOUT }, () => {
  it('has nothing handled twice, learns the truth, and is served once all is well', async () => {
    console.log(`the simulation: seeds ${FIRST} to ${FIRST + RUNS - 1}, ${REQUESTS} requests each`)
    console.log(again(FIRST, RUNS))
    const counts = new Map<string, number>()
    for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
      const run = await runOf(seed, REQUESTS, KEYS_STAY)
      if (run.violations.length > 0) throw new Error(describeRun(run))
      for (const [what, count] of run.counts) counts.set(what, (counts.get(what) ?? 0) + count)
    }
    console.log(tableOf(counts))
    expect(missing(counts, RUNS * REQUESTS), again(FIRST, RUNS)).toEqual([])
  })

  it('loses no key and no call to a rotation, and believes no ticket long after it was revoked', async () => {
    const counts = new Map<string, number>()
    for (let seed = FIRST; seed < FIRST + KEY_RUNS; seed++) {
      const run = await runOf(seed, KEY_REQUESTS, KEYS_CHANGE)
      if (run.violations.length > 0) throw new Error(describeRun(run))
      for (const [what, count] of run.counts) counts.set(what, (counts.get(what) ?? 0) + count)
    }
    console.log(tableOf(counts))
    expect(missing(counts, KEY_RUNS * KEY_REQUESTS, USUAL_WITH_KEYS), again(FIRST, RUNS)).toEqual([])
  })

  it('repeats the same run by its seed', async () => {
    const [one, other] = [await simulate(FIRST, 60, KEYS_CHANGE), await simulate(FIRST, 60, KEYS_CHANGE)]
    expect(other.lines, again(FIRST, 1)).toEqual(one.lines)
  })
})

/** How to repeat exactly these runs: the seed alone is not enough, since the slow set has more requests in each. */
function again(seed: number, runs: number): string {
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
