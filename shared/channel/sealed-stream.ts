import { plainBytes } from '../bytes.js'
import { LIMIT, SIZE } from '../constants.js'
import { deriveChannelKey, expand } from '../crypto/derive.js'
import type { AuthKey } from '../crypto/keys.js'
import type { RandomSource } from '../crypto/random.js'
import { OrthrusError } from '../errors.js'
import { HeldBytes } from './held-bytes.js'
import {
  KIND,
  type Kind,
  openPayload,
  PAYLOAD_BYTES,
  PAYLOAD_START,
  RECORD_OVERHEAD,
  sealPlaced,
} from './record.js'

/**
 * A body as records: `salt || frames`, a frame being `length || RECORD` (docs/protocol.md section 8, Sealed bodies). It
 * is sealed and opened piece by piece, and no more than one record of it is held.
 */

/** What the key of a stream is derived from, together with its salt. */
export interface StreamBasis {
  /** `A` of the request. */
  readonly key: AuthKey
  readonly direction: 'client-to-service' | 'service-to-client'
  /** The AP-REQ; of a response the AP-REP as well. */
  readonly messages: readonly Uint8Array[]
}

const LENGTH_BYTES = 4
/** How much of a body is sealed into one piece of memory: what is sent in one piece costs less than in many. */
const BLOCK_BYTES = 4 * PAYLOAD_BYTES
const NOTHING = new Uint8Array()

function keyOf({ key, direction, messages }: StreamBasis, salt: Uint8Array): Uint8Array {
  return expand(deriveChannelKey(key, ...messages, salt), direction)
}

/** Seals one body. Everything that it returns is to be sent, in order, behind `salt`. */
export class StreamSealer {
  readonly salt: Uint8Array
  readonly #key: Uint8Array
  readonly #held = new HeldBytes()
  #sent = 0
  #hasEnded = false

  constructor(basis: StreamBasis, random: RandomSource) {
    this.salt = random(SIZE.SALT)
    this.#key = keyOf(basis, this.salt)
  }

  /** Whether bytes are held that no record has yet. */
  get holds(): boolean {
    return this.#held.length > 0
  }

  /**
   * The frames that carry what is held and these bytes, some of them joined; none if there are no bytes.
   * @throws TypeError after `sealEnd`
   */
  seal(bytes: Uint8Array): Uint8Array[] {
    const blocks: Uint8Array[] = []
    for (let at = 0; this.holds || at < bytes.length; ) {
      const end = at + BLOCK_BYTES - this.#held.length
      blocks.push(this.#block(KIND.DATA, bytes.subarray(at, end)))
      at = end
    }
    return blocks
  }

  /**
   * As `seal`, but the end of a large piece that fills no record is held, and goes before what is sealed next. A piece of
   * 64 KiB is a little larger than a record, and one more record for a few bytes costs as much as for a few thousand.
   * @throws TypeError after `sealEnd`
   */
  sealWhole(bytes: Uint8Array): Uint8Array[] {
    if (!this.holds && bytes.length <= PAYLOAD_BYTES) return this.seal(bytes)
    const rest = Math.min(bytes.length, (this.#held.length + bytes.length) % PAYLOAD_BYTES)
    const isWhole = rest < bytes.length
    const blocks = isWhole ? this.seal(bytes.subarray(0, bytes.length - rest)) : []
    this.#requireOpen()
    this.#held.append(bytes.subarray(bytes.length - rest))
    return blocks
  }

  /** What is held, and the last frame. Without it the receiver takes the body for one that was cut off. */
  sealEnd(): Uint8Array {
    const [held = NOTHING] = this.seal(NOTHING)
    const frame = this.#block(KIND.END, NOTHING)
    this.#hasEnded = true
    if (held.length === 0) return frame
    const both = new Uint8Array(held.length + frame.length)
    both.set(held)
    both.set(frame, held.length)
    return both
  }

  /** Frames one behind another, each sealed where it is sent from. What is held goes first. */
  #block(kind: Kind, bytes: Uint8Array): Uint8Array {
    this.#requireOpen()
    const length = this.#held.length + bytes.length
    const count = Math.max(1, Math.ceil(length / PAYLOAD_BYTES))
    const block = new Uint8Array(count * (LENGTH_BYTES + RECORD_OVERHEAD) + length)
    const view = new DataView(block.buffer)
    let taken = 0
    for (let i = 0, at = 0; i < count; i++) {
      const held = this.#held.take()
      const size = Math.min(held.length + bytes.length - taken, PAYLOAD_BYTES)
      view.setUint32(at, RECORD_OVERHEAD + size)
      at += LENGTH_BYTES
      const record = block.subarray(at, at + RECORD_OVERHEAD + size)
      record.set(held, PAYLOAD_START)
      const end = taken + size - held.length
      record.set(bytes.subarray(taken, end), PAYLOAD_START + held.length)
      taken = end
      sealPlaced(record, this.#key, this.#sent++, kind)
      at += record.length
    }
    return block
  }

  #requireOpen(): void {
    if (this.#hasEnded) throw new TypeError('the body has ended')
  }
}

/** Opens one body, which comes in pieces of any size. A body that broke stays broken. */
export class StreamOpener {
  readonly #basis: StreamBasis
  #key: Uint8Array | undefined
  #received = 0
  #stage: 'salt' | 'length' | 'record' | 'ended' | 'broken' = 'salt'
  /** How many bytes the salt, length or record that comes next has. */
  #size: number = SIZE.SALT
  /** As much of it as has come, if it comes in several pieces. */
  #joined: Uint8Array = NOTHING
  #filled = 0

  constructor(basis: StreamBasis) {
    this.#basis = basis
  }

  /** Whether the last record has come. */
  get hasEnded(): boolean {
    return this.#stage === 'ended'
  }

  /**
   * Takes the next bytes, and hands on the payload of each record once its tag holds.
   * @param handOn what it is given is its own, and never empty
   * @throws OrthrusError `channel_broken`, also on every later call. Whatever was handed on before is genuine.
   */
  open(bytes: Uint8Array, handOn: (payload: Uint8Array) => void): void {
    try {
      this.#open(plainBytes(bytes), handOn)
    } catch (cause) {
      this.#stage = 'broken'
      this.#joined = NOTHING
      throw cause instanceof OrthrusError && cause.code !== 'channel_broken'
        ? brokenStream(cause.reason)
        : cause
    }
  }

  /** @throws OrthrusError `channel_broken` unless the last record has come */
  requireEnded(): void {
    if (!this.hasEnded) throw brokenStream(this.#stage === 'broken' ? 'it broke before' : 'it was cut off')
  }

  #open(bytes: Uint8Array, handOn: (payload: Uint8Array) => void): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#stage === 'broken') throw brokenStream('it broke before')
      if (this.#stage === 'ended') throw brokenStream('something follows its end')
      const piece = bytes.subarray(at, at + this.#size - this.#filled)
      at += piece.length
      const whole = this.#complete(piece)
      if (whole !== undefined) this.#take(whole, handOn)
    }
  }

  /**
   * The salt, length or record, once all of it has come. One that comes in one piece is not copied; the pieces of others
   * are joined in memory that is used again, since opening a record copies it.
   */
  #complete(piece: Uint8Array): Uint8Array | undefined {
    if (piece.length === this.#size) return piece
    if (this.#joined.length < this.#size) this.#joined = new Uint8Array(this.#size)
    this.#joined.set(piece, this.#filled)
    this.#filled += piece.length
    if (this.#filled < this.#size) return undefined
    this.#filled = 0
    return this.#joined.subarray(0, this.#size)
  }

  #take(whole: Uint8Array, handOn: (payload: Uint8Array) => void): void {
    if (this.#stage === 'length') {
      this.#await('record', recordLength(whole))
      return
    }
    const isSalt = this.#stage === 'salt'
    this.#await('length', LENGTH_BYTES)
    if (isSalt) this.#key = keyOf(this.#basis, whole)
    else this.#takeRecord(whole, handOn)
  }

  #await(stage: 'length' | 'record', size: number): void {
    this.#stage = stage
    this.#size = size
  }

  #takeRecord(record: Uint8Array, handOn: (payload: Uint8Array) => void): void {
    const opened = this.#key && openPayload(this.#key, this.#received++, record)
    if (opened === undefined) {
      throw brokenStream('a record is altered, missing, out of order or of another body')
    }
    const { kind, payload } = opened
    if (kind === KIND.DATA) {
      if (payload.length > 0) handOn(payload)
    } else if (kind === KIND.END && payload.length === 0) {
      this.#stage = 'ended'
    } else {
      throw brokenStream('a record is of a kind that no body has')
    }
  }
}

/** Checked before anything is allocated for the record. */
function recordLength(bytes: Uint8Array): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (length >= RECORD_OVERHEAD && length <= LIMIT.MESSAGE_BYTES) return length
  throw brokenStream(`a record of ${length} bytes is announced`)
}

/** The error of a stream of which nothing more is handed on. */
export function brokenStream(reason: string, cause?: unknown): OrthrusError {
  const hint = 'what was read before is genuine, and is not all of it'
  return new OrthrusError('channel_broken', `a sealed body is broken: ${reason}`, { hint, cause })
}
