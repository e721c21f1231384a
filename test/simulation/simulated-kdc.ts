import { Administration } from '../../client/channel/administration.js'
import type { OpenSocket, Socket, SocketEvents } from '../../client/kdc-link/socket.js'
import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { createDispatch, type Dispatch } from '../../kdc/exchange/dispatch.js'
import { NO_RATE_LIMITS } from '../../kdc/limits/rate-limits.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { type OpenRealm, openRealm } from '../../kdc/realm/realm.js'
import { SILENT_REPORT } from '../../kdc/report/report.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import { createError } from '../../shared/encoding/error.js'
import { decodeFrame, encodeFrame, type Frame } from '../../shared/encoding/frame.js'
import { WIRE_CODES } from '../../shared/errors.js'
import { formatKeytab, type KeytabEntry } from '../../shared/keytab/keytab.js'
import { patternIn } from '../../shared/pattern.js'
import { parseRealm, principalIn } from '../../shared/principal.js'
import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import type { Random } from '../support/random.js'
import type { KdcFate, Network } from './network.js'
import type { MachineClock } from './timeline.js'

/** A real KDC over a store in memory, at the other end of frames that the network delivers or loses. */

const REALM = parseRealm('demo.example')
/** Short, so that tickets end and are replaced many times in a run. */
const LIVES = { maxTgtLife: 3 * HOUR, maxServiceLife: 20 * MINUTE } as const
const ADDRESS = '192.0.2.1'

export class SimulatedKdc {
  readonly clock: MachineClock
  readonly #network: Network
  readonly #random: Random
  readonly #vault: Vault
  readonly #sockets = new Set<SimulatedSocket>()
  #realm: OpenRealm | undefined
  #dispatch: Dispatch | undefined
  #reachable = false

  private constructor(network: Network, clock: MachineClock, random: Random) {
    this.clock = clock
    this.#network = network
    this.#random = random
    this.#vault = new Vault(createMemoryStore(), new MasterKey(random.bytes(SIZE.KEY)), random.bytes)
  }

  static async start(network: Network, clock: MachineClock, random: Random): Promise<SimulatedKdc> {
    const kdc = new SimulatedKdc(network, clock, random)
    await createRealm({ vault: kdc.#vault, realm: REALM, clock, random: random.bytes, ...LIVES })
    await kdc.start()
    return kdc
  }

  get isUp(): boolean {
    return this.#reachable
  }

  async start(): Promise<void> {
    if (this.#dispatch === undefined) await this.#open()
    this.#reachable = true
  }

  async #open(): Promise<void> {
    const random = this.#random.bytes
    this.#realm = await openRealm({ vault: this.#vault, clock: this.clock, random })
    this.#dispatch = createDispatch({
      realm: this.#realm,
      rates: NO_RATE_LIMITS,
      timers: this.clock,
      random,
      report: SILENT_REPORT,
    })
  }

  /** The process is gone, with every connection; what is stored stays. */
  stop(): void {
    this.#dispatch = undefined
    this.#realm?.close()
    this.cutOff()
  }

  /** It cannot be reached until `start`. */
  cutOff(): void {
    this.#reachable = false
    for (const socket of [...this.#sockets]) socket.break('the KDC is gone')
  }

  async add(name: string): Promise<KeytabEntry> {
    const principal = principalIn(REALM, name)
    const { kvno, key } = await this.#administration.add({ principal, password: null, ...NO_LIMITS })
    return { principal, kvno, key: key as LongTermKey }
  }

  /** Gives a principal another key by removing it and making it again. */
  async rekey(name: string): Promise<KeytabEntry> {
    await this.#administration.remove(principalIn(REALM, name))
    return this.add(name)
  }

  async allow(client: string, service: string): Promise<void> {
    await this.#administration.setRule({
      client: patternIn(REALM, client),
      service: patternIn(REALM, service),
      effect: 'allow',
      claims: [],
      maxLife: null,
      methods: null,
      paths: null,
      delegable: false,
    })
  }

  /** How a client reaches it. */
  readonly openSocket: OpenSocket = (_options, events) => {
    const socket = new SimulatedSocket(this.#network, events, {
      isUp: () => this.isUp,
      answer: async frame => encodeFrame({ ...frame, message: await this.#answer(frame.message) }),
      closed: () => this.#sockets.delete(socket),
    })
    this.#sockets.add(socket)
    return socket
  }

  async #answer(message: Uint8Array): Promise<Uint8Array> {
    return this.#dispatch === undefined ? new Uint8Array() : this.#dispatch(message, ADDRESS)
  }

  get #administration(): Administration {
    const realm = this.#realm as OpenRealm
    return new Administration({
      call: (method, args) => callMethod(ownContext(realm, SILENT_REPORT), method, args),
    })
  }
}

export function keytabOf(entries: readonly KeytabEntry[]): { text: string } {
  return { text: formatKeytab([...entries]) }
}

interface Peer {
  isUp(): boolean
  answer(frame: Frame): Promise<Uint8Array>
  closed(): void
}

/** One connection of a client to the KDC; each question on it has a fate of its own. */
class SimulatedSocket implements Socket {
  readonly #network: Network
  readonly #events: SocketEvents
  readonly #peer: Peer
  #open = true

  constructor(network: Network, events: SocketEvents, peer: Peer) {
    this.#network = network
    this.#events = events
    this.#peer = peer
    this.#later(network.shortDelay(), () => {
      if (!this.#open) return
      if (peer.isUp()) events.opened()
      else this.break('nobody is there')
    })
  }

  send(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes.slice())
    if (frame === undefined) throw new Error('a frame without an id')
    const soon = this.#network.shortDelay()
    const fates: Readonly<Record<KdcFate, () => void>> = {
      pass: () => this.#ask(frame, soon),
      lost: () => {},
      broken: () => this.#later(soon, () => this.break('reset by the network')),
      late: () => this.#ask(frame, this.#network.random.between(SECOND, 20 * SECOND)),
      twice: () => {
        this.#ask(frame, soon)
        this.#ask(frame, soon + this.#network.shortDelay())
      },
      altered: () => this.#ask({ ...frame, message: this.#network.flip(frame.message) }, soon),
      'answer altered': () => this.#ask(frame, soon, answer => this.#network.flip(answer)),
      forged: () =>
        this.#later(soon, () => this.#receive(encodeFrame({ ...frame, message: this.#forged() }))),
    }
    fates[this.#network.kdcFate()]()
  }

  ping(): void {
    this.#later(this.#network.shortDelay(), () => {
      if (this.#open && this.#peer.isUp()) this.#events.ponged()
    })
  }

  close(): void {
    this.#later(1, () => this.break('closed'))
  }

  /** From either end. */
  break(reason: string): void {
    if (!this.#open) return
    this.#open = false
    this.#peer.closed()
    this.#events.closed(reason)
  }

  #ask(frame: Frame, delay: number, change = (answer: Uint8Array) => answer): void {
    this.#later(delay, () => {
      if (!this.#peer.isUp()) {
        this.break('the KDC is gone')
        return
      }
      void this.#peer.answer(frame).then(answer => {
        this.#later(this.#network.shortDelay(), () => this.#receive(change(answer)))
      })
    })
  }

  #receive(frame: Uint8Array): void {
    if (this.#open) this.#events.received(frame)
  }

  #later(delay: number, run: () => void): void {
    this.#network.timeline.in(delay, run)
  }

  #forged(): Uint8Array {
    const { random } = this.#network
    const time = random.between(0, 2 ** 52)
    return createError({ code: random.pick(WIRE_CODES), time, floor: null, message: 'forged' })
  }
}
