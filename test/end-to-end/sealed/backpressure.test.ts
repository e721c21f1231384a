import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Gauge, MIB } from './gauge.js'
import { type Setting, startSetting } from './setting.js'

/**
 * That a slow reader slows its writer down, and nothing is held in between but what sockets and streams hold. 1 GiB in
 * the slow set; enough to show it otherwise.
 */

const TOTAL = process.env.ORTHRUS_SLOW === '1' ? 1024 * MIB : 96 * MIB
const PIECE = new Uint8Array(256 * 1024).fill(7)

let setting: Setting & { end(): Promise<void> }

beforeAll(async () => {
  setting = await startSetting()
})
afterAll(() => setting.end())

describe('memory stays flat', { timeout: 600_000 }, () => {
  it('while a slow client reads a sealed response', async () => {
    const gauge = new Gauge(TOTAL)
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
    const gauge = new Gauge(TOTAL)
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
