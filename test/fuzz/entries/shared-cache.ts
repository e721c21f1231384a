import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { ServiceKeys } from '../../../service/keys.js'
import { readAnswer } from '../../../service/redis/answer.js'
import { CacheSeal, readFrames } from '../../../service/replay/cache-link.js'
import { serveCache } from '../../../service/replay/cache-server.js'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { TestClock } from '../../support/clock.js'
import { type Entry, type Measure, ofText, outcomeOf, requireSame, textOf } from '../entry.js'

/** What reaches the socket at which a process answers for the replay cache of its machine. */

const key = () => new LongTermKey(new Uint8Array(32).fill(1))
const nonce = new Uint8Array(16).fill(2)

/** A socket without a system. */
class BareSocket extends EventEmitter {
  readonly written: Uint8Array[] = []
  isOver = false

  write(bytes: Uint8Array): void {
    this.written.push(bytes)
  }

  destroy(): void {
    this.isOver = true
  }

  get asSocket(): Socket {
    return this as unknown as Socket
  }
}

function framed(...bodies: readonly Uint8Array[]): Uint8Array {
  const parts = bodies.map(body => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(body.length)
    return Buffer.concat([length, body])
  })
  return new Uint8Array(Buffer.concat(parts))
}

function sealed(): Uint8Array {
  const socket = new BareSocket()
  new CacheSeal(key(), nonce, nonce).write(socket.asSocket, 'to-cache', [1, nonce, 5, 'web@demo.example', 9])
  return new Uint8Array(socket.written[0]?.subarray(4) ?? [])
}

const seeds = [
  framed(encode([nonce, 1])),
  framed(encode([nonce, 1]), sealed()),
  framed(new Uint8Array(), nonce),
]

/** More than anybody takes whose first frames hold no MAC. */
const FRAMES_MOST = 64

/** The frames before anything that is wrong are what came, and nothing is kept of what is not a frame. */
function frames(input: Uint8Array, measure: Measure): string {
  const socket = new BareSocket()
  const found: Uint8Array[] = []
  measure(() => {
    readFrames(socket.asSocket, frame => {
      if (found.push(frame) === FRAMES_MOST) throw new Error('enough')
    })
    socket.emit('data', Buffer.from(input))
  })
  const again = framed(...found)
  requireSame(again, input.slice(0, again.length))
  return socket.isOver ? 'ended' : 'open'
}

function served(input: Uint8Array, measure: Measure): string {
  const socket = new BareSocket()
  measure(() => {
    serveCache(socket.asSocket, new ServiceKeys([{ kvno: 1, key: key() }]), cache)
    socket.emit('data', Buffer.from(input))
  })
  // What it draws is new for each connection, so that nothing which was sealed before is answered.
  if (socket.written.length !== 1) throw new Error('it answered somebody who has no key')
  return socket.isOver ? 'ended' : 'open'
}

const cache = new BoundedReplayCache({ clock: new TestClock() })

/** What a Redis server says in place of what its script answers. */
const answers = ofText(
  'admitted 0011-1 1800000000000 1799999940000',
  'epoch 0011-2 1800000000000 1800000006000',
  'rate_limited 0011-1 1 0',
)

function answer(text: string, measure: Measure): void {
  const { outcome, epoch, now, floor } = measure(() => readAnswer(text))
  requireSame(`${outcome} ${epoch} ${now} ${floor}`, text)
}

export const sharedCacheEntries: readonly Entry[] = [
  { name: 'frames of the shared cache', form: 'bytes', seeds, run: frames },
  { name: 'the shared cache', form: 'bytes', seeds, run: served },
  {
    name: 'the answer of a Redis server',
    form: 'text',
    seeds: answers,
    run: (input, measure) => outcomeOf(() => answer(textOf(input), measure), ['malformed']),
  },
]
