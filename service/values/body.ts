import { isUint8Array } from 'node:util/types'
import { runAfter, type Timers } from '../../shared/timers.js'
import { type BodyLimits, RequestAborted, type RequestBody } from '../request/message.js'
import { late, tooLarge } from '../request/verify.js'
import { ByteCollector } from '../response/byte-collector.js'

/** A body that was read already, or one that can be read in pieces. */
export type GivenBody = Uint8Array | AsyncIterable<Uint8Array>

/** The body of a request that somebody else's adapter has. */
export class BodyOfValues implements RequestBody {
  readonly #given: GivenBody
  readonly #timers: Timers
  #bytes: Uint8Array | undefined

  private constructor(given: GivenBody, timers: Timers) {
    this.#given = given
    this.#timers = timers
  }

  /** @throws TypeError if it is neither bytes nor iterable */
  static of(given: GivenBody | undefined, timers: Timers): BodyOfValues | undefined {
    if (given === undefined) return undefined
    const isIterable = typeof given === 'object' && given !== null && Symbol.asyncIterator in given
    if (isUint8Array(given) || isIterable) return new BodyOfValues(given, timers)
    throw new TypeError(
      'body is a Uint8Array, an async iterable of Uint8Array, or undefined where there is none',
    )
  }

  /** What was read. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes
  }

  requireReadable(): void {}

  async read(limits: BodyLimits): Promise<Uint8Array> {
    const given = this.#given
    const bytes = isUint8Array(given) ? given : await this.#collect(given, limits)
    if (bytes.length > limits.maxBody) throw tooLarge(limits.maxBody)
    this.#bytes = bytes
    return bytes
  }

  #collect(given: AsyncIterable<Uint8Array>, { maxBody, timeout, ending }: BodyLimits): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const reading = { isGivenUp: false }
      const giveUp = (cause: Error): void => {
        reading.isGivenUp = true
        reject(cause)
      }
      const cancel = runAfter(this.#timers, timeout, () => giveUp(late()))
      if (ending !== undefined) ending.onEnd = giveUp
      collect(given, maxBody, reading).then(resolve, reject).finally(cancel)
    })
  }
}

/** `return` of the iterator is not called: a stream would close its connection for that, and nobody get the answer. */
async function collect(
  given: AsyncIterable<Uint8Array>,
  maxBody: number,
  reading: { readonly isGivenUp: boolean },
): Promise<Uint8Array> {
  const pieces = given[Symbol.asyncIterator]()
  const body = new ByteCollector(maxBody)
  while (!reading.isGivenUp) {
    const { done, value } = await next(pieces)
    if (done) break
    if (!isUint8Array(value)) throw new TypeError('a body is made of pieces that are a Uint8Array')
    if (!body.append(value)) throw tooLarge(maxBody)
  }
  return body.bytes()
}

async function next(pieces: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  try {
    return await pieces.next()
  } catch (cause) {
    throw new RequestAborted('the body of the request could not be read to its end', { cause })
  }
}
