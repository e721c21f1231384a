import { Session } from 'node:inspector'
import { getHeapStatistics } from 'node:v8'
import type { Measure } from './entry.js'

/**
 * What one input costs: processor time and memory. Each input is first measured cheaply. An input that looks expensive
 * is measured again, in a way that a busy machine, a garbage collection or a function that is compiled meanwhile cannot
 * mislead.
 */

/** The most processor time for one input, milliseconds. */
export const TIME_MOST = 50
/** The most memory for each byte of an input. */
export const MEMORY_A_BYTE = 20
/**
 * What any input may take in addition: the decoder's own floor of 256 KiB, which a caveat of 2 KiB and a page of rules
 * can need, and 64 KiB for what every exchange takes however small it is: promises, keys, errors with their stacks.
 */
export const MEMORY_FLOOR = 320 * 1024

/** Measures the cost of the calls that go through it. */
export interface Meter {
  readonly measure: Measure
  /** The cost of the most expensive call: milliseconds, or bytes. */
  readonly most: number
}

abstract class AnyMeter implements Meter {
  most = 0

  readonly measure: Measure = take => {
    const end = this.begin()
    let taken: ReturnType<typeof take>
    try {
      taken = take()
    } catch (cause) {
      end()
      throw cause
    }
    if (!(taken instanceof Promise)) {
      end()
      return taken
    }
    return taken.finally(end) as typeof taken
  }

  /** @returns a function that ends the measurement */
  protected abstract begin(): () => void

  protected read(cost: number): void {
    this.most = Math.max(this.most, cost)
  }
}

/** A first measurement, which costs next to nothing and may be wrong because of other work. */
export class FirstLook extends AnyMeter {
  /** Bytes; what was collected meanwhile makes it less. */
  memory = 0
  /** Whether garbage was collected, so that nobody knows how much there was. */
  isCollected = false

  protected begin(): () => void {
    const before = memoryInUse()
    const start = performance.now()
    return () => {
      this.read(performance.now() - start)
      const memory = memoryInUse() - before
      this.memory = Math.max(this.memory, memory)
      if (memory < 0) this.isCollected = true
    }
  }
}

/** Memory in use: V8's heap, and what buffers hold outside it. */
function memoryInUse(): number {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return used_heap_size + external_memory
}

/** Processor time, milliseconds: of the process or of the wall clock, whichever is less. */
export class TimeMeter extends AnyMeter {
  protected begin(): () => void {
    const before = process.cpuUsage()
    const start = performance.now()
    return () => {
      const elapsed = performance.now() - start
      const { user, system } = process.cpuUsage(before)
      // V8's helper threads count for the process, and other processes count for the wall clock.
      this.read(Math.min(elapsed, (user + system) / 1_000))
    }
  }
}

const sampler = new Session()
sampler.connect()
const SAMPLING = {
  samplingInterval: 256,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
}

/**
 * All that is allocated, bytes. V8's sampling profiler also counts what was collected meanwhile; at one sample in 256
 * bytes it is exact to a few per cent.
 */
export class MemoryMeter extends AnyMeter {
  protected begin(): () => void {
    const { arrayBuffers } = process.memoryUsage()
    sampler.post('HeapProfiler.startSampling', SAMPLING as object)
    return () => {
      let heap = 0
      sampler.post('HeapProfiler.stopSampling', (error, { profile }) => {
        if (error === null) heap = sizeOf(profile.head)
      })
      this.read(heap + Math.max(0, process.memoryUsage().arrayBuffers - arrayBuffers))
    }
  }
}

interface ProfileNode {
  readonly selfSize: number
  readonly children: readonly ProfileNode[]
}

function sizeOf({ selfSize, children }: ProfileNode): number {
  return children.reduce((sum, child) => sum + sizeOf(child), selfSize)
}

const AGAIN = 3

/** The minimum of several readings: a busy machine, and functions compiled meanwhile, can only increase one. */
export async function least(newMeter: () => Meter, run: (measure: Measure) => unknown): Promise<number> {
  let cost = Number.POSITIVE_INFINITY
  for (let i = 0; i < AGAIN; i++) {
    const meter = newMeter()
    await run(meter.measure)
    cost = Math.min(cost, meter.most)
  }
  return cost
}
