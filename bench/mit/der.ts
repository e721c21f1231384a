/** As much of DER as Kerberos messages need. */

export const TAG = {
  INTEGER: 0x02,
  BITS: 0x03,
  OCTETS: 0x04,
  TEXT: 0x1b,
  TIME: 0x18,
  SEQUENCE: 0x30,
} as const

export function tlv(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content])
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length]
  if (length < 0x1_00) return [0x81, length]
  return [0x82, length >> 8, length & 0xff]
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tlv(TAG.SEQUENCE, ...parts)
}

/** `[n]`, explicit. */
export function field(number: number, ...contents: readonly Uint8Array[]): Buffer {
  return tlv(0xa0 | number, ...contents)
}

/** `[APPLICATION n]`. */
export function application(number: number, content: Uint8Array): Buffer {
  return tlv(0x60 | number, content)
}

/** @param value from 0 to 2^32 - 1 */
export function integer(value: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes.writeUInt32BE(value, 1)
  let first = 0
  while (first < 4 && bytes[first] === 0 && (bytes[first + 1] ?? 0) < 0x80) first++
  return tlv(TAG.INTEGER, bytes.subarray(first))
}

export function bits(value: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes.writeUInt32BE(value, 1)
  return tlv(TAG.BITS, bytes)
}

export function octets(value: Uint8Array): Buffer {
  return tlv(TAG.OCTETS, value)
}

export function text(value: string): Buffer {
  return tlv(TAG.TEXT, Buffer.from(value))
}

/** @param time milliseconds since 1970 */
export function kerberosTime(time: number): Buffer {
  return tlv(TAG.TIME, Buffer.from(`${new Date(time).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))
}

/** What is inside of one value. @throws Error if it is cut short */
export function contentOf(bytes: Buffer): Buffer {
  const { begin, end } = extentOf(bytes)
  return bytes.subarray(begin, end)
}

/** The values that a sequence or another constructed value has inside, each by its tag. */
export function partsOf(constructed: Buffer): ReadonlyMap<number, Buffer> {
  const parts = new Map<number, Buffer>()
  for (let rest = contentOf(constructed); rest.length > 0; ) {
    const { end } = extentOf(rest)
    parts.set(rest[0] ?? 0, rest.subarray(0, end))
    rest = rest.subarray(end)
  }
  return parts
}

/** The value within `[n]` of a sequence. @throws Error if it has none */
export function fieldOf(parts: ReadonlyMap<number, Buffer>, number: number): Buffer {
  const part = parts.get(0xa0 | number)
  if (part === undefined) throw new Error(`an answer of the KDC has no field ${number}`)
  return contentOf(part)
}

function extentOf(bytes: Buffer): { begin: number; end: number } {
  const first = bytes[1] ?? 0
  const more = first < 0x80 ? 0 : first & 0x7f
  const length = more === 0 ? first : bytes.readUIntBE(2, more)
  const begin = 2 + more
  if (begin + length > bytes.length) throw new Error('an answer of the KDC is cut short')
  return { begin, end: begin + length }
}
