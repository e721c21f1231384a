/** One operation, measured in this process: how many a second, what each costs, how long each takes. */
export interface Figures {
  readonly name: string
  readonly operations: number
  readonly perSecond: number
  /** Of CPU, user and system, this process alone. */
  readonly cpuMicroseconds: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

export interface Operation<T> {
  readonly name: string
  readonly operations: number
  /** Makes the inputs beforehand, so that only the operation itself is measured. */
  prepare(index: number): T
  run(input: T): unknown
}

/** The first tenth warms up and is not counted. */
export async function measure<T>({ name, operations, prepare, run }: Operation<T>): Promise<Figures> {
  const warmUp = Math.ceil(operations / 10)
  const inputs = Array.from({ length: warmUp + operations }, (_, i) => prepare(i))
  for (const input of inputs.splice(0, warmUp)) await run(input)
  const times = new Float64Array(operations)
  const cpuBefore = process.cpuUsage()
  const begin = performance.now()
  for (const [i, input] of inputs.entries()) {
    const start = performance.now()
    await run(input)
    times[i] = performance.now() - start
  }
  const elapsed = performance.now() - begin
  const { user, system } = process.cpuUsage(cpuBefore)
  times.sort()
  return {
    name,
    operations,
    perSecond: (operations / elapsed) * 1000,
    cpuMicroseconds: (user + system) / operations,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
  }
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** The round in the middle by CPU cost, with the extremes of that cost beside it. */
export async function medianOf<T>(
  rounds: number,
  operation: Operation<T>,
): Promise<Figures & { readonly least: number; readonly most: number }> {
  const all: Figures[] = []
  for (let round = 0; round < rounds; round++) all.push(await measure(operation))
  all.sort((a, b) => a.cpuMicroseconds - b.cpuMicroseconds)
  const middle = all[Math.floor(rounds / 2)] as Figures
  const costs = all.map(figures => figures.cpuMicroseconds)
  return { ...middle, least: costs[0] as number, most: costs.at(-1) as number }
}
