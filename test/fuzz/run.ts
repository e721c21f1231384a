import { expect, it } from 'vitest'
import { readCorpus, setAside, writeCorpus } from './corpus.js'
import { Coverage } from './coverage.js'
import { type FuzzReport, fuzz } from './engine.js'
import type { Entry } from './entry.js'
import { watchRun } from './watchdog.js'

/**
 * How long and from which seed entries are fuzzed:
 *
 * - `npm test` tries what is kept and twenty fresh inputs of each entry, less where each takes longer;
 * - `ORTHRUS_SLOW=1` gives each twenty seconds, `ORTHRUS_FUZZ_SECONDS` as many seconds as it says;
 * - `ORTHRUS_FUZZ_SEED` has an earlier run again, `ORTHRUS_FUZZ_KEEP=1` writes what was reached into `corpus/`.
 *
 * What repeats an entry is printed before it begins: of one that hangs, times out or dies nothing is told afterwards.
 */

const { ORTHRUS_SLOW, ORTHRUS_FUZZ_SECONDS, ORTHRUS_FUZZ_SEED, ORTHRUS_FUZZ_KEEP } = process.env
const seconds = Number(ORTHRUS_FUZZ_SECONDS ?? (ORTHRUS_SLOW === '1' ? 20 : 0))
const seed = Number(ORTHRUS_FUZZ_SEED ?? Date.now() % 2 ** 31)

const QUICK = 20
const SHOWN = 200

/** Every entry as a test of its own. */
export function fuzzAll(entries: readonly Entry[]): void {
  it.each(entries.map(entry => [entry.name, entry] as const))(
    '%s',
    async (name, entry) => {
      // Without the time to change what reached something new, what reached it need not be known.
      const coverage = seconds > 0 ? new Coverage() : undefined
      const amount = seconds > 0 ? { milliseconds: seconds * 1_000 } : { inputs: entry.quick ?? QUICK }
      const corpus = readCorpus(name)
      process.stdout.write(`fuzzing ${again(name)}\n`)
      watchRun(again(name))
      const report = await fuzz(entry, { seed, ...amount, corpus, ...(coverage && { coverage }) })
      if (coverage !== undefined) tell(name, report, coverage.blocks)
      coverage?.stop()
      if (ORTHRUS_FUZZ_KEEP === '1') writeCorpus(name, report.kept)
      expect(
        report.findings.map(finding => told(name, finding)),
        again(name),
      ).toEqual([])
    },
    60_000 + 2_000 * seconds,
  )
}

function tell(name: string, { inputs, outcomes, kept }: FuzzReport, blocks: number): void {
  const most = [...outcomes].sort(([, a], [, b]) => b - a).slice(0, 6)
  const told = most.map(([outcome, count]) => `${outcome.slice(0, 40)}: ${count}`).join(', ')
  process.stdout.write(`${name} | ${inputs} inputs | ${blocks} blocks | ${kept.length} new | ${told}\n`)
}

function again(name: string): string {
  return `${JSON.stringify(name)} with ORTHRUS_FUZZ_SEED=${seed} ORTHRUS_FUZZ_SECONDS=${seconds}`
}

function told(name: string, { fault, input }: FuzzReport['findings'][number]): string {
  const shown = Buffer.from(input.subarray(0, SHOWN))
  const rest = input.length > SHOWN ? `, all of it in ${setAside(name, input)}` : ''
  const text = JSON.stringify(shown.toString('latin1'))
  return `${fault}\ninput of ${input.length}${rest}: ${shown.toString('hex')} ${text}`
}
