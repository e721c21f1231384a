import type { ServerResponse } from 'node:http'
import type { StreamSealer } from '../../shared/channel/sealed-stream.js'
import type { BodySink, ResponseMethods } from './buffer.js'
import type { Done } from './written.js'

export interface SealedResponseOptions {
  readonly res: ServerResponse
  /** The methods that send. The head has been written. */
  readonly own: ResponseMethods
  readonly sealer: StreamSealer
  /** What is wrong with a body of so many bytes, all of which were sent. */
  faultOf(length: number): string | undefined
  /** Called in place of the end of a response that has a fault. */
  onFault(reason: string): void
}

/** Seals what a handler writes, and sends it at once (docs/protocol.md section 8, Sealed bodies). */
export class SealedResponse implements BodySink {
  readonly #options: SealedResponseOptions
  /** What goes out before the first frame. */
  #salt: Uint8Array | undefined
  /** Of what was written, bytes. */
  #length = 0

  constructor(options: SealedResponseOptions) {
    this.#options = options
    this.#salt = options.sealer.salt
  }

  write(bytes: Uint8Array, done: Done | undefined): boolean {
    const { res, own } = this.#options
    const frames = this.#seal(bytes)
    const last = frames.pop()
    for (const frame of frames) own.write(frame)
    if (last !== undefined) return own.write(last, done)
    if (done !== undefined) process.nextTick(done)
    return !res.writableNeedDrain
  }

  end(bytes: Uint8Array | undefined, done: Done | undefined): void {
    const { own, sealer, faultOf, onFault } = this.#options
    const frames = bytes === undefined ? [] : this.#seal(bytes)
    const fault = faultOf(this.#length)
    if (fault !== undefined) {
      onFault(fault)
      return
    }
    if (frames.length === 0) frames.push(...this.#takeSalt())
    own.end(Buffer.concat([...frames, sealer.sealEnd()]), done)
  }

  #seal(bytes: Uint8Array): Uint8Array[] {
    if (bytes.length === 0) return []
    this.#length += bytes.length
    return [...this.#takeSalt(), ...this.#options.sealer.seal(bytes)]
  }

  #takeSalt(): Uint8Array[] {
    const salt = this.#salt
    this.#salt = undefined
    return salt === undefined ? [] : [salt]
  }
}
