import { Chance } from '../support/chance.js'
import { FirstLook, least, MEMORY_A_BYTE, MEMORY_FLOOR, MemoryMeter, TIME_MOST, TimeMeter } from './cost.js'
import type { Coverage } from './coverage.js'
import { type Entry, FRAME_MOST, type Measure } from './entry.js'
import { mutate } from './mutate.js'
import { watch } from './watchdog.js'

/**
 * Feeds changed inputs to an entry, keeps those that reached something new and changes them further. A run with the
 * same seed tries the same inputs, as far as V8 reports the same of what ran.
 */

export interface FuzzOptions {
  readonly seed: number
  /** Whichever comes first ends the run. */
  readonly inputs?: number
  readonly milliseconds?: number
  readonly corpus?: readonly Uint8Array[]
  readonly coverage?: Coverage
}

export interface Finding {
  readonly fault: string
  readonly input: Uint8Array
}

export interface FuzzReport {
  readonly inputs: number
  /** How often each outcome came. */
  readonly outcomes: ReadonlyMap<string, number>
  /** Inputs that reached what none before them did. */
  readonly kept: readonly Uint8Array[]
  readonly findings: readonly Finding[]
}

/** How many inputs are tried between two checks that the entry still works. */
const BATCH = 24
const FINDINGS_MOST = 5

export async function fuzz(entry: Entry, options: FuzzOptions): Promise<FuzzReport> {
  const run = new Run(entry, options)
  await run.begin()
  await run.go()
  return run
}

class Run implements FuzzReport {
  readonly #entry: Entry
  readonly #options: FuzzOptions
  readonly #random: Chance
  readonly #pool: Uint8Array[]
  #good = ''
  /** The inputs that existed before. */
  #tried = 0
  inputs = 0
  readonly outcomes = new Map<string, number>()
  readonly kept: Uint8Array[] = []
  readonly findings: Finding[] = []

  constructor(entry: Entry, options: FuzzOptions) {
    this.#entry = entry
    this.#options = options
    this.#random = new Chance(options.seed)
    this.#pool = [...entry.seeds, ...(options.corpus ?? [])].map(input => new Uint8Array(input))
  }

  async begin(): Promise<void> {
    this.#good = await untouched(this.#entry)
    for (const input of this.#pool.slice(0, this.#entry.seeds.length)) await this.#try(input)
    // What came with the entry need not be saved beside it.
    this.kept.length = 0
    for (const input of this.#pool.slice(this.#entry.seeds.length)) await this.#try(input)
    this.#tried = this.inputs
  }

  async go(): Promise<void> {
    const { inputs = Number.POSITIVE_INFINITY, milliseconds = Number.POSITIVE_INFINITY } = this.#options
    const end = performance.now() + milliseconds
    while (
      this.inputs - this.#tried < inputs &&
      performance.now() < end &&
      this.findings.length < FINDINGS_MOST
    ) {
      const batch = Array.from({ length: BATCH }, () => this.#next())
      for (const input of batch) await this.#try(input)
      await this.#requireSound(batch)
    }
  }

  #next(): Uint8Array {
    const { form, most = FRAME_MOST } = this.#entry
    // What was found last is the best basis for more.
    const recent = this.#pool.length - 1 - this.#random.below(Math.min(8, this.#pool.length))
    const from = this.#random.oneIn(3) ? this.#pool[recent] : this.#random.pick(this.#pool)
    return mutate(this.#random, form, from as Uint8Array, this.#pool, most)
  }

  async #try(input: Uint8Array): Promise<void> {
    this.inputs++
    const verdict = await judge(this.#entry, input)
    if ('fault' in verdict) await this.#found(verdict.fault, input)
    else this.outcomes.set(verdict.outcome, (this.outcomes.get(verdict.outcome) ?? 0) + 1)
    const { coverage } = this.#options
    if (coverage === undefined || coverage.take().size === 0) return
    if (!this.#pool.includes(input)) this.#pool.push(input)
    this.kept.push(input)
  }

  /** The entry still works: good inputs are still accepted, with the same outcome. */
  async #requireSound(batch: readonly Uint8Array[]): Promise<void> {
    const outcome = await untouched(this.#entry).catch(describe)
    if (outcome === this.#good) return
    await this.#found(
      `after these the good input comes to ${outcome}, not ${this.#good}`,
      batch.at(-1) as Uint8Array,
    )
  }

  async #found(fault: string, input: Uint8Array): Promise<void> {
    if (this.findings.some(finding => kindOf(finding.fault) === kindOf(fault))) return
    this.findings.push({ fault, input: await shrunk(this.#entry, fault, input) })
  }
}

type Judged = { readonly outcome: string } | { readonly fault: string }

/** One input, with everything that is checked for it. */
export async function judge(entry: Entry, input: Uint8Array): Promise<Judged> {
  const look = new FirstLook()
  const end = watch(input)
  try {
    const outcome = await entry.run(input, look.measure)
    const fault = await dearness(entry, input, look)
    return fault === undefined ? { outcome } : { fault }
  } catch (cause) {
    return { fault: `lets out ${describe(cause)}` }
  } finally {
    end()
  }
}

/** What looks expensive at first is measured again with more care. */
async function dearness(entry: Entry, input: Uint8Array, look: FirstLook): Promise<string | undefined> {
  const run = (measure: Measure) => entry.run(input, measure)
  if (look.most > TIME_MOST) {
    const time = await least(() => new TimeMeter(), run)
    if (time > TIME_MOST) return `takes ${Math.round(time)} ms`
  }
  const most = (entry.floor ?? MEMORY_FLOOR) + MEMORY_A_BYTE * input.length
  if (!look.isCollected && look.memory <= most) return undefined
  const memory = await least(() => new MemoryMeter(), run)
  return memory > most
    ? `takes ${Math.round(memory)} bytes for ${input.length}, more than ${most}`
    : undefined
}

/** The outcome of the good input. */
async function untouched(entry: Entry): Promise<string> {
  const [good = new Uint8Array()] = entry.seeds
  const end = watch(good)
  try {
    return await entry.run(good, take => take())
  } finally {
    end()
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}\n${cause.stack}` : String(cause)
}

/** Faults that differ only in numbers count as one. */
function kindOf(fault: string): string {
  return (fault.split('\n', 1)[0] as string).replace(/\d+|[0-9a-f]{8,}/g, 'n').slice(0, 120)
}

const SHRINKING = 300
const SHRINKING_MILLISECONDS = 2_000

/** The same fault in fewer bytes, as far as leaving out pieces achieves that. */
async function shrunk(entry: Entry, fault: string, input: Uint8Array): Promise<Uint8Array> {
  let [shortest, tries] = [input, 0]
  const end = performance.now() + SHRINKING_MILLISECONDS
  for (let size = Math.ceil(shortest.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < shortest.length && tries < SHRINKING && performance.now() < end; tries++) {
      const shorter = new Uint8Array(Buffer.concat([shortest.subarray(0, at), shortest.subarray(at + size)]))
      const verdict = await judge(entry, shorter)
      if ('fault' in verdict && kindOf(verdict.fault) === kindOf(fault)) shortest = shorter
      else at += size
    }
  }
  return shortest
}
