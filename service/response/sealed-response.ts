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
  /** Whether what the sealer holds goes out once the connection takes more. */
  #isWaiting = false
  #isOver = false

  constructor(options: SealedResponseOptions) {
    this.#options = options
    this.#salt = options.sealer.salt
  }

  /**
   * What does not fill a record is held while the connection takes nothing: it goes with what is written next, or once the
   * connection takes more.
   * @param done called when its whole records are sent, and at once if it has none
   */
  write(bytes: Uint8Array, done: Done | undefined): boolean {
    const { res, own, sealer } = this.#options
    const frames = this.#seal(bytes)
    const last = frames.pop()
    for (const frame of frames) own.write(frame)
    let takesMore = last === undefined ? !res.writableNeedDrain : own.write(last, done)
    if (last === undefined && done !== undefined) process.nextTick(done)
    if (!sealer.holds) return takesMore
    if (takesMore) takesMore = this.#sendHeld()
    else this.#sendHeldLater()
    return takesMore
  }

  end(bytes: Uint8Array | undefined, done: Done | undefined): void {
    const { own, sealer, faultOf, onFault } = this.#options
    this.#isOver = true
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
    return [...this.#takeSalt(), ...this.#options.sealer.sealWhole(bytes)]
  }

  #sendHeld(): boolean {
    const { res, own, sealer } = this.#options
    let takesMore = !res.writableNeedDrain
    for (const frame of sealer.seal(NOTHING)) takesMore = own.write(frame)
    return takesMore
  }

  /** The handler learns of it at the same time, so that it can write more first. */
  #sendHeldLater(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    const { res, sealer } = this.#options
    res.once('drain', () =>
      setImmediate(() => {
        this.#isWaiting = false
        if (this.#isOver || res.destroyed || !sealer.holds) return
        if (res.writableNeedDrain) this.#sendHeldLater()
        else this.#sendHeld()
      }),
    )
  }

  #takeSalt(): Uint8Array[] {
    const salt = this.#salt
    this.#salt = undefined
    return salt === undefined ? [] : [salt]
  }
}

const NOTHING = new Uint8Array()
