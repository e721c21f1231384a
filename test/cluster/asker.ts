import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from '../../shared/bytes.js'
import { TYPE } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import { type LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { openError } from '../../shared/encoding/error.js'
import { messageType } from '../../shared/encoding/message.js'
import { createAsRequest, openAsReply } from '../../shared/exchange/as.js'
import type { Reply } from '../../shared/exchange/reply.js'
import { createTgsRequest, openTgsReply } from '../../shared/exchange/tgs.js'
import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket, openTicket } from '../../shared/ticket/ticket.js'
import { TestSocket } from '../kdc/socket.js'
import type { Ask, Granted } from './history.js'
import type { KdcHost } from './kdc-host.js'
import { shortOf } from './names.js'
import type { Recorder } from './recorder.js'
import { machineTime } from './time.js'

/** A principal with a key that the driver holds. */
export interface Hand {
  readonly principal: Principal
  readonly kvno: number
  readonly key: LongTermKey
}

export interface Answer {
  readonly outcome: string
  readonly reply?: Reply
}

/** How long the driver waits for an answer, milliseconds. A process that was stopped may still answer later. */
const PATIENCE = 8_000

/** Nothing was taken from whoever asks. Looked at when the answer has come. */
const SOUND = (): boolean => true

/** All keys that services ever had, so that what is sealed can be opened. */
export class KnownKeys {
  readonly #keys = new Map<string, LongTermKey[]>()
  readonly #tickets = new Map<string, Uint8Array>()

  add({ principal, kvno, key }: Hand): void {
    const name = `${principal} ${kvno}`
    this.#keys.set(name, [...(this.#keys.get(name) ?? []), key])
  }

  /** A ticket may come before whoever made its key has been told of it, so it is opened later. */
  keep(ticketId: string, ticket: Uint8Array): void {
    this.#tickets.set(ticketId, ticket)
  }

  /** The digest of the key that opens the ticket. */
  whichOpens(ticketId: string): string | undefined {
    const ticket = this.#tickets.get(ticketId)
    if (ticket === undefined) return undefined
    const sealed = decodeTicket(ticket)
    for (const key of this.#keys.get(`${sealed.service} ${sealed.kvno}`) ?? []) {
      try {
        openTicket(sealed, key)
        return digestOf(key)
      } catch {
        // Another one, then.
      }
    }
    return undefined
  }
}

export function digestOf(key: LongTermKey): string {
  return createHash('sha256').update(revealKey(key)).digest('hex').slice(0, 16)
}

/**
 * Puts questions to one KDC as they are, over a connection of its own, without any of the care of a client. Each goes
 * into the history with its answer.
 */
export class Asker {
  readonly host: KdcHost
  readonly #recorder: Recorder
  readonly #keys: KnownKeys
  #socket: Promise<TestSocket> | undefined
  #id = 0

  constructor(host: KdcHost, recorder: Recorder, keys: KnownKeys) {
    this.host = host
    this.#recorder = recorder
    this.#keys = keys
  }

  async login(hand: Hand, services: readonly Principal[] = [], isSound = SOUND): Promise<Answer> {
    const { principal: client, kvno, key } = hand
    const question = { client, kvno, services, lifetime: 0, renewable: false, ...this.#fresh() }
    const request = createAsRequest(key, question)
    return this.#ask('AS', client, request.bytes, isSound, bytes =>
      messageType(bytes) === TYPE.AS_REP
        ? { outcome: 'reply', reply: openAsReply(key, request, bytes) }
        : { outcome: openError(bytes, key, request.mac).code },
    )
  }

  async tickets(
    client: Principal,
    tgt: Grant,
    services: readonly Principal[],
    isSound = SOUND,
  ): Promise<Answer> {
    const key = deriveAuthKey(tgt.key, [])
    const question = { caveats: [], services, lifetime: 0, renew: false, ...this.#fresh() }
    const request = createTgsRequest(key, decodeTicket(tgt.ticket), question)
    return this.#ask('TGS', client, request.bytes, isSound, bytes =>
      messageType(bytes) === TYPE.TGS_REP
        ? { outcome: 'reply', reply: openTgsReply(key, request, bytes) }
        : { outcome: openError(bytes, key, request.mac).code },
    )
  }

  close(): void {
    this.#socket?.then(
      socket => socket.close(),
      () => undefined,
    )
    this.#socket = undefined
  }

  #fresh(): { time: number; nonce: Uint8Array } {
    return { time: Date.now() + this.host.offset, nonce: systemRandom(16) }
  }

  async #ask(
    exchange: Ask['exchange'],
    client: Principal,
    message: Uint8Array,
    isSound: () => boolean,
    open: (bytes: Uint8Array) => Answer,
  ): Promise<Answer> {
    const began = machineTime()
    const bytes = await this.#exchange(message)
    const ended = machineTime()
    const answer = bytes === undefined ? { outcome: 'silence' } : open(bytes)
    const { outcome, reply } = answer
    this.#recorder.add({
      kind: 'ask',
      kdc: this.host.name,
      exchange,
      client: shortOf(client),
      outcome,
      granted: (reply?.grants ?? []).map(grant => this.#granted(grant)),
      denied: (reply?.denials ?? []).map(({ service, code }) => ({ on: shortOf(service), is: code })),
      isSound: isSound(),
      began,
      ended: bytes === undefined ? Number.POSITIVE_INFINITY : ended,
    })
    return answer
  }

  #granted({ service, ticket, ticketId }: Grant): Granted {
    const id = toHex(ticketId)
    this.#keys.keep(id, ticket)
    return { service: shortOf(service), kvno: decodeTicket(ticket).kvno, ticketId: id, key: undefined }
  }

  async #exchange(message: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      this.#socket ??= TestSocket.open(this.host.url('driver'), { handshakeTimeout: PATIENCE })
      const socket = await this.#socket
      if (socket.isClosed) {
        this.#socket = undefined
        return undefined
      }
      return await Promise.race([
        socket.ask(++this.#id, message),
        socket.closed.then(() => undefined),
        sleep(PATIENCE, undefined, { ref: false }),
      ])
    } catch {
      this.#socket = undefined
      return undefined
    }
  }
}
