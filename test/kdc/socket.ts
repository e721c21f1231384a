import { WebSocket } from 'ws'
import type { AdminMethod } from '../../shared/administration/methods.js'
import { decodeAnswer, encodeCall, type KdcAnswer } from '../../shared/channel/calls.js'
import { channelBinding, type RecordChannel, startChannel } from '../../shared/channel/records.js'
import { SUBPROTOCOL, TYPE } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import type { AuthKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { decodeFrame, encodeFrame } from '../../shared/encoding/frame.js'
import { messageType } from '../../shared/encoding/message.js'
import { type ApRequest, createApRequest, openApAccept } from '../../shared/exchange/ap.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket } from '../../shared/ticket/ticket.js'

/** A client that sends what it is told to, right or wrong. */
export class TestSocket {
  readonly socket: WebSocket
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #frames: { id: number; message: Uint8Array }[] = []
  readonly #waiting: { id: number; take: (message: Uint8Array) => void }[] = []
  #isClosed = false

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('message', data => this.#receive(data as Buffer))
    this.closed = new Promise(resolve => {
      socket.on('close', (code, reason) => {
        this.#isClosed = true
        resolve({ code, reason: reason.toString() })
      })
    })
  }

  static async open(url: string, options: object = {}, protocol = SUBPROTOCOL): Promise<TestSocket> {
    const socket = new WebSocket(url, protocol, { perMessageDeflate: false, ...options })
    const test = new TestSocket(socket)
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    return test
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(id: number, message: Uint8Array): void {
    this.socket.send(encodeFrame({ id, message }))
  }

  /** The next frame with that id. */
  next(id: number): Promise<Uint8Array> {
    const index = this.#frames.findIndex(frame => frame.id === id)
    const [frame] = index < 0 ? [] : this.#frames.splice(index, 1)
    if (frame !== undefined) return Promise.resolve(frame.message)
    return new Promise(take => this.#waiting.push({ id, take }))
  }

  ask(id: number, message: Uint8Array): Promise<Uint8Array> {
    this.send(id, message)
    return this.next(id)
  }

  close(): void {
    this.socket.terminate()
  }

  #receive(data: Buffer): void {
    const frame = decodeFrame(new Uint8Array(data))
    if (frame === undefined) throw new Error('a frame without an id')
    const index = this.#waiting.findIndex(({ id }) => id === frame.id)
    const [waiting] = index < 0 ? [] : this.#waiting.splice(index, 1)
    if (waiting === undefined) this.#frames.push(frame)
    else waiting.take(frame.message)
  }
}

export interface OpeningQuestion {
  readonly time: number
  readonly caveats?: readonly Uint8Array[]
  readonly binding?: Uint8Array
  readonly type?: typeof TYPE.AP_OPEN | typeof TYPE.AP_REQ
}

export function openingOf(grant: Grant, question: OpeningQuestion): { request: ApRequest; key: AuthKey } {
  const { time, caveats = [], binding = channelBinding(''), type = TYPE.AP_OPEN } = question
  const key = deriveAuthKey(grant.key, caveats)
  const nonce = systemRandom(16)
  const ticket = decodeTicket(grant.ticket)
  return {
    key,
    request: createApRequest(type, key, { ticket, caveats, time, nonce, binding, delegated: null }),
  }
}

/** A client's side of an administration channel. */
export class TestChannel {
  readonly socket: TestSocket
  readonly id: number
  readonly records: RecordChannel
  #n = 0

  constructor(socket: TestSocket, id: number, records: RecordChannel) {
    this.socket = socket
    this.id = id
    this.records = records
  }

  static async open(
    socket: TestSocket,
    id: number,
    grant: Grant,
    question: OpeningQuestion,
  ): Promise<TestChannel> {
    const { request, key } = openingOf(grant, question)
    return TestChannel.complete(socket, id, request, key, await socket.ask(id, request.bytes))
  }

  static complete(
    socket: TestSocket,
    id: number,
    request: ApRequest,
    key: AuthKey,
    accept: Uint8Array,
  ): TestChannel {
    openApAccept(key, request.mac, accept)
    return new TestChannel(socket, id, startChannel('client', key, request.bytes, accept, 1 << 20))
  }

  async call(method: AdminMethod | string, args: readonly Value[]): Promise<KdcAnswer> {
    const n = ++this.#n
    this.say(encodeCall({ n, method, args }))
    const answer = decodeAnswer(await this.hear())
    if (answer.n !== n) throw new Error(`answer ${answer.n} to call ${n}`)
    return answer
  }

  say(message: Uint8Array): void {
    for (const record of this.records.sealMessage(message)) this.socket.send(this.id, record)
  }

  /**
   * The next whole message.
   * @throws if the channel ends or breaks instead
   */
  async hear(): Promise<Uint8Array> {
    for (;;) {
      const message = await this.socket.next(this.id)
      if (messageType(message) === TYPE.ERROR) throw new Error('told that it is broken')
      const event = this.records.open(message)
      if (event?.kind === 'end') throw new Error('ended')
      if (event?.kind === 'message') return event.message
    }
  }
}
