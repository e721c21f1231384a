import type { Chance } from '../support/chance.js'
import type { Form } from './entry.js'
import { mutateList } from './mutate-list.js'
import { mutateText } from './mutate-text.js'

/** Makes inputs from others: bytes and pieces moved about, and changes that know the form. */

const HEADER_BYTES = 2
const MAC_BYTES = 32

/** One to four changes, one upon the other. @param pool what pieces are borrowed from */
export function mutate(
  random: Chance,
  form: Form,
  from: Uint8Array,
  pool: readonly Uint8Array[],
  most: number,
): Uint8Array {
  let input = from
  for (let left = 1 + random.below(random.oneIn(4) ? 4 : 1); left > 0; left--) {
    input = mutateOnce(random, form, input, pool).subarray(0, most)
  }
  return new Uint8Array(input)
}

function mutateOnce(random: Chance, form: Form, from: Uint8Array, pool: readonly Uint8Array[]): Uint8Array {
  if (random.oneIn(3)) return random.pick(BYTE_CHANGES)(random, from, random.pick(pool))
  if (form === 'text') return mutateText(random, from, pool)
  if (form === 'list') return mutateList(random, from, pool)
  if (form === 'message') return mutateMessage(random, from, pool)
  return random.pick(BYTE_CHANGES)(random, from, random.pick(pool))
}

function mutateMessage(random: Chance, from: Uint8Array, pool: readonly Uint8Array[]): Uint8Array {
  const lists = pool.map(message => message.subarray(HEADER_BYTES))
  const hasMac = from.length > HEADER_BYTES + MAC_BYTES
  const end = from.length - (hasMac ? MAC_BYTES : 0)
  const list = mutateList(random, from.subarray(HEADER_BYTES, end), lists)
  return join(from.subarray(0, HEADER_BYTES), list, from.subarray(end))
}

type ByteChange = (random: Chance, from: Uint8Array, other: Uint8Array) => Uint8Array

const EXTREMES = [0, 1, 0x1f, 0x20, 0x7f, 0x80, 0xfe, 0xff] as const

const BYTE_CHANGES: readonly [ByteChange, ...ByteChange[]] = [
  (random, from) => changed(from, random.below(from.length), byte => byte ^ (1 << random.below(8))),
  (random, from) => changed(from, random.below(from.length), () => random.below(256)),
  (random, from) => changed(from, random.below(from.length), () => random.pick(EXTREMES)),
  (random, from) => changed(from, random.below(from.length), byte => byte + random.pick([1, -1])),
  (random, from) => from.subarray(0, random.below(from.length + 1)),
  (random, from) => from.subarray(random.below(from.length + 1)),
  (random, from) => {
    const [start, end] = range(random, from)
    return join(from.subarray(0, start), from.subarray(end))
  },
  (random, from) => {
    const [start, end] = range(random, from)
    return join(from.subarray(0, end), from.subarray(start))
  },
  (random, from) => {
    const [start, end] = range(random, from)
    const times = random.oneIn(8) ? random.below(20_000) : random.below(40)
    return join(from.subarray(0, start), repeated(from.subarray(start, end), times), from.subarray(end))
  },
  (random, from, other) =>
    join(from.subarray(0, random.below(from.length + 1)), other.subarray(random.below(other.length + 1))),
  (random, from, other) => {
    const at = random.below(from.length + 1)
    return join(from.subarray(0, at), other.subarray(...range(random, other)), from.subarray(at))
  },
  (random, from) => join(from, random.bytes(1 + random.below(8))),
  random => random.bytes(random.below(64)),
]

function changed(from: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = new Uint8Array(from)
  if (copy.length > 0) copy[at] = change(copy[at] as number)
  return copy
}

function range(random: Chance, from: Uint8Array): [start: number, end: number] {
  const start = random.below(from.length + 1)
  return [start, Math.min(from.length, start + 1 + random.below(random.oneIn(4) ? from.length + 1 : 8))]
}

const LARGEST = 128 * 1024

export function repeated(piece: Uint8Array, times: number): Uint8Array {
  const whole = new Uint8Array(Math.min(LARGEST, piece.length * times))
  for (let at = 0; at < whole.length; at += piece.length) {
    whole.set(piece.subarray(0, whole.length - at), at)
  }
  return whole
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
