import { randomInt } from 'node:crypto'

/**
 * Whether two kinds of input take the same time, in the manner of dudect: both are measured in a random order, the
 * longest times are left out (an interrupt says nothing about the code), and Welch's t says how sure one can be that
 * the means differ. |t| under about 4.5 shows no difference; it grows with the root of the number of samples.
 */

export interface Comparison {
  readonly t: number
  /** Of the means that t compares, milliseconds. */
  readonly difference: number
  /** Of the medians, which no outlier moves, milliseconds. */
  readonly medians: readonly [number, number]
  readonly samples: number
}

/** The share of the longest times that is left out. */
const CROPPED = 0.1

type Act = () => unknown

/** @param samples of both together @param warmUp rounds of both before anything is measured */
export async function compareTimes(
  first: Act,
  second: Act,
  samples: number,
  warmUp = 2_000,
): Promise<Comparison> {
  for (let i = 0; i < warmUp; i++) {
    await first()
    await second()
  }
  const times: [number[], number[]] = [[], []]
  for (let i = 0; i < samples; i++) {
    const kind = randomInt(2) as 0 | 1
    const act = kind === 0 ? first : second
    const begin = performance.now()
    await act()
    times[kind].push(performance.now() - begin)
  }
  return compare(...times)
}

/** What is timed, with what comes before it and is not timed. */
export interface Timed {
  prepare(): void
  act(): void
}

/** Times of each, milliseconds: all in one random order, so that disturbances affect them alike. */
export function timesOf(all: readonly Timed[], samples: number, warmUp: number): number[][] {
  const times = all.map((): number[] => [])
  for (let i = -warmUp; i < samples; i++) {
    const kind = i < 0 ? (i + warmUp) % all.length : randomInt(all.length)
    const timed = all[kind] as Timed
    timed.prepare()
    const begin = performance.now()
    timed.act()
    if (i >= 0) times[kind]?.push(performance.now() - begin)
  }
  return times
}

export function compare(first: readonly number[], second: readonly number[]): Comparison {
  const all = Float64Array.from([...first, ...second]).sort()
  const limit = all[Math.floor(all.length * (1 - CROPPED))] ?? Number.POSITIVE_INFINITY
  const [a, b] = [first, second].map(times => momentsOf(times.filter(time => time <= limit))) as [
    Moments,
    Moments,
  ]
  const difference = a.mean - b.mean
  const t = difference / Math.sqrt(a.variance / a.count + b.variance / b.count)
  return { t, difference, medians: [medianOf(first), medianOf(second)], samples: all.length }
}

export function describeComparison(name: string, { t, difference, medians, samples }: Comparison): string {
  const [a, b] = medians.map(median => (median * 1000).toFixed(2))
  const shown = `t = ${t.toFixed(1)}, means differ by ${(difference * 1000).toFixed(3)} µs`
  return `${name}: ${shown}, medians ${a} and ${b} µs, ${samples} samples`
}

interface Moments {
  readonly count: number
  readonly mean: number
  readonly variance: number
}

function momentsOf(times: readonly number[]): Moments {
  const count = times.length
  const mean = times.reduce((sum, time) => sum + time, 0) / count
  const variance = times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / (count - 1)
  return { count, mean, variance }
}

function medianOf(times: readonly number[]): number {
  return Float64Array.from(times).sort()[Math.floor(times.length / 2)] ?? Number.NaN
}
