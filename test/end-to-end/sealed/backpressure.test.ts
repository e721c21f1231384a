import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { turns } from '../../support/turns.js'
import { type Setting, startSetting } from './setting.js'

/**
 * That a slow reader slows its writer down, and nothing is held in between but what sockets and streams hold. 1 GiB in
 * the slow set; enough to show it otherwise.
 */

const MIB = 2 ** 20
const TOTAL = process.env.ORTHRUS_SLOW === '1' ? 1024 * MIB : 128 * MIB
/** What may be on its way: the buffers of two sockets, a megabyte each or a few, and of the streams around them. */
const ON_ITS_WAY = 16 * MIB
/** Above what the process had before. Garbage is collected when it likes, so not all of this is held. */
const MEMORY = 160 * MIB
/** As far as garbage was collected: less than all that went by. */
const HELD = 80 * MIB
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const PIECE = new Uint8Array(256 * 1024).fill(7)

let setting: Setting & { end(): Promise<void> }

beforeAll(async () => {
  setting = await startSetting()
})
afterAll(() => setting.end())

/** How much is on its way, and how much memory that takes. */
class Gauge {
  written = 0
  read = 0
  mostOnItsWay = 0
  mostMemory = 0
  /** What is still held of it all when the last of it was read, and neither side is over yet. */
  #held = 0
  readonly #before: number

  constructor() {
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
    if (this.read === TOTAL) {
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
    expect(this.read).toBe(TOTAL)
    expect(this.mostOnItsWay).toBeLessThan(ON_ITS_WAY)
    expect(this.mostMemory).toBeLessThan(MEMORY)
    expect(this.#held).toBeLessThan(HELD)
  }
}

function memory(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe('memory stays flat', { timeout: 600_000 }, () => {
  it('while a slow client reads a sealed response', async () => {
    const gauge = new Gauge()
    const { url } = await setting.serve(async (_, res) => {
      while (gauge.written < TOTAL) {
        const isMoreWanted = res.write(PIECE)
        gauge.wrote(PIECE.length)
        if (!isMoreWanted) await once(res, 'drain')
      }
      res.end()
    })
    const response = await setting.web.fetch(url, { service: 'orders', sealed: true })
    await gauge.stall()
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>)
      await gauge.took(piece.length)
    gauge.requireFlat()
  })

  it('while a slow handler reads a sealed request', async () => {
    const gauge = new Gauge()
    const { url } = await setting.serve(async (req, res) => {
      await gauge.stall()
      for await (const piece of req) await gauge.took((piece as Buffer).length)
      res.end('done')
    })
    const body = new ReadableStream(
      {
        pull: controller => {
          if (gauge.written === TOTAL) return controller.close()
          gauge.wrote(PIECE.length)
          controller.enqueue(PIECE)
        },
      },
      { highWaterMark: 0 },
    )
    const response = await setting.web.fetch(url, { service: 'orders', sealed: true, method: 'POST', body })
    expect(await response.text()).toBe('done')
    gauge.requireFlat()
  })
})
