import { expect, it } from 'vitest'
import type { HeaderPair } from '../../../cli/proxy/header-rules.js'
import {
  decodeUpgrade,
  decodeUpgradeAnswer,
  encodeUpgrade,
  encodeUpgradeAnswer,
} from '../../../cli/proxy/upgrade-head.js'

/** The first messages of a channel that carries a WebSocket. */

const GOOD: readonly HeaderPair[] = [
  ['Cookie', 'a=\u00ff\t"b"'],
  ['cookie', ''],
  ["!#$%&'*+.^_`|~0z", 'x'],
]

it('say headers as they came', () => {
  expect(decodeUpgrade(encodeUpgrade(GOOD))).toEqual(GOOD)
  for (const status of [101, 200, 599])
    expect(decodeUpgradeAnswer(encodeUpgradeAnswer({ status, headers: GOOD }))).toEqual({
      status,
      headers: GOOD,
    })
})

it.each<[string, HeaderPair[]]>([
  ['a line that ends in a value', [['a', 'b\r\nc: d']]],
  ['half of one', [['a', 'b\n']]],
  ['a NUL', [['a', '\0']]],
  ['a sign of more than one byte, whose last one ends a line', [['a', '\u0d0a']]],
  ['a line that ends in a name', [['a\r\nb', 'c']]],
  ['a name with a colon', [['a:b', 'c']]],
  ['a name with a space', [['a ', 'c']]],
  ['no name', [['', 'c']]],
  ['a name that is too long', [['a'.repeat(257), 'c']]],
  ['too many', Array.from({ length: 1_001 }, (): HeaderPair => ['a', 'b'])],
])('say no headers with %s', (_, headers) => {
  expect(decodeUpgrade(encodeUpgrade(headers))).toBe(undefined)
  expect(decodeUpgradeAnswer(encodeUpgradeAnswer({ status: 101, headers }))).toBe(undefined)
})

it.each(['100', '102', '199', '600', '200.5', '-1', 'null', '"200"', '1e9'])('say no status %s', status => {
  expect(decodeUpgradeAnswer(Buffer.from(`{"status":${status},"headers":[]}`))).toBe(undefined)
})

it.each([
  '',
  '[]',
  'null',
  '7',
  '{"upgrade":"websocket","headers":{}}',
  '{"upgrade":["websocket"],"headers":[]}',
])('are not %s', text => {
  expect([decodeUpgrade(Buffer.from(text)), decodeUpgradeAnswer(Buffer.from(text))]).toEqual([
    undefined,
    undefined,
  ])
})

it('are well-formed UTF-8', () => {
  const bytes = Buffer.from('{"upgrade":"websocket","headers":[["a","?"]]}')
  expect(decodeUpgrade(bytes)).toEqual([['a', '?']])
  bytes[bytes.indexOf('?')] = 0xff
  expect(decodeUpgrade(bytes)).toBe(undefined)
})
