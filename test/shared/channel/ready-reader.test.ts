import { describe, expect, it } from 'vitest'
import { ReadyReader } from '../../../shared/channel/ready-reader.js'

const CHUNK = Uint8Array.of(1)

/** A stream that its owner feeds. */
function fed() {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  const stream = new ReadableStream<Uint8Array>({
    start: given => {
      controller = given
    },
  })
  return { reader: new ReadyReader(stream), controller }
}

describe('a reader', () => {
  it('is ready for a chunk, and does not lose it', async () => {
    const { reader, controller } = fed()
    expect(await reader.isReady()).toBe(false)
    controller.enqueue(CHUNK)
    expect(await reader.isReady()).toBe(true)
    expect(await reader.read()).toEqual({ done: false, value: CHUNK })
    expect(await reader.isReady()).toBe(false)
  })

  it('is ready for what a source makes when it is asked', async () => {
    const reader = new ReadyReader(
      new ReadableStream({ pull: async controller => controller.enqueue(CHUNK) }, { highWaterMark: 0 }),
    )
    expect(await reader.isReady()).toBe(true)
  })

  it('is ready for the end', async () => {
    const { reader, controller } = fed()
    controller.close()
    expect(await reader.isReady()).toBe(true)
    expect(await reader.read()).toEqual({ done: true, value: undefined })
  })

  it('is ready for a failure, which the next read has', async () => {
    const { reader, controller } = fed()
    controller.error(new Error('gone'))
    expect(await reader.isReady()).toBe(true)
    await expect(reader.read()).rejects.toThrow('gone')
  })

  it('is cancelled while it waits', async () => {
    const { reader } = fed()
    expect(await reader.isReady()).toBe(false)
    await reader.cancel()
    expect(await reader.read()).toEqual({ done: true, value: undefined })
  })
})
