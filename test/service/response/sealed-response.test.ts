import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { SealedResponse } from '../../../service/response/sealed-response.js'
import { PAYLOAD_BYTES } from '../../../shared/channel/record.js'
import { type StreamBasis, StreamOpener, StreamSealer } from '../../../shared/channel/sealed-stream.js'
import { AuthKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'

const PIECE = 64 * 1024
const REST = PIECE - PAYLOAD_BYTES

/** A connection that takes nothing until it is told to, and the sizes of the records that were written to it. */
class Connection extends EventEmitter {
  writableNeedDrain = false
  destroyed = false
  readonly sizes: number[] = []
  readonly opener: StreamOpener
  readonly #isFast: boolean
  readonly response: SealedResponse

  constructor(isFast = false) {
    super()
    this.#isFast = isFast
    const basis: StreamBasis = {
      key: new AuthKey(systemRandom(32)),
      direction: 'service-to-client',
      messages: [],
    }
    this.opener = new StreamOpener(basis)
    this.response = new SealedResponse({
      res: this as unknown as ServerResponse,
      own: {
        write: (bytes: Uint8Array) => this.#take(bytes),
        end: (bytes: Uint8Array) => this.#take(bytes),
      } as never,
      sealer: new StreamSealer(basis, systemRandom),
      faultOf: () => undefined,
      onFault: () => {},
    })
  }

  #take(bytes: Uint8Array): boolean {
    this.opener.open(bytes, payload => this.sizes.push(payload.length))
    this.writableNeedDrain = !this.#isFast
    return this.#isFast
  }

  write(bytes: number): boolean {
    return this.response.write(new Uint8Array(bytes), undefined)
  }

  /** Takes all that was written. What waits for that has gone out when this returns. */
  async drain(): Promise<void> {
    this.writableNeedDrain = false
    this.emit('drain')
    await new Promise(resolve => setImmediate(resolve))
  }
}

describe('pieces that are a little larger than a record', () => {
  it('are sent at once to a connection that takes them', () => {
    const connection = new Connection(true)
    expect(connection.write(PIECE)).toBe(true)
    expect(connection.sizes).toEqual([PAYLOAD_BYTES, REST])
  })

  it('fill records while the connection takes nothing', async () => {
    const connection = new Connection()
    for (let i = 0; i < 3; i++) expect(connection.write(PIECE)).toBe(false)
    expect(connection.sizes).toEqual([PAYLOAD_BYTES, PAYLOAD_BYTES, PAYLOAD_BYTES])
    await connection.drain()
    expect(connection.sizes.slice(3)).toEqual([3 * REST])
  })

  it('wait for as long as a connection that took some is full again', async () => {
    const connection = new Connection()
    connection.write(PIECE)
    connection.once('drain', () => connection.write(PIECE))
    await connection.drain()
    expect(connection.sizes).toEqual([PAYLOAD_BYTES, PAYLOAD_BYTES])
    await connection.drain()
    expect(connection.sizes.slice(2)).toEqual([2 * REST])
  })

  it('go out with the end', async () => {
    const connection = new Connection()
    connection.write(PIECE)
    connection.response.end(undefined, undefined)
    expect(connection.sizes).toEqual([PAYLOAD_BYTES, REST])
    expect(connection.opener.hasEnded).toBe(true)
    await connection.drain()
    expect(connection.sizes).toHaveLength(2)
  })

  it('are not written to a connection that is gone', async () => {
    const connection = new Connection()
    connection.write(PIECE)
    connection.destroyed = true
    await connection.drain()
    expect(connection.sizes).toEqual([PAYLOAD_BYTES])
  })
})

it('seals a piece that fits into a record at once, even if the connection takes nothing', () => {
  const connection = new Connection()
  for (const bytes of [1, 2, PAYLOAD_BYTES]) connection.write(bytes)
  expect(connection.sizes).toEqual([1, 2, PAYLOAD_BYTES])
})
