import { type Column, type MeasuredRow, quantile, type RowHead, type Sample } from './figures.js'
import type { Settings } from './settings.js'

/** Operations of this process alone, without sockets. */

export interface Operation<T> {
  readonly head: RowHead
  /** Makes an input beforehand, so that only the operation itself is measured. */
  prepare(): T
  run(input: T): unknown
}

/** An operation whose inputs are its own business. */
export interface BoundOperation {
  readonly head: RowHead
  round(count: number): Promise<Sample>
}

export const OPERATION_COLUMNS: readonly Column[] = [
  { key: 'cpu', title: 'CPU, µs each', better: 'less' },
  { key: 'rate', title: 'per second', better: 'more' },
  { key: 'p50', title: 'p50, µs', better: 'less' },
  { key: 'p99', title: 'p99, µs', better: 'less' },
]

const COUNT = { LEAST: 16, MOST: 40_000 } as const

/** Inputs that are made together: a request meets its receiver soon after it is made, not after 40,000 others. */
const BATCH = 256

export function bindOperation<T>({ head, prepare, run }: Operation<T>): BoundOperation {
  const round = (count: number) => measureRound(count, prepare, run)
  return { head, round }
}

async function measureRound<T>(count: number, prepare: () => T, run: (input: T) => unknown): Promise<Sample> {
  const times: number[] = []
  let [elapsed, used] = [0, 0]
  globalThis.gc?.()
  while (times.length < count) {
    const inputs = Array.from({ length: Math.min(BATCH, count - times.length) }, prepare)
    const cpu = process.cpuUsage()
    const begin = performance.now()
    await runAll(inputs, run, begin, times)
    elapsed += performance.now() - begin
    const { user, system } = process.cpuUsage(cpu)
    used += user + system
  }
  const sorted = Float64Array.from(times)
  return {
    cpu: used / count,
    rate: (count / elapsed) * 1000,
    p50: quantile(sorted, 0.5) * 1000,
    p99: quantile(sorted, 0.99) * 1000,
  }
}

async function runAll<T>(
  inputs: readonly T[],
  run: (input: T) => unknown,
  begin: number,
  times: number[],
): Promise<void> {
  let last = begin
  for (const input of inputs) {
    const result = run(input)
    if (result instanceof Promise) await result
    const now = performance.now()
    times.push(now - last)
    last = now
  }
}

/** Runs all operations of a round before the next round, so that a disturbance of the machine affects all of them. */
export async function measureOperations(
  operations: readonly BoundOperation[],
  settings: Settings,
): Promise<MeasuredRow[]> {
  const planned: { operation: BoundOperation; count: number; samples: Sample[] }[] = []
  for (const operation of operations) {
    const least = settings.quick ? COUNT.LEAST : 4 * COUNT.LEAST
    planned.push({ operation, count: await warmUp(operation.round, least, settings), samples: [] })
  }
  for (let round = 0; round < settings.rounds; round++) {
    for (const { operation, count, samples } of planned) samples.push(await operation.round(count))
  }
  return planned.map(({ operation: { head }, samples }) => ({ head, samples }))
}

/**
 * Runs rounds for long enough that the code has been compiled: the cost of a process's first operations says nothing
 * about the later ones.
 * @param first how many operations the first round has. @returns how many make a round
 */
export async function warmUp(
  round: (count: number) => Promise<Sample>,
  first: number,
  { seconds, warmUpSeconds }: Settings,
): Promise<number> {
  let count = first
  let spent = 0
  do {
    const { rate = 0 } = await round(count)
    spent += count / rate
    count = countFor(rate, seconds)
  } while (spent < warmUpSeconds)
  return count
}

/** How many operations take about that long. */
function countFor(rate: number, seconds: number): number {
  return Math.min(COUNT.MOST, Math.max(COUNT.LEAST, Math.round(rate * seconds)))
}
