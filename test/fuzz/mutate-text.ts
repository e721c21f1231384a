import type { Chance } from '../support/chance.js'
import { repeated } from './mutate.js'

/** Changes of text: pieces that mean something to some parser, and long runs of what a pattern could stumble over. */

const PIECES = [
  ...[
    '\n',
    '\r\n',
    '\0',
    ' ',
    '  ',
    '\t',
    ',',
    ';',
    '=',
    ':',
    '"',
    "'",
    '\\',
    '/',
    '//',
    '/./',
    '/../',
    '/..;/',
  ],
  ...[
    '%',
    '%00',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5c',
    '%25',
    '%zz',
    '?',
    '#',
    '@',
    '*',
    '/*@',
    '.',
    '..',
    '-',
    '_',
    '+',
  ],
  ...['0', '00', '1', '-1', '1e9', '2147483648', '4294967296', '9007199254740991', '9007199254740992', '1.5'],
  ...[
    'NaN',
    'Infinity',
    'null',
    'true',
    '0x10',
    '__proto__',
    'constructor',
    'krbtgt',
    'kdc',
    'A',
    'É',
    'ﬀ',
    'ı',
  ],
  ...[
    '\ufeff',
    '\u202e',
    '\u0130',
    '😀',
    'xn--',
    'orthrus1_',
    'orthruskey1_',
    'Orthrus ',
    '[',
    ']',
    '{',
    '}',
    '--',
  ],
].map(piece => new TextEncoder().encode(piece))

/** Whatever may stand for itself in a grammar, to be repeated. */
const RUNS = [
  'a',
  '0',
  '-',
  '.',
  ' ',
  '\t',
  '/',
  '%',
  'a.',
  'a-',
  '/a',
  '//',
  ',',
  '=',
  '"',
  '\\',
  '\n',
  '#\n',
  ':',
  '@',
  'A',
].map(run => new TextEncoder().encode(run))

export function mutateText(random: Chance, from: Uint8Array, pool: readonly Uint8Array[]): Uint8Array {
  const at = random.below(from.length + 1)
  switch (random.below(7)) {
    case 0:
      return spliced(from, at, 0, random.pick(PIECES))
    case 1:
      return spliced(from, at, 1 + random.below(4), random.pick(PIECES))
    case 2:
      return spliced(from, at, 0, repeated(random.pick(RUNS), random.below(random.oneIn(4) ? 60_000 : 300)))
    case 3: {
      // One word for another.
      const [start, length] = wordAt(from, at)
      const other = random.pick(pool)
      const [otherStart, otherLength] = wordAt(other, random.below(other.length + 1))
      return spliced(from, start, length, other.subarray(otherStart, otherStart + otherLength))
    }
    case 4: {
      const [start, length] = wordAt(from, at)
      const copies = random.oneIn(4) ? 5_000 : 3
      return spliced(from, start, 0, repeated(from.subarray(start, start + length + 1), random.below(copies)))
    }
    case 5: {
      const copy = new Uint8Array(from)
      const byte = copy[at]
      if (byte !== undefined) copy[at] = byte ^ 0x20
      return copy
    }
    default: {
      const [start, length] = wordAt(from, at)
      return spliced(from, start, length, new Uint8Array())
    }
  }
}

function spliced(from: Uint8Array, at: number, left: number, put: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([from.subarray(0, at), put, from.subarray(at + left)]))
}

function wordAt(from: Uint8Array, at: number): [start: number, length: number] {
  let start = at
  while (start > 0 && isWord(from[start - 1])) start--
  let end = at
  while (end < from.length && isWord(from[end])) end++
  return [start, end - start]
}

function isWord(byte: number | undefined): boolean {
  return byte !== undefined && /[\w-]/.test(String.fromCharCode(byte))
}
