import type { AcceptedChannel } from '../../shared/channel/accepted-channel.js'
import { decodeFromKdc, encodeCall, type KdcAnswer } from '../../shared/channel/calls.js'
import { channelBinding, type RecordChannel, startChannel } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import { combineAuthKeys } from '../../shared/crypto/derive.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { messageType } from '../../shared/encoding/message.js'
import { createApRequest, openApAccept } from '../../shared/exchange/ap.js'
import type { Principal } from '../../shared/principal.js'
import type { Shown } from './attacker.js'
import type { Judge } from './judge.js'
import type { ModelKdc } from './kdc.js'

/** A channel to the service that the KDC hosts, as anybody with the keys can open one, and with nothing checked. */

/** What is presented at the opening. */
export interface Opening extends Shown {
  /** The honest client that opens it; nothing if that is the attacker. */
  readonly by: string | undefined
  readonly time: number
  readonly nonce: Uint8Array
  readonly delegated?: Shown & { readonly client: string }
}

/** What went over the network, all of it seen by the attacker. */
export interface SeenTalk {
  readonly opening: Uint8Array
  readonly records: Uint8Array[]
}

const MESSAGE_MAX = 1024 * 1024

export class KdcTalk {
  readonly seen: SeenTalk
  /** The legs that it was opened with, as the judge knows them. */
  readonly id: string
  readonly #channel: AcceptedChannel
  readonly #records: RecordChannel
  readonly #judge: Judge
  readonly #now: () => number
  readonly #arrived: Uint8Array[]
  #calls = 0

  private constructor(
    seen: SeenTalk,
    id: string,
    channel: AcceptedChannel,
    records: RecordChannel,
    arrived: Uint8Array[],
    { judge, kdc }: Parties,
  ) {
    this.seen = seen
    this.id = id
    this.#channel = channel
    this.#records = records
    this.#arrived = arrived
    this.#judge = judge
    this.#now = () => kdc.clock.now()
  }

  /** @returns the channel, or nothing if the KDC refuses it */
  static async open(parties: Parties, opening: Opening): Promise<KdcTalk | undefined> {
    const { judge, kdc } = parties
    const { ticket, caveats, time, nonce, delegated, by } = opening
    const key = delegated === undefined ? opening.key : combineAuthKeys(opening.key, delegated.key)
    const request = createApRequest(TYPE.AP_OPEN, key, {
      ticket,
      caveats,
      time: Math.max(0, time),
      nonce,
      binding: channelBinding(''),
      delegated: delegated === undefined ? null : { ...delegated, client: delegated.client as Principal },
    })
    const arrived: Uint8Array[] = []
    const now = kdc.clock.now()
    const { reply, channel } = await kdc.open(request.bytes, carrierTo(arrived))
    if (channel === undefined) {
      judge.openingRefused(request.bytes, reply, now)
      return undefined
    }
    openApAccept(key, request.mac, reply)
    const id = judge.channelOpened(request.bytes, by, now)
    const records = startChannel('client', key, request.bytes, reply, MESSAGE_MAX)
    const seen: SeenTalk = { opening: request.bytes, records: [] }
    const talk = new KdcTalk(seen, id, channel, records, arrived, parties)
    await talk.#send(records.sealGreeting())
    return talk
  }

  get isOver(): boolean {
    return this.#channel.isOver
  }

  /** @returns the answer, or nothing if the channel is over */
  async call(method: string, args: readonly Value[]): Promise<KdcAnswer | undefined> {
    if (this.isOver) return undefined
    const n = ++this.#calls
    const now = this.#now()
    for (const record of this.#records.sealMessage(encodeCall({ n, method, args }))) await this.#send(record)
    for (const bytes of this.#arrived.splice(0)) {
      if (messageType(bytes) !== TYPE.RECORD) return undefined
      const event = this.#records.open(bytes)
      if (event?.kind !== 'message') continue
      const answer = decodeFromKdc(event.message)
      if ('name' in answer || answer.n !== n) continue
      this.#judge.called(this.id, method, args, answer, now)
      return answer
    }
    return undefined
  }

  async #send(record: Uint8Array): Promise<void> {
    this.seen.records.push(record)
    await this.#channel.receive(record)
  }
}

interface Parties {
  readonly judge: Judge
  readonly kdc: ModelKdc
}

/** @param arrived takes what the KDC sends */
export function carrierTo(arrived: Uint8Array[]) {
  return {
    send: async (message: Uint8Array) => {
      arrived.push(message)
    },
    ended: () => {},
  }
}
