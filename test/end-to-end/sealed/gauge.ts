import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'vitest'
import { turns } from '../../support/turns.js'

export const MIB = 2 ** 20
/** What may be on its way: the buffers of two sockets, a megabyte each or a few, and of the streams around them. */
const ON_ITS_WAY = 16 * MIB
/** Above what the process had before. Garbage is collected when it likes, so not all of this is held. */
const MEMORY = 160 * MIB
/** As far as garbage was collected: less than all that went by. */
const HELD = 80 * MIB
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** How much is on its way, and how much memory that takes. */
export class Gauge {
  readonly total: number
  written = 0
  read = 0
  mostOnItsWay = 0
  mostMemory = 0
  /** What is still held of it all when the last of it was read, and neither side is over yet. */
  #held = 0
  readonly #before: number

  /** @param total how much will go by, bytes */
  constructor(total: number) {
    this.total = total
    collectGarbage()
    this.#before = memory()
  }

  wrote(bytes: number): void {
    this.written += bytes
    this.mostOnItsWay = Math.max(this.mostOnItsWay, this.written - this.read)
  }

  /** Reads slowly. */
  async took(bytes: number): Promise<void> {
    const step = Math.floor(this.read / MIB)
    this.read += bytes
    if (this.read === this.total) {
      collectGarbage()
      this.#held = memory() - this.#before
    }
    if (Math.floor(this.read / MIB) === step) return
    this.mostMemory = Math.max(this.mostMemory, memory() - this.#before)
    await turns(3)
  }

  /** Reads nothing, until the writer has nothing to write to any more. */
  async stall(): Promise<void> {
    for (let same = 0, last = -1; same < 20; same = this.written === last ? same + 1 : 0) {
      last = this.written
      await turns(5)
    }
    expect(this.written).toBeGreaterThan(0)
    expect(this.written - this.read).toBeLessThan(ON_ITS_WAY)
  }

  requireFlat(): void {
    expect(this.read).toBe(this.total)
    expect(this.mostOnItsWay).toBeLessThan(ON_ITS_WAY)
    expect(this.mostMemory).toBeLessThan(MEMORY)
    expect(this.#held).toBeLessThan(HELD)
  }
}

function memory(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
