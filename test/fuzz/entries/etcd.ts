import { parseEtcdUrl } from '../../../kdc/store/etcd/address.js'
import { MessageSplitter } from '../../../kdc/store/etcd/client/grpc.js'
import {
  decodeLease,
  decodeLogin,
  decodeRange,
  decodeTransaction,
} from '../../../kdc/store/etcd/client/messages.js'
import { decodeWatch } from '../../../kdc/store/etcd/client/watch-messages.js'
import { decodeContent, encodeContent } from '../../../kdc/store/etcd/record-form.js'
import { type Entry, ofText, outcomeOf, requireSame, textOf } from '../entry.js'

/** What etcd answers, as it was recorded of 3.5.16. */

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))

const HEADER = '0a12 08b593cfcb8f87a5c43410e8a6b5e8011807 2002'
const RECORD = '12 12 0a042f612f62 1005 1807 2002 2a05 0168656c6c'

function entryOf(what: string, decode: (bytes: Uint8Array) => unknown, ...seeds: string[]): Entry {
  return {
    name: `etcd: ${what}`,
    form: 'bytes',
    seeds: seeds.map(hex),
    run: (input, measure) => outcomeOf(() => measure(() => decode(input)), ['malformed']),
  }
}

export function etcdEntries(): Entry[] {
  return [
    {
      name: 'etcd: its address',
      form: 'text',
      seeds: ofText(
        'etcds://one.example:2379,[::1]/orthrus/demo.example',
        'etcd://localhost',
        'etcd://a@b/c',
      ),
      run: (input, measure) => outcomeOf(() => measure(() => parseEtcdUrl(textOf(input))), ['malformed']),
    },
    entryOf('a range', decodeRange, `${HEADER} ${RECORD} 1801 2002`, HEADER),
    entryOf(
      'a transaction',
      decodeTransaction,
      `${HEADER} 1001 1a1a 0a18 0a02 1807 ${RECORD} 1a02 1200 1a06 2204 1a02 1200`,
      HEADER,
    ),
    {
      name: 'etcd: a record as it is stored',
      form: 'bytes',
      seeds: [hex('01 0203'), hex('00'), hex('02')],
      run: (input, measure) => {
        const record = { key: 'k', version: 3, modRevision: 9, value: input }
        return outcomeOf(() => {
          const stored = measure(() => decodeContent(record))
          requireSame(encodeContent(stored?.value), input)
        }, ['unavailable'])
      },
    },
    entryOf('a lease', decodeLease, `${HEADER} 10f89b82d5f3c1b2d769 183c`, HEADER),
    entryOf('a login', decodeLogin, `${HEADER} 1205 612e62632e`, `${HEADER} 1200`),
    entryOf(
      'a watch',
      decodeWatch,
      `${HEADER} 5a14 ${RECORD} 5a0d 0801 1209 0a042f612f62 1808`,
      `${HEADER} 1801`,
      `${HEADER} 2001 2805 3203 776879 3801`,
    ),
    entryOf(
      'messages in a stream',
      bytes => {
        const splitter = new MessageSplitter()
        const half = bytes.length >> 1
        return [...splitter.push(bytes.subarray(0, half)), ...splitter.push(bytes.subarray(half))]
      },
      '00 00000003 010203 00 00000000 00 00000001 09',
      '01 00000000',
      '00 ffffffff',
    ),
  ]
}
