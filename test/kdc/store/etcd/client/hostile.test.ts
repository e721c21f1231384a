import { once } from 'node:events'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createEtcd } from '../../../../../kdc/store/etcd/client/client.js'
import {
  bytesField,
  flagField,
  message,
  messageField,
  numberField,
  textField,
} from '../../../../../kdc/store/etcd/client/protobuf.js'
import type { Etcd } from '../../../../../kdc/store/etcd/etcd.js'
import { listRecords } from '../../../../../kdc/store/etcd/snapshot.js'
import { RECORD_KIND } from '../../../../../kdc/store/store.js'

/** A member of etcd that does not do what etcd does: nothing of it is believed, and no answer costs more than its question. */

type Answer = (stream: ServerHttp2Stream, path: string) => void

async function memberThat(answer: Answer): Promise<Etcd> {
  const server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', session => sessions.add(session.on('error', () => {})))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    stream.resume()
    answer(stream, String(headers[':path']).split('/').at(-1) ?? '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const etcd = createEtcd({ endpoints: [`http://127.0.0.1:${port}`], deadline: 2_000 })
  onTestFinished(async () => {
    await etcd.close()
    for (const session of sessions) session.destroy()
    server.close()
  })
  return etcd
}

const HEAD = { ':status': 200, 'content-type': 'application/grpc' } as const
const header = messageField(1, message(numberField(3, 7)))

function frame(bytes: Uint8Array, flag = 0, length = bytes.length): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, bytes])
}

function record(key: string, value = Uint8Array.of(0)): Uint8Array {
  return message(textField(1, key), numberField(3, 5), numberField(4, 1), bytesField(5, value))
}

const range = (keys: readonly string[], more = false): Uint8Array =>
  message(header, ...keys.map(key => messageField(2, record(key))), flagField(3, more))

function say(stream: ServerHttp2Stream, ...frames: readonly Uint8Array[]): void {
  stream.respond(HEAD, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  for (const bytes of frames) stream.write(bytes)
  stream.end()
}

const refused = (reason: RegExp) => ({ code: 'unavailable', message: expect.stringMatching(reason) })

describe('an answer to the question for a range', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['of another key', range(['/b']), /nobody asked for/],
    ['of a key that only begins so', range(['/a/1']), /nobody asked for/],
    ['that says there is more of nothing', range([], true), /yet more/],
  ])('for one key %s is none', async (_, bytes, reason) => {
    const etcd = await memberThat(stream => say(stream, frame(bytes)))
    await expect(etcd.range({ key: '/a' })).rejects.toMatchObject(refused(reason))
  })

  it.each<[string, readonly string[], RegExp]>([
    ['with keys twice', ['/a/1', '/a/1'], /not in their order/],
    ['with keys in another order', ['/a/2', '/a/1'], /not in their order/],
    ['with a key before it', ['/Z', '/a/1'], /nobody asked for/],
    ['with its end', ['/a/1', '/a0'], /nobody asked for/],
    ['with more than were asked for', ['/a/1', '/a/2', '/a/3'], /more keys/],
  ])('for several %s is none', async (_, keys, reason) => {
    const etcd = await memberThat(stream => say(stream, frame(range(keys))))
    await expect(etcd.range({ key: '/a/', end: '/a0', limit: 2 })).rejects.toMatchObject(refused(reason))
  })

  it('that gives the same page for ever ends with the second', async () => {
    let asked = 0
    const etcd = await memberThat(stream => {
      asked++
      say(stream, frame(range([`/r/${RECORD_KIND.PRINCIPAL}/a`], true)))
    })
    const listed = listRecords(etcd, '/r/', RECORD_KIND.PRINCIPAL, { limit: 500 })
    await expect(listed).rejects.toMatchObject(refused(/nobody asked for/))
    expect(asked).toBe(2)
  })
})

describe('an answer to a transaction', () => {
  const ask = async (...answers: readonly Uint8Array[]): Promise<unknown> => {
    const bytes = message(header, flagField(2, true), ...answers.map(each => messageField(3, each)))
    const etcd = await memberThat(stream => say(stream, frame(bytes)))
    const question = { kind: 'range', key: '/a' } as const
    return etcd.transact({ compares: [], operations: [question, { kind: 'delete', key: '/b' }] })
  }
  const found = (key: string): Uint8Array => messageField(1, range([key]))
  const deleted = messageField(3, message(header))

  it('is believed if it has one for each operation, and else is none', async () => {
    expect(await ask(found('/a'), deleted)).toMatchObject({ succeeded: true })
    for (const answers of [
      [],
      [found('/a')],
      [deleted, found('/a')],
      [found('/c'), deleted],
      [found('/a'), found('/a')],
    ])
      await expect(ask(...answers)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('bytes that are no answer', () => {
  const good = frame(range(['/a']))
  it.each<[string, Answer, RegExp]>([
    ['a compressed message', stream => say(stream, frame(range(['/a']), 1)), /compressed/],
    [
      'a message of four gigabytes',
      stream => say(stream, frame(new Uint8Array(9), 0, 0xffff_ffff)),
      /4294967295/,
    ],
    ['two answers', stream => say(stream, good, good), /more answers/],
    ['half an answer', stream => say(stream, good.subarray(0, 9)), /cut off/],
    ['no answer, in order', stream => say(stream), /no answer/],
    [
      'a page of a web server',
      stream => {
        stream.respond({ ':status': 200, 'content-type': 'text/html' })
        stream.end('<html>')
      },
      /answers as HTTP 200 text\/html/,
    ],
    [
      'a reason that is long, and sends signs to a terminal',
      stream => {
        stream.respond(
          { ...HEAD, 'grpc-status': '13', 'grpc-message': `%1b[2J${'x'.repeat(5_000)}` },
          { endStream: true },
        )
      },
      /^unavailable: etcd at .{0,700}$/s,
    ],
    [
      'more headers than are read',
      stream => {
        const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x-${i}`, 'y'.repeat(100)]))
        stream.respond({ ...HEAD, ...many })
        stream.end(good)
      },
      /etcd at/,
    ],
    [
      'an answer that never ends',
      stream => {
        stream.respond(HEAD)
        const drip = setInterval(() => stream.write(Uint8Array.of(0)), 5)
        stream.on('close', () => clearInterval(drip))
      },
      /no answer within 2000 ms|cannot be read|cut off/,
    ],
    ['nothing at all', () => {}, /no answer within 2000 ms/],
  ])('%s', async (_, answer, reason) => {
    const etcd = await memberThat(answer)
    await expect(etcd.range({ key: '/a' })).rejects.toMatchObject(refused(reason))
  })
})

describe('a watch', () => {
  const event = (key: string): Uint8Array => messageField(11, message(messageField(2, record(key))))
  const watched = async (answer: Answer): Promise<Error> => {
    const etcd = await memberThat(answer)
    return new Promise(ended => {
      etcd.watch({ key: '/a/', end: '/a0', revision: 1 }, { events: () => {}, ended })
    })
  }

  it('whose parts never make a whole ends before they fill the memory', async () => {
    const part = frame(
      message(header, flagField(7, true), event('/a/1'), bytesField(15, new Uint8Array(4 * 1024 * 1024))),
    )
    const cause = await watched(stream => {
      stream.respond(HEAD)
      const more = (): void => {
        while (!stream.destroyed && stream.write(part));
        stream.once('drain', more)
      }
      more()
    })
    expect(cause).toMatchObject(refused(/without end/))
  })

  it('that tells of what nobody watches ends', async () => {
    const cause = await watched(stream => {
      stream.respond(HEAD)
      stream.write(frame(message(header, event('/b'))))
    })
    expect(cause).toMatchObject(refused(/nobody asked for/))
  })
})
