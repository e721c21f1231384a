import { sha256 } from '#primitives'
import { LABEL } from '../constants.js'
import { deriveChannelKey, expand } from '../crypto/derive.js'
import type { AuthKey, ChannelKey } from '../crypto/keys.js'
import { malformed, OrthrusError } from '../errors.js'
import {
  KIND,
  type Kind,
  type OpenedPayload,
  openPayload,
  PAYLOAD_BYTES,
  sealPayload,
  sealPayloadApart,
} from './record.js'

/** The records of a channel (docs/protocol.md section 9). Opening one is `ap.ts` and `accept.ts`. */

/** The binding of an AP-OPEN. @param target that of the WebSocket's upgrade; '' over TCP and for `kdc@realm`. */
export function channelBinding(target: string): Uint8Array {
  if (target.includes('\n')) throw malformed('a line break inside what is bound')
  return sha256(new TextEncoder().encode(`${LABEL.CHANNEL}\n${target}`))
}

const NOTHING = new Uint8Array()

export type ChannelRole = 'client' | 'service'

/** What a record completes: a message, or the other side's end. */
export type ChannelEvent =
  | { readonly kind: 'message'; readonly message: Uint8Array }
  | { readonly kind: 'end' }

export interface ChannelOptions {
  readonly role: ChannelRole
  readonly key: ChannelKey
  /** The largest message accepted, bytes. */
  readonly maxMessage: number
}

type SealPayload<R> = (key: Uint8Array, counter: number, kind: Kind, payload: Uint8Array) => R

/** Both directions of one channel, as bytes that the caller transports. A channel that broke stays broken. */
export class RecordChannel {
  readonly #sending: Uint8Array
  readonly #receiving: Uint8Array
  readonly #maxMessage: number
  #sent = 0
  #received = 0
  /** The message being assembled, how much of it has arrived, and whether there is one. */
  #pending: Uint8Array = NOTHING
  #pendingBytes = 0
  #isPending = false
  #state: { sentEnd: boolean; receivedEnd: boolean; broken: boolean } = {
    sentEnd: false,
    receivedEnd: false,
    broken: false,
  }

  constructor({ role, key, maxMessage }: ChannelOptions) {
    const toService = expand(key, 'client-to-service')
    const toClient = expand(key, 'service-to-client')
    this.#sending = role === 'client' ? toService : toClient
    this.#receiving = role === 'client' ? toClient : toService
    this.#maxMessage = maxMessage
  }

  /** The records that carry one message. @throws TypeError after `sealEnd` */
  sealMessage(message: Uint8Array): Uint8Array[] {
    return this.#sealMessage(message, sealPayload)
  }

  /**
   * As `sealMessage`, each record in parts that are to be sent one behind the other: what is large is not copied.
   * @throws TypeError after `sealEnd`
   */
  sealMessageApart(message: Uint8Array): (readonly Uint8Array[])[] {
    return this.#sealMessage(message, sealPayloadApart)
  }

  /** A record without a message. It proves its sender and so completes an opening. */
  sealGreeting(): Uint8Array {
    return this.#seal(KIND.PART, NOTHING, sealPayload)
  }

  /** The last record of this side. */
  sealEnd(): Uint8Array {
    const record = this.#seal(KIND.END, NOTHING, sealPayload)
    this.#state.sentEnd = true
    return record
  }

  #sealMessage<R>(message: Uint8Array, seal: SealPayload<R>): R[] {
    const records: R[] = []
    let rest = message
    while (rest.length > PAYLOAD_BYTES) {
      records.push(this.#seal(KIND.PART, rest.subarray(0, PAYLOAD_BYTES), seal))
      rest = rest.subarray(PAYLOAD_BYTES)
    }
    records.push(this.#seal(KIND.DATA, rest, seal))
    return records
  }

  #seal<R>(kind: Kind, payload: Uint8Array, seal: SealPayload<R>): R {
    this.#requireWhole()
    if (this.#state.sentEnd) throw new TypeError('this side of the channel has ended')
    return seal(this.#sending, this.#sent++, kind, payload)
  }

  /**
   * @returns what the record completes, if anything, in memory apart from the record's.
   * @throws OrthrusError `channel_broken`, also on every later call
   */
  open(record: Uint8Array): ChannelEvent | undefined {
    this.#requireWhole()
    try {
      return this.#take(this.#decrypt(record))
    } catch (cause) {
      this.#state.broken = true
      this.#pending = NOTHING
      throw cause instanceof OrthrusError && cause.code !== 'channel_broken' ? broken(cause.reason) : cause
    }
  }

  /** Checks that the other side has sent its end. @throws OrthrusError `channel_broken` */
  requireEnded(): void {
    if (!this.#state.receivedEnd) throw broken('it was cut off')
  }

  #decrypt(record: Uint8Array): OpenedPayload {
    if (this.#state.receivedEnd) throw broken('a record after the end')
    const opened = openPayload(this.#receiving, this.#received, record)
    if (opened === undefined)
      throw broken('a record that is altered, missing, out of order or not of the peer')
    this.#received++
    return opened
  }

  #take({ kind, payload }: OpenedPayload): ChannelEvent | undefined {
    switch (kind) {
      case KIND.DATA:
        this.#append(payload)
        return { kind: 'message', message: this.#assemble() }
      case KIND.PART:
        if (payload.length > 0) this.#append(payload)
        return undefined
      case KIND.END:
        if (payload.length > 0 || this.#isPending) throw broken('an end inside a message')
        this.#state.receivedEnd = true
        return { kind: 'end' }
      default:
        throw broken('a record of an unknown kind')
    }
  }

  /** A message in one part is not copied. */
  #append(payload: Uint8Array): void {
    const length = this.#pendingBytes + payload.length
    if (length > this.#maxMessage) throw broken(`a message of more than ${this.#maxMessage} bytes`)
    if (this.#pendingBytes === 0) {
      this.#pending = payload
    } else {
      this.#makeRoom(length)
      this.#pending.set(payload, this.#pendingBytes)
    }
    this.#pendingBytes = length
    this.#isPending = true
  }

  /** The buffer doubles as it grows, so that many small parts cost no more than a few large ones. */
  #makeRoom(length: number): void {
    if (length <= this.#pending.length) return
    const larger = new Uint8Array(Math.max(length, Math.min(2 * this.#pending.length, this.#maxMessage)))
    larger.set(this.#pending.subarray(0, this.#pendingBytes))
    this.#pending = larger
  }

  #assemble(): Uint8Array {
    const message = this.#pending.subarray(0, this.#pendingBytes)
    this.#pending = NOTHING
    this.#pendingBytes = 0
    this.#isPending = false
    return message
  }

  #requireWhole(): void {
    if (this.#state.broken) throw broken('it broke before')
  }
}

function broken(reason: string): OrthrusError {
  return new OrthrusError('channel_broken', `the channel is broken: ${reason}`, { hint: 'open a new one' })
}

/** The channel that an AP-OPEN and its AP-ACCEPT make. @param key `A` of the opening. */
export function startChannel(
  role: ChannelRole,
  key: AuthKey,
  apOpen: Uint8Array,
  apAccept: Uint8Array,
  maxMessage: number,
): RecordChannel {
  return new RecordChannel({ role, key: deriveChannelKey(key, apOpen, apAccept), maxMessage })
}
