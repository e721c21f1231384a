import { describe, expect, it } from 'vitest'
import { SealedUpload } from '../../../client/request/sealed-upload.js'
import { PAYLOAD_BYTES } from '../../../shared/channel/record.js'
import { type StreamBasis, StreamOpener, StreamSealer } from '../../../shared/channel/sealed-stream.js'
import { AuthKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'

const PIECE = 64 * 1024
const REST = PIECE - PAYLOAD_BYTES

/** An upload whose source is fed, and what its reader opens of it. */
function upload() {
  const basis: StreamBasis = {
    key: new AuthKey(systemRandom(32)),
    direction: 'client-to-service',
    messages: [],
  }
  let source!: ReadableStreamDefaultController<Uint8Array>
  const body = new ReadableStream<Uint8Array>({
    start: controller => {
      source = controller
    },
  })
  const reader = new SealedUpload(body, new StreamSealer(basis, systemRandom)).stream.getReader()
  const opener = new StreamOpener(basis)
  /** The sizes of the records in the next chunk. */
  const next = async (): Promise<number[]> => {
    const { value = new Uint8Array() } = await reader.read()
    const sizes: number[] = []
    opener.open(value, payload => sizes.push(payload.length))
    return sizes
  }
  return { source, next, opener }
}

describe('pieces that are a little larger than a record', () => {
  it('fill records, as long as the next piece is there', async () => {
    const { source, next, opener } = upload()
    await next()
    for (let i = 0; i < 3; i++) source.enqueue(new Uint8Array(PIECE))
    source.close()
    const sizes = [await next(), await next(), await next(), await next()]
    expect(sizes).toEqual([[PAYLOAD_BYTES], [PAYLOAD_BYTES], [PAYLOAD_BYTES], [3 * REST]])
    expect(opener.hasEnded).toBe(true)
  })

  it('are sent whole when the next piece is not there', async () => {
    const { source, next } = upload()
    await next()
    source.enqueue(new Uint8Array(PIECE))
    expect([await next(), await next()]).toEqual([[PAYLOAD_BYTES], [REST]])
    const waiting = next()
    source.enqueue(Uint8Array.of(1))
    expect(await waiting).toEqual([1])
  })
})
