import type { Chance } from '../support/chance.js'
import { join, mutate, repeated } from './mutate.js'

/**
 * Changes that know MessagePack: items exchanged, nested, doubled and left out with their headers put right, and
 * headers that lie. What cannot be read as MessagePack is left to changes of bytes.
 */

interface List {
  readonly items: readonly Node[]
}
type Node = Uint8Array | List

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)

/** Forms that mean something special somewhere: numbers at their bounds, other widths, maps, extensions, bad text. */
const SPECIAL: readonly Uint8Array[] = [
  ...[0xc0, 0xc1, 0xc2, 0xc3, 0x90, 0xa0, 0x80, 0x00, 0x7f, 0xff, 0xe0].map(byte => bytes(byte)),
  bytes(0xc4, 0),
  bytes(0xcc, 0x80),
  bytes(0xcc, 1),
  bytes(0xcd, 0xff, 0xff),
  bytes(0xce, 0xff, 0xff, 0xff, 0xff),
  bytes(0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0),
  bytes(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  ...['3ff0000000000000', '41f0000000000000', '433fffffffffffff', '4340000000000000'].map(float),
  ...['8000000000000000', '7ff8000000000000', '7ff0000000000000', 'fff0000000000000', '3fe0'].map(float),
  bytes(0x81, 0xa1, 0x61, 1),
  bytes(0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2),
  bytes(0x81, 0xa9, ...Buffer.from('__proto__'), 0x80),
  bytes(0xa9, ...Buffer.from('__proto__')),
  bytes(0xab, ...Buffer.from('constructor')),
  bytes(0xa1, 0x2a),
  bytes(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1),
  bytes(0xd6, 0xff, 0, 0, 0, 0),
  bytes(0xc7, 0xff, 0x42, ...new Array<number>(255).fill(0xff)),
  bytes(0xa2, 0xc0, 0x80),
  bytes(0xa3, 0xed, 0xa0, 0x80),
  bytes(0xa4, 0xf0, 0x9f, 0x98, 0x80),
  bytes(0xdd, 0xff, 0xff, 0xff, 0xff),
  bytes(0xc6, 0xff, 0xff, 0xff, 0xff),
  bytes(0xdb, 0xff, 0xff, 0xff, 0xff),
  bytes(0xdf, 0xff, 0xff, 0xff, 0xff),
  bytes(0xdc, 0xff, 0xff),
  bytes(0xc5, 0xff, 0xff),
  bytes(0xda, 0xff, 0xff),
]

function float(hex: string): Uint8Array {
  return bytes(0xcb, ...Buffer.from(hex.padEnd(16, '0'), 'hex'))
}

/** What there may be very many of. */
const SMALL = [
  bytes(0x90),
  bytes(0xa0),
  bytes(0xc4, 0),
  bytes(0),
  bytes(0x91, 0xc0),
  bytes(0xa2, 0xc3, 0xa9),
] as const

export function mutateList(random: Chance, from: Uint8Array, pool: readonly Uint8Array[]): Uint8Array {
  const tree = parse(from)
  if (tree === undefined) return mutate(random, 'bytes', from, pool, Number.POSITIVE_INFINITY)
  const other = parse(random.pick(pool))
  return format(changeSomewhere(random, tree, other === undefined ? tree : some(random, other)))
}

/** Goes down to any node, the deeper ones too, and changes it there. */
function changeSomewhere(random: Chance, node: Node, other: Node): Node {
  if (node instanceof Uint8Array) return changeLeaf(random, node, other)
  if (node.items.length === 0 || random.oneIn(4)) return changeList(random, node, other)
  const at = random.below(node.items.length)
  return { items: node.items.map((item, i) => (i === at ? changeSomewhere(random, item, other) : item)) }
}

function some(random: Chance, node: Node): Node {
  if (node instanceof Uint8Array || node.items.length === 0 || random.oneIn(3)) return node
  return some(random, random.pick(node.items))
}

function changeList(random: Chance, list: List, other: Node): Node {
  const { items } = list
  const at = random.below(items.length + 1)
  switch (random.below(9)) {
    case 0:
      return { items: items.toSpliced(at, 1) }
    case 1:
      return { items: items.toSpliced(at, 0, other) }
    case 2:
      return { items: items.toSpliced(at, 0, items[at] ?? random.pick(SPECIAL)) }
    case 3:
      return nested(random, list)
    case 4:
      return { items: items.toReversed() }
    case 5:
      return other
    case 6:
      // As many as there is room for, of what takes least.
      return { items: [...items, ...new Array<Node>(random.below(40_000)).fill(random.pick(SMALL))] }
    case 7: {
      // A header that says another number than there are.
      const lie = random.pick([0x90, 0x9f, 0x80, 0x8f, 0x90 | (items.length & 15)])
      return join(bytes(lie), ...items.map(format))
    }
    default:
      return { items: items.map(item => (random.oneIn(2) ? item : random.pick(SPECIAL))) }
  }
}

function nested(random: Chance, node: Node): Node {
  let whole = node
  const depth = random.oneIn(20) ? 2_000 : 1 + random.below(9)
  for (let i = 0; i < depth; i++) whole = { items: [whole] }
  return whole
}

function changeLeaf(random: Chance, leaf: Uint8Array, other: Node): Node {
  switch (random.below(7)) {
    case 0:
      return random.pick(SPECIAL)
    case 1:
      return other
    case 2:
      return nested(random, leaf)
    case 3:
      return join(bytes(random.below(256)), leaf.subarray(1))
    case 4:
      return changeNumber(random)
    default:
      return changeContent(random, leaf)
  }
}

function changeNumber(random: Chance): Uint8Array {
  const value = random.pick([random.below(300), random.below(2 ** 32), 2 ** 32 - 1, 2 ** 31])
  const view = new DataView(new ArrayBuffer(5))
  view.setUint8(0, 0xce)
  view.setUint32(1, value)
  if (value >= 0x10000) return new Uint8Array(view.buffer)
  return value < 0x80 ? bytes(value) : bytes(0xcd, value >> 8, value & 255)
}

/** Of text and bytes what is inside, with a header that fits. */
function changeContent(random: Chance, leaf: Uint8Array): Uint8Array {
  const head = headOf(leaf, 0)
  if (head?.content === undefined) return mutate(random, 'bytes', leaf, [leaf], 64)
  const content = leaf.subarray(head.size)
  const long = random.oneIn(10) && repeated(content, random.below(3_000))
  const form = head.isText ? 'text' : isMessage(content) ? 'message' : isList(content) ? 'list' : 'bytes'
  const inner = long || mutate(random, form, content, [content], 0xffff)
  return head.isText ? withHead(inner, 0xa0, 0xd9, 0xda) : withHead(inner, undefined, 0xc4, 0xc5)
}

function isMessage(content: Uint8Array): boolean {
  return content[0] === 1 && ((content[2] ?? 0) & 0xf0) === 0x90
}

function isList(content: Uint8Array): boolean {
  return ((content[0] ?? 0) & 0xf0) === 0x90 && parse(content) !== undefined
}

function withHead(content: Uint8Array, fix: number | undefined, one: number, two: number): Uint8Array {
  const { length } = content
  if (fix !== undefined && length < 32) return join(bytes(fix | length), content)
  if (length < 0x100) return join(bytes(one, length), content)
  return join(bytes(two, (length >> 8) & 255, length & 255), content.subarray(0, 0xffff))
}

function format(node: Node): Uint8Array {
  const parts: Uint8Array[] = []
  const write = (each: Node): void => {
    if (each instanceof Uint8Array) return void parts.push(each)
    const { length } = each.items
    parts.push(length < 16 ? bytes(0x90 | length) : bytes(0xdc, (length >> 8) & 255, length & 255))
    for (const item of each.items) write(item)
  }
  write(node)
  return new Uint8Array(Buffer.concat(parts))
}

interface Head {
  readonly size: number
  /** Bytes behind the head, of what is no list. */
  readonly content?: number
  readonly items?: number
  readonly isText?: boolean
}

function headOf(from: Uint8Array, at: number): Head | undefined {
  const form = from[at]
  if (form === undefined) return undefined
  if ((form & 0xf0) === 0x90) return { size: 1, items: form & 15 }
  if ((form & 0xe0) === 0xa0) return { size: 1, content: form & 31, isText: true }
  const one = from[at + 1] ?? 0
  const two = (one << 8) | (from[at + 2] ?? 0)
  switch (form) {
    case 0xc4:
      return { size: 2, content: one }
    case 0xc5:
      return { size: 3, content: two }
    case 0xd9:
      return { size: 2, content: one, isText: true }
    case 0xda:
      return { size: 3, content: two, isText: true }
    case 0xdc:
      return { size: 3, items: two }
    case 0xcc:
      return { size: 2 }
    case 0xcd:
      return { size: 3 }
    case 0xce:
      return { size: 5 }
    case 0xcb:
      return { size: 9 }
    default:
      return { size: 1 }
  }
}

const DEEPEST = 64

/** A list and nothing behind it, or nothing. */
function parse(from: Uint8Array): List | undefined {
  let at = 0
  const read = (depth: number): Node | undefined => {
    const head = headOf(from, at)
    if (head === undefined || depth > DEEPEST) return undefined
    const start = at
    at += head.size + (head.content ?? 0)
    if (at > from.length) return undefined
    if (head.items === undefined) return from.subarray(start, at)
    const items: Node[] = []
    for (let i = 0; i < head.items; i++) {
      const item = read(depth + 1)
      if (item === undefined) return undefined
      items.push(item)
    }
    return { items }
  }
  const node = read(0)
  return node === undefined || node instanceof Uint8Array || at !== from.length ? undefined : node
}
