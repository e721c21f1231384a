import type { WebSocket } from 'ws'
import { connectOver } from '../../../client/connect.js'
import type { OpenSocket, SocketEvents } from '../../../client/kdc-link/socket.js'
// A client loads it when it opens a channel, which takes time that the clock of these scenes does not know.
import '../../../client/service-channel/open.js'
import { ChannelAcceptor } from '../../../service/channel/acceptor.js'
import { createChannelGate } from '../../../service/channel/options.js'
import { acceptWebSocket } from '../../../service/channel/websocket.js'
import { encodeLengthFrame, LengthFrameReader } from '../../../shared/channel/length-frames.js'
import { channelBinding } from '../../../shared/channel/records.js'
import { TYPE } from '../../../shared/constants.js'
import { createMac, deriveAuthKey, deriveChannelKey, expand } from '../../../shared/crypto/derive.js'
import { decode, encode } from '../../../shared/encoding/encoding.js'
import { decodeFrame, encodeFrame } from '../../../shared/encoding/frame.js'
import { header, messageType } from '../../../shared/encoding/message.js'
import { createApAccept } from '../../../shared/exchange/ap.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { decodeTicket, openTicket } from '../../../shared/ticket/ticket.js'
import { ORDERS, WEB } from '../../client/fake-kdc.js'
import { steadyRandom } from '../../support/chance.js'
import { sealCounted } from '../../support/sealed.js'
import { asyncOutcomeOf, type Entry, outcomeOf } from '../entry.js'
import { join } from '../mutate.js'
import { type ClientScene, CODES, SALT } from './client-scene.js'
import { caveatsIn } from './kdc.js'
import { FakeWebSocket, framesIn, turns, WAIT } from './kdc-connection.js'
import { NONCE, type ServiceScene, sessionKey, ticketOf } from './service-scene.js'

/** What comes over the connection of a channel, to a service and to its client. */

const RECORD = header(TYPE.RECORD)

function apOpenOf(scene: ServiceScene): Uint8Array {
  const body = [ticketOf(scene), [], scene.clock.now(), NONCE, channelBinding('/live'), null]
  const message = join(header(TYPE.AP_OPEN), encode(body))
  return join(message, createMac(deriveAuthKey(sessionKey, []), 'ap-req', message))
}

export function channelFrames(scene: ServiceScene): Entry {
  const opening = apOpenOf(scene)
  const record = join(RECORD, new Uint8Array(40))
  const seed = (...list: (readonly [id: number, message: Uint8Array] | typeof WAIT)[]) =>
    encode(list.map(each => (each === WAIT ? WAIT : encodeFrame({ id: each[0], message: each[1] }))))
  return {
    name: 'service: frames of the connection of a channel',
    form: 'list',
    seeds: [
      seed([1, opening], WAIT, [1, record]),
      seed([1, opening], [1, opening]),
      seed([1, opening], WAIT, [2, opening], [1, opening]),
      seed([1, record], [0, new Uint8Array(3)]),
    ],
    run: async (input, measure) => {
      const list = framesIn(input)
      const handled: unknown[] = []
      const gate = createChannelGate({ service: scene.service }, channel => void handled.push(channel))
      const acceptor = new ChannelAcceptor(gate)
      const socket = new FakeWebSocket()
      await measure(async () => {
        acceptWebSocket(acceptor, socket as unknown as WebSocket, '/live', {})
        for (const each of list) {
          if (each === WAIT) await turns()
          else socket.emit('message', each, true)
        }
        await turns()
        const closed = acceptor.close()
        socket.close()
        await closed
      })
      if (handled.length > 0) throw new Error('a channel whose client has not shown that it has the key')
      const unexpected = scene.errors.splice(0)
      if (unexpected.length > 0) throw unexpected[0]
      const sent = socket.sent.flatMap(each => decodeFrame(each) ?? [])
      return sent.map(({ message }) => messageType(message)).join() || 'nothing'
    },
  }
}

/** Frames of TCP in one piece, and byte by byte: they come to the same. */
export const tcpFrames: Entry = {
  name: 'channel: frames over TCP',
  form: 'bytes',
  floor: 128 * 1024,
  seeds: [
    join(encodeLengthFrame(Uint8Array.of(1, 12, 7)), encodeLengthFrame(new Uint8Array(300))),
    Uint8Array.of(0, 1, 0, 0),
    Uint8Array.of(255, 255, 255, 255),
  ],
  run: (input, measure) => {
    const read = (pieces: Iterable<Uint8Array>): string => {
      const reader = new LengthFrameReader()
      const lengths: number[] = []
      const outcome = outcomeOf(() => {
        for (const piece of pieces) for (const { length } of reader.read(piece)) lengths.push(length)
      }, ['too_large', 'malformed'])
      return `${outcome} ${lengths.join()}`
    }
    const whole = measure(() => read([input]))
    const bytewise = read(Array.from(input, byte => Uint8Array.of(byte)))
    if (whole !== bytewise) throw new Error(`${bytewise} byte by byte, and ${whole} in one piece`)
    return whole.split(' ')[0] as string
  },
}

/** A service of which an entry says what it sends behind its AP-ACCEPT, or in place of it. */
function serviceSocket(scene: ClientScene, said: (accept: Uint8Array, key: Uint8Array) => Uint8Array[]) {
  return (events: SocketEvents): ReturnType<OpenSocket> => {
    queueMicrotask(() => events.opened())
    return {
      close: () => {},
      send: (frame, sent) => {
        sent?.()
        const bytes = decodeFrame(frame)?.message ?? new Uint8Array()
        if (messageType(bytes) !== TYPE.AP_OPEN) return
        const body = bytes.subarray(2, -32)
        const ticket = openTicket(decodeTicket(decode(body)[0] as Uint8Array), scene.kdc.keyOf(ORDERS))
        const key = deriveAuthKey(ticket.key, caveatsIn(body))
        const accept = createApAccept(key, bytes.subarray(-32), { time: scene.time.now(), nonce: SALT })
        const sending = expand(deriveChannelKey(key, bytes, accept), 'service-to-client')
        queueMicrotask(() => {
          for (const message of said(accept, sending)) events.received(encodeFrame({ id: 1, message }))
        })
      },
    }
  }
}

async function openOver(scene: ClientScene, socket: ReturnType<typeof serviceSocket>) {
  scene.kdc.intercept = (_, honest) => honest()
  const openSocket: OpenSocket = (options, events) =>
    options.url.endsWith('/live') ? socket(events) : scene.kdc.openSocket(options, events)
  const keytab = { text: formatKeytab([{ principal: WEB, kvno: 1, key: scene.kdc.keyOf(WEB) }]) }
  const common = { clock: scene.time, timers: scene.time, random: steadyRandom(3) }
  return connectOver(openSocket, { kdc: 'ws://127.0.0.1:8750', keytab, ...common })
}

const URL_OF_SERVICE = 'ws://127.0.0.1:8080/live'

/** Each input is measured with the opening that it comes to: the ticket of a login, an AP-OPEN, and a socket. */
const OPENING_FLOOR = 512 * 1024

/** What makes a record a large one, which is opened in another way. */
const MUCH = new Uint8Array(10_000)

/** A record that holds, whatever is inside, and one message of the service in clear. */
export function channelOfService(scene: ClientScene, size: 'small' | 'large'): Entry {
  const kind = (kind: number, ...payload: number[]) => Uint8Array.of(kind, ...payload)
  return {
    name: `client: inside of a ${size} record of a service`,
    form: 'bytes',
    floor: OPENING_FLOOR,
    seeds: [kind(0, 65), kind(2, 65), kind(2), kind(1), kind(1, 65), kind(3), new Uint8Array()],
    quick: 25,
    run: async (input, measure) => {
      const plaintext = size === 'large' ? join(input, MUCH) : input
      const socket = serviceSocket(scene, (accept, key) => [
        accept,
        join(RECORD, sealCounted(key, 0, RECORD, plaintext)),
        join(RECORD, sealCounted(key, 1, RECORD, kind(1))),
      ])
      const realm = await openOver(scene, socket)
      try {
        return await asyncOutcomeOf(async () => {
          await measure(async () => {
            const channel = await scene.patient(realm.openChannel(URL_OF_SERVICE, { service: 'orders' }))
            for await (const message of channel)
              if (message.length > plaintext.length) throw new Error('more')
            await channel.end()
          })
        }, CODES)
      } finally {
        realm.close()
      }
    },
  }
}

export function answerOfService(scene: ClientScene): Entry {
  return {
    name: 'client: an answer to the opening of a channel',
    form: 'message',
    floor: OPENING_FLOOR,
    seeds: [
      join(header(TYPE.AP_ACCEPT), new Uint8Array(60)),
      join(header(TYPE.ERROR), encode(['ticket_invalid', 1, null, ''])),
      join(header(TYPE.ERROR_AUTHENTICATED), encode(['revoked', 1, null, '']), new Uint8Array(32)),
    ],
    quick: 25,
    run: async (bytes, measure) => {
      const realm = await openOver(
        scene,
        serviceSocket(scene, () => [bytes]),
      )
      try {
        return await asyncOutcomeOf(async () => {
          await measure(() => scene.patient(realm.openChannel(URL_OF_SERVICE, { service: 'orders' })))
        }, CODES)
      } finally {
        realm.close()
      }
    },
  }
}
