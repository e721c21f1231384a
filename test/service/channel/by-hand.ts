import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import type { Realm } from '../../../client/index.js'
import { secretsOf } from '../../../client/ticket/ticket.js'
import { channelBinding, type RecordChannel, startChannel } from '../../../shared/channel/records.js'
import { SUBPROTOCOL, TYPE } from '../../../shared/constants.js'
import type { AuthKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { decodeFrame, encodeFrame, type Frame } from '../../../shared/encoding/frame.js'
import { type ApRequest, type ApType, createApRequest } from '../../../shared/exchange/ap.js'

/** A client of channels whose every message is made by hand, with a real ticket and over a real socket. */

export interface Opening {
  readonly request: ApRequest
  readonly key: AuthKey
}

export interface OpeningOptions {
  readonly target?: string
  readonly time: number
  readonly type?: ApType
}

/** An AP-OPEN under the realm's own ticket for `live`. */
export async function openingOf(
  realm: Realm,
  { target = '/live', time, type = TYPE.AP_OPEN }: OpeningOptions,
): Promise<Opening> {
  const { sealed, key } = secretsOf(await realm.getServiceTicket('live'))
  const [nonce, binding] = [systemRandom(16), channelBinding(target)]
  const question = { ticket: sealed, caveats: [], time, nonce, binding, delegated: null }
  return { request: createApRequest(type, key, question), key }
}

export class HandSocket {
  readonly frames: Frame[] = []
  /** How the socket was closed: code and reason. */
  closing: string | undefined
  readonly socket: WebSocket

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', data => {
      const frame = decodeFrame(data as Buffer)
      if (frame !== undefined) this.frames.push(frame)
    })
    socket.on('error', () => {})
    socket.on('close', (code, reason) => {
      this.closing = `${code} ${reason}`
    })
    onTestFinished(() => socket.terminate())
  }

  /** @throws Error what `ws` says if the handshake is refused */
  static async open(url: string, options: object = {}): Promise<HandSocket> {
    const socket = new WebSocket(url, SUBPROTOCOL, { perMessageDeflate: false, ...options })
    const opened = new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    const hand = new HandSocket(socket)
    await opened
    return hand
  }

  send(message: Uint8Array, id = 1): void {
    this.socket.send(encodeFrame({ id, message }))
  }

  /** The types of the messages that came. */
  get types(): (number | undefined)[] {
    return this.frames.map(({ message }) => message[1])
  }

  /** Opens a channel, and says nothing in it yet. @returns its records, once the AP-ACCEPT is here */
  async start(
    { request, key }: Opening,
    wait: (until: () => boolean) => Promise<void>,
  ): Promise<RecordChannel> {
    this.send(request.bytes)
    await wait(() => this.frames.length > 0)
    return startChannel('client', key, request.bytes, this.frames[0]?.message ?? new Uint8Array(), 1_000_000)
  }
}
