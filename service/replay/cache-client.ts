import { connect, type Socket } from 'node:net'
import type { Admission, AdmissionRefusal, AdmissionRequest } from '../../shared/accept/replay.js'
import { SIZE } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { decode, encode } from '../../shared/encoding/encoding.js'
import { fields, kvnoOf, listOf, nonceOf, numberOf, oneOf } from '../../shared/encoding/fields.js'
import { malformed } from '../../shared/errors.js'
import { SECOND } from '../../shared/time.js'
import { type Cancel, inBackground, runAfter, type Timers } from '../../shared/timers.js'
import type { ServiceKeys } from '../keys.js'
import { socketPath } from '../lock/named-socket.js'
import { CacheSeal, readFrames, writeFrame } from './cache-link.js'

/** How long the process that has the cache may take to answer, milliseconds. */
const PATIENCE = SECOND
/** How much may wait for a process that does not read, bytes. */
const UNSENT_MAX = 1 << 20
/** How many keys of a service are looked at. */
const KEYS_MAX = 64

const REFUSALS = [
  '',
  'ticket_expired',
  'unavailable',
  'clock_skew',
  'replay',
  'rate_limited',
] as const satisfies readonly (AdmissionRefusal | '')[]

interface Waiting {
  readonly resolve: (admission: Admission) => void
  readonly reject: (cause: unknown) => void
  readonly cancel: Cancel
}

/** Asks the process that has the cache. */
export class CacheClient {
  readonly #socket: Socket
  readonly #timers: Timers
  readonly #waiting = new Map<number, Waiting>()
  /** Resolves when no more can be asked. */
  readonly over: Promise<void>
  #seal: CacheSeal | undefined
  #asked = 0
  #floor = 0

  private constructor(socket: Socket, timers: Timers) {
    this.#socket = socket
    this.#timers = inBackground(timers)
    this.over = new Promise(resolve => socket.on('close', () => resolve()))
    socket.on('error', () => {})
    socket.on('close', () => this.#failAll())
  }

  /** @throws OrthrusError if whoever holds the name does not have the cache of this service, or says nothing */
  static async open(name: string, keys: ServiceKeys, timers: Timers): Promise<CacheClient> {
    const socket = connect(socketPath(name))
    const client = new CacheClient(socket, timers)
    const cancel = runAfter(client.#timers, PATIENCE, () => socket.destroy())
    try {
      await client.#greet(keys)
      // Until it answers with the right MAC, it may be anybody. What ended long ago is admitted nowhere, and not kept.
      const { floor } = await client.admit(NOTHING)
      client.#floor = floor
      // Until now it kept the process alive, which has perhaps nothing else to do than to wait for this.
      socket.unref()
      return client
    } catch (cause) {
      socket.destroy()
      throw cause
    } finally {
      cancel()
    }
  }

  /** Of the last answer, milliseconds. */
  get floor(): number {
    return this.#floor
  }

  /** Rejects if there is no answer: the request may have been recorded, and is not accepted. */
  admit({ id, time, presenter, endTime }: AdmissionRequest): Promise<Admission> {
    const seal = this.#seal
    if (seal === undefined || this.#socket.destroyed) return Promise.reject(malformed('there is no cache'))
    if (this.#socket.writableLength > UNSENT_MAX) return Promise.reject(malformed('the cache does not read'))
    const number = ++this.#asked
    return new Promise((resolve, reject) => {
      const cancel = runAfter(this.#timers, PATIENCE, () => {
        this.#waiting.delete(number)
        reject(malformed('no answer came in time'))
      })
      this.#waiting.set(number, { resolve, reject, cancel })
      seal.write(this.#socket, 'to-cache', [number, id, time, presenter, endTime])
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #greet(keys: ServiceKeys): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.on('close', () => reject(malformed('there is no cache')))
      readFrames(this.#socket, frame => {
        if (this.#seal !== undefined) return this.#take(this.#seal.open('from-cache', frame))
        const [nonce, kvnos] = fields(decode(frame), 2)
        const known = listOf(kvnos, KEYS_MAX).map(kvnoOf)
        const kvno = keys.kvnos.find(kvno => known.includes(kvno))
        const key = kvno === undefined ? undefined : keys.get(kvno)
        if (kvno === undefined || key === undefined) throw malformed('it has other keys')
        const own = systemRandom(SIZE.NONCE)
        this.#seal = new CacheSeal(key, nonceOf(nonce), own)
        writeFrame(this.#socket, encode([own, kvno]))
        resolve()
      })
    })
  }

  #take(list: Parameters<typeof fields>[0]): void {
    const [number, now, floor, said] = fields(list, 4)
    const waiting = this.#waiting.get(numberOf(number))
    // One that came too late is of no use: the request was refused.
    if (waiting === undefined) return
    this.#waiting.delete(numberOf(number))
    waiting.cancel()
    this.#floor = numberOf(floor)
    const refusal = oneOf(said, REFUSALS)
    const read = { now: numberOf(now), floor: this.#floor }
    waiting.resolve(refusal === '' ? read : { ...read, refusal })
  }

  #failAll(): void {
    for (const { reject, cancel } of this.#waiting.values()) {
      cancel()
      reject(malformed('the cache is gone'))
    }
    this.#waiting.clear()
  }
}

const NOTHING: AdmissionRequest = {
  id: new Uint8Array(SIZE.REPLAY_ID),
  time: 0,
  presenter: 'nobody@nowhere' as AdmissionRequest['presenter'],
  endTime: 0,
}
