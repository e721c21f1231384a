import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { DEFAULT_LIMITS } from '../../../kdc/limits/defaults.js'
import { Connection } from '../../../kdc/transport/connection.js'
import { TYPE } from '../../../shared/constants.js'
import { decode, encode } from '../../../shared/encoding/encoding.js'
import { decodeFrame, encodeFrame, type Frame } from '../../../shared/encoding/frame.js'
import { header, messageType } from '../../../shared/encoding/message.js'
import { ADDRESS } from '../../support/realm.js'
import type { Entry } from '../entry.js'
import { join } from '../mutate.js'
import { requireExpected } from './kdc.js'
import { type ChannelScene, channelScene, openBody, openingOf } from './kdc-channel.js'
import { messageSeeds } from './messages.js'

/** What comes into the KDC over one connection: frames, one on top of the other or each after the answers before it. */

export class FakeWebSocket extends EventEmitter {
  readonly bufferedAmount = 0
  readonly isPaused = false
  readonly sent: Uint8Array[] = []
  isClosed = false

  send(frame: Uint8Array, done: () => void): void {
    this.sent.push(frame)
    done()
  }
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.emit('close')
  }
  terminate(): void {
    this.close()
  }
  pause(): void {}
  resume(): void {}
  ping(): void {}
}

const STREAM = { cork: () => {}, uncork: () => {} } as unknown as Duplex

/** Between two frames: the KDC answers the first before the second comes. */
export const WAIT = 0
/** As many turns of the event loop as an answer may take, of which most take three. */
const TURNS = 12
const WAITS_MOST = 8
const FRAMES_MOST = 64

function frames(scene: ChannelScene): Entry {
  const { realm } = scene
  const { message } = openingOf(scene, encode(openBody(scene)))
  const record = join(header(TYPE.RECORD), new Uint8Array(40))
  const seed = (...list: (readonly [id: number, message: Uint8Array] | typeof WAIT)[]) =>
    encode(list.map(each => (each === WAIT ? WAIT : encodeFrame({ id: each[0], message: each[1] }))))
  return {
    name: 'KDC: frames of one connection',
    form: 'list',
    seeds: [
      seed([1, message], WAIT, [2, messageSeeds[0] as Uint8Array], [3, messageSeeds[1] as Uint8Array]),
      seed([1, message], [1, record], [2, record]),
      seed([1, message], [1, message]),
      seed([1, message], WAIT, [1, record], WAIT, [1, message], WAIT, [2, record]),
      seed([1, new Uint8Array()], [0, new Uint8Array(3)]),
    ],
    run: async (input, measure) => {
      const list = framesIn(input)
      const socket = new FakeWebSocket()
      const connection = new Connection({
        socket: socket as unknown as WebSocket,
        stream: STREAM,
        address: ADDRESS,
        context: realm.context,
        dispatch: realm.dispatch,
        opener: scene.opener,
        limits: DEFAULT_LIMITS,
        onProved: () => {},
        onClosed: () => {},
      })
      await measure(async () => {
        for (const each of list) {
          if (each === WAIT) await turns()
          else socket.emit('message', each, true)
        }
        await turns()
        await connection.drain()
      })
      requireExpected(realm)
      const came = list.filter(each => each !== WAIT).flatMap(each => decodeFrame(each) ?? [])
      const sent = socket.sent.flatMap(each => decodeFrame(each) ?? [])
      requireAsked(sent, came, message)
      return sent.map(({ message }) => messageType(message)).join() || 'nothing'
    },
  }
}

/** By one promise, as what waits is measured with what is waited for. */
export function turns(): Promise<void> {
  return new Promise(resolve => {
    let left = TURNS
    const turn = (): void => {
      if (left-- === 0) resolve()
      else setImmediate(turn)
    }
    turn()
  })
}

/** Each answer is to a frame that came, and what only a key's holder can have is for the one genuine message. */
function requireAsked(sent: readonly Frame[], came: readonly Frame[], genuine: Uint8Array): void {
  for (const id of new Set(sent.map(each => each.id))) {
    const mine = came.filter(each => each.id === id)
    const types = sent.filter(each => each.id === id).map(({ message }) => messageType(message))
    const openings = mine.filter(({ message }) => Buffer.compare(message, genuine) === 0).length
    const counts = (type: number) => types.filter(each => each === type).length
    if (types.length - counts(TYPE.RECORD) > mine.length) throw new Error('more answers than frames')
    if (counts(TYPE.AS_REP) + counts(TYPE.TGS_REP) > 0) throw new Error('a ticket that nobody asked for')
    if (counts(TYPE.AP_ACCEPT) > openings) throw new Error('a channel that nobody opened')
    // A channel still open is ended by the KDC, and nobody here can have it say anything else.
    if (counts(TYPE.RECORD) > counts(TYPE.AP_ACCEPT)) throw new Error('a record that nobody asked for')
  }
}

/** The byte strings of a list as frames, its numbers as times to wait; what is no list is one frame. */
export function framesIn(input: Uint8Array): (Buffer | typeof WAIT)[] {
  try {
    let [frames, waits] = [0, 0]
    return decode(input).flatMap((each): (Buffer | typeof WAIT)[] => {
      if (each instanceof Uint8Array) return frames++ < FRAMES_MOST ? [Buffer.from(each)] : []
      return typeof each === 'number' && waits++ < WAITS_MOST ? [WAIT] : []
    })
  } catch {
    return [Buffer.from(input)]
  }
}

export async function kdcConnectionEntries(): Promise<Entry[]> {
  return [frames(await channelScene(({ realm }) => realm.admin))]
}
