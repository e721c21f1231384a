import { malformed } from '../../../../shared/errors.js'

/** As much of protocol buffers as etcd's messages need: whole numbers, flags, bytes, and messages in messages. */

const WIRE = { VARINT: 0, EIGHT: 1, BYTES: 2, FOUR: 5 } as const

/** In place of a type: there is no field to be read. */
const NOTHING = -1

/** Longer ones do not end within 64 bits. */
const VARINT_BYTES = 10

/** The first number that has more than 64 bits. */
const BEYOND = 1n << 64n

/** A message from its fields. What has its default value is left out, as `undefined`. */
export function message(...fields: readonly (Uint8Array | undefined)[]): Uint8Array {
  return Buffer.concat(fields.filter(field => field !== undefined))
}

/** @param value from 0; a bigint where it may be beyond 2^53 */
export function numberField(field: number, value: number | bigint): Uint8Array | undefined {
  return value === 0 || value === 0n ? undefined : Buffer.from([...varint(field * 8), ...varint(value)])
}

export function flagField(field: number, value: boolean): Uint8Array | undefined {
  return numberField(field, value ? 1 : 0)
}

/** A message within a message is written even if it is empty: it says which of several it is. */
export function messageField(field: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([...varint(field * 8 + WIRE.BYTES), ...varint(value.length)]), value])
}

export function bytesField(field: number, value: Uint8Array): Uint8Array | undefined {
  return value.length === 0 ? undefined : messageField(field, value)
}

/** @param value each character is one byte */
export function textField(field: number, value: string): Uint8Array | undefined {
  return bytesField(field, Buffer.from(value, 'latin1'))
}

function* varint(value: number | bigint): Generator<number> {
  let rest = BigInt(value)
  for (; rest > 0x7fn; rest >>= 7n) yield Number(rest & 0x7fn) | 0x80
  yield Number(rest)
}

/**
 * Reads a message field by field. Of fields that are not known nothing is read; they are passed over, as protocol
 * buffers want it.
 */
export class MessageReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number
  #field = 0
  /** The type of the field that `next` found, until it is read. */
  #unread: number = NOTHING

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  /** @returns the number of the next field; 0 at the end. @throws OrthrusError `malformed` */
  next(): number {
    if (this.#unread !== NOTHING) this.#pass()
    if (this.#at === this.#end) return 0
    const tag = this.#whole()
    this.#field = Math.floor(tag / 8)
    this.#unread = tag % 8
    if (this.#field < 1 || this.#field > 0x1fff_ffff) throw malformed('a field without a number')
    return this.#field
  }

  /** A whole number from 0 to 2^53 - 1. @throws OrthrusError `malformed` */
  number(): number {
    this.#take(WIRE.VARINT)
    return this.#whole()
  }

  /** 64 bits without a sign. @throws OrthrusError `malformed` */
  long(): bigint {
    this.#take(WIRE.VARINT)
    const start = this.#at
    this.#passVarint()
    let value = 0n
    for (let at = this.#at - 1; at >= start; at--) {
      value = (value << 7n) | BigInt((this.#bytes[at] as number) & 0x7f)
    }
    if (value >= BEYOND) throw malformed('a number beyond 64 bits')
    return value
  }

  /** @throws OrthrusError `malformed` */
  flag(): boolean {
    return this.number() !== 0
  }

  /** A view of the message. @throws OrthrusError `malformed` */
  bytes(): Uint8Array {
    this.#take(WIRE.BYTES)
    const length = this.#advance(this.#whole())
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** The message within. @throws OrthrusError `malformed` */
  within(): MessageReader {
    this.#take(WIRE.BYTES)
    const length = this.#advance(this.#whole())
    return new MessageReader(this.#bytes, this.#at - length, this.#at)
  }

  /** Each byte as a character. @throws OrthrusError `malformed` */
  text(): string {
    const bytes = this.bytes()
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  }

  #take(wire: number): void {
    if (this.#unread !== wire) throw malformed(`field ${this.#field} has another type`)
    this.#unread = NOTHING
  }

  #pass(): void {
    const wire = this.#unread
    this.#unread = NOTHING
    if (wire === WIRE.VARINT) this.#passVarint()
    else if (wire === WIRE.BYTES) this.#advance(this.#whole())
    else if (wire === WIRE.EIGHT) this.#advance(8)
    else if (wire === WIRE.FOUR) this.#advance(4)
    else throw malformed(`field ${this.#field} has a type that is not used`)
  }

  #advance(length: number): number {
    if (length > this.#end - this.#at) throw malformed('a field beyond the end of its message')
    this.#at += length
    return length
  }

  #whole(): number {
    const start = this.#at
    this.#passVarint()
    // Tags and lengths are mostly one byte, and no fraction is made of them.
    if (this.#at === start + 1) return this.#bytes[start] as number
    let value = 0
    for (let at = this.#at - 1; at >= start; at--) value = value * 128 + ((this.#bytes[at] as number) & 0x7f)
    if (value > Number.MAX_SAFE_INTEGER) throw malformed('a number beyond 2^53')
    return value
  }

  #passVarint(): void {
    for (let i = 0; i < VARINT_BYTES; i++) {
      if (this.#at === this.#end) throw malformed('a number beyond the end of its message')
      if ((this.#bytes[this.#at++] as number) < 0x80) return
    }
    throw malformed('a number beyond 64 bits')
  }
}
