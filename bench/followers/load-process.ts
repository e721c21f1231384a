import { WebSocket } from 'ws'
import { decodeFromKdc, encodeCall } from '../../shared/channel/calls.js'
import { channelBinding, type RecordChannel, startChannel } from '../../shared/channel/records.js'
import { SIZE, SUBPROTOCOL, TYPE } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { decodeFrame, encodeFrame } from '../../shared/encoding/frame.js'
import { createApRequest, openApAccept } from '../../shared/exchange/ap.js'
import { createAsRequest, openAsReply } from '../../shared/exchange/as.js'
import { parseKeytab } from '../../shared/keytab/keytab.js'
import { kdcService, type Principal, realmOf } from '../../shared/principal.js'
import { decodeTicket } from '../../shared/ticket/ticket.js'
import { clientName, type StartedKdc } from '../exchanges/realm.js'
import { machineTime } from '../machine-time.js'
import { serve } from '../processes.js'

/** The process of all followers: each has a connection, a ticket and a channel of its own, and does little else. */

/** Logins that are under way at the same time. */
const LOGINS = 32
const [LOGIN_ID, CHANNEL_ID] = [1, 2]

class Follower {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (message: Uint8Array) => void>()
  #records: RecordChannel | undefined
  #n = 0
  /** The number of the call that `call` waits for. */
  #asked = 0
  #answered: () => void = () => {}

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', data => this.#receive(data as Buffer))
    socket.on('error', cause => fail(cause))
    socket.on('close', () => fail(new Error('the KDC closed a connection')))
  }

  static async follow(url: string, client: Principal, key: LongTermKey): Promise<Follower> {
    const socket = new WebSocket(url, SUBPROTOCOL, { perMessageDeflate: false })
    const follower = new Follower(socket)
    await new Promise(resolve => socket.once('open', resolve))
    await follower.#open(client, key)
    await follower.call('follow', [null, null, null])
    return follower
  }

  /** Resolves when it is answered. */
  call(method: string, args: readonly Value[]): Promise<void> {
    return new Promise(resolve => {
      this.#answered = resolve
      this.#asked = this.#n + 1
      this.#say(method, args)
    })
  }

  async #open(client: Principal, key: LongTermKey): Promise<void> {
    const nonce = () => systemRandom(SIZE.NONCE)
    const services = [kdcService(realmOf(client))]
    const stamped = { time: Date.now(), nonce: nonce(), services, lifetime: 0, renewable: false }
    const login = createAsRequest(key, { client, kvno: 1, ...stamped })
    const { grants } = openAsReply(key, login, await this.#ask(LOGIN_ID, login.bytes))
    const grant = grants[1]
    if (grant === undefined) throw new Error('the KDC gave no ticket')
    const under = deriveAuthKey(grant.key, [])
    const opening = createApRequest(TYPE.AP_OPEN, under, {
      ticket: decodeTicket(grant.ticket),
      caveats: [],
      time: Date.now(),
      nonce: nonce(),
      binding: channelBinding(''),
      delegated: null,
    })
    const accept = await this.#ask(CHANNEL_ID, opening.bytes)
    openApAccept(under, opening.mac, accept)
    this.#records = startChannel('client', under, opening.bytes, accept, 1 << 16)
  }

  #ask(id: number, message: Uint8Array): Promise<Uint8Array> {
    return new Promise(resolve => {
      this.#waiting.set(id, resolve)
      this.#socket.send(encodeFrame({ id, message }))
    })
  }

  #say(method: string, args: readonly Value[]): void {
    const message = encodeCall({ n: ++this.#n, method, args })
    for (const record of this.#records?.sealMessage(message) ?? []) {
      this.#socket.send(encodeFrame({ id: CHANNEL_ID, message: record }))
    }
  }

  #receive(data: Buffer): void {
    const frame = decodeFrame(data)
    if (frame === undefined) return
    const waiting = this.#waiting.get(frame.id)
    this.#waiting.delete(frame.id)
    if (waiting === undefined) this.#hear(frame.message)
    else waiting(frame.message)
  }

  #hear(record: Uint8Array): void {
    const event = this.#records?.open(record)
    const said = event?.kind === 'message' ? decodeFromKdc(event.message) : undefined
    if (said === undefined || 'code' in said) {
      fail(new Error(`the KDC refused a call, or ended a channel: ${said?.code}`))
    } else if ('name' in said) {
      const seq = said.fields[0] as number
      heard(seq)
      this.#say('seen', [seq])
    } else if (said.n === this.#asked) this.#answered()
  }
}

const followers: Follower[] = []
/** How many followers have each entry, and when the last one got it. */
const arrived = new Map<number, { count: number; lastAt: number }>()
let failure: Error | undefined
let isReady = false

function fail(cause: Error): void {
  failure ??= cause
  if (isReady) console.error(cause.message)
}

function heard(seq: number): void {
  const entry = arrived.get(seq) ?? { count: 0, lastAt: 0 }
  arrived.set(seq, entry)
  entry.count += 1
  entry.lastAt = machineTime()
}

async function connect({ url, keytab, count }: StartedKdc & { count: number }): Promise<void> {
  const keys = new Map(parseKeytab(keytab).map(({ principal, key }) => [principal, key]))
  let next = 0
  const connectSome = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      const client = clientName(i)
      const key = keys.get(client)
      if (key === undefined) throw new Error(`the bench has no key of ${client}`)
      followers.push(await Follower.follow(url, client, key))
      if (failure !== undefined) throw failure
    }
  }
  await Promise.all(Array.from({ length: LOGINS }, connectSome))
  isReady = true
}

/** When the last follower got the entry, milliseconds. @throws Error if one of them did not */
function lastOf(seq: number): number {
  if (failure !== undefined) throw failure
  const { count, lastAt } = arrived.get(seq) ?? { count: 0, lastAt: 0 }
  if (count !== followers.length)
    throw new Error(`${count} of ${followers.length} followers got entry ${seq}`)
  return lastAt
}

/** Every follower asks once whether it has all entries. */
async function askAll(): Promise<void> {
  await Promise.all(followers.map(follower => follower.call('alive', [])))
  if (failure !== undefined) throw failure
}

serve({ connect, lastOf, askAll })
