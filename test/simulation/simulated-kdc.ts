import { equalBytes } from '#primitives'
import { Administration } from '../../client/channel/administration.js'
import type { OpenSocket, Socket, SocketEvents } from '../../client/kdc-link/socket.js'
import { ownContext } from '../../kdc/admin/context.js'
import { callMethod } from '../../kdc/admin/methods.js'
import { ChannelOpener } from '../../kdc/channel/channel-opener.js'
import { createDispatch, type Dispatch } from '../../kdc/exchange/dispatch.js'
import { NO_RATE_LIMITS } from '../../kdc/limits/rate-limits.js'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { type OpenRealm, openRealm } from '../../kdc/realm/realm.js'
import { readStoredPrincipal } from '../../kdc/realm/stored-principal.js'
import { createReport, type Report, SILENT_REPORT } from '../../kdc/report/report.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { toHex } from '../../shared/bytes.js'
import type { AcceptedChannel } from '../../shared/channel/accepted-channel.js'
import { SIZE, TYPE, VERSION } from '../../shared/constants.js'
import { type LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import { createError } from '../../shared/encoding/error.js'
import { decodeFrame, encodeFrame, type Frame } from '../../shared/encoding/frame.js'
import { WIRE_CODES } from '../../shared/errors.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
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
  readonly #report: Report
  /** By ids of tickets: whose they are, and when the KDC said that they are revoked, by the timeline. */
  readonly #granted = new Map<string, { readonly client: string; revokedAt: number | undefined }>()
  #realm: OpenRealm | undefined
  #dispatch: Dispatch | undefined
  #opener: ChannelOpener | undefined
  #reachable = false

  private constructor(network: Network, clock: MachineClock, random: Random) {
    this.clock = clock
    this.#network = network
    this.#random = random
    this.#report = createReport([
      event => {
        if (event.kind !== 'ticket_granted') return
        this.#granted.set(toHex(event.ticketId), { client: event.client, revokedAt: undefined })
      },
    ])
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
    const context = { rates: NO_RATE_LIMITS, timers: this.clock, random, report: this.#report }
    this.#dispatch = createDispatch({ ...context, realm: this.#realm })
    this.#opener = new ChannelOpener({ ...context, realm: this.#realm })
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

  /** Everything that the client has is dead from the answer on. */
  async revoke(name: string): Promise<void> {
    const principal = principalIn(REALM, name)
    await this.#administration.revocations.client(principal)
    for (const ticket of this.#granted.values()) {
      if (ticket.client === principal) ticket.revokedAt ??= this.#network.timeline.now
    }
  }

  /** When the KDC answered that it had revoked this ticket; nothing if it has not. @param ticketId hex */
  revokedAt(ticketId: string): number | undefined {
    return this.#granted.get(ticketId)?.revokedAt
  }

  /** Asks for another key; the KDC's own it has at once. */
  async rotate(name: string): Promise<void> {
    await this.#administration.keys.rotate(principalIn(REALM, name))
  }

  /** Whether the KDC would let whoever has this key log in. */
  async knows({ principal, kvno, key }: KeytabEntry): Promise<boolean> {
    const stored = await readStoredPrincipal(this.#vault, principal)
    return (
      stored?.record.keys.some(one => one.kvno === kvno && equalBytes(revealKey(one.key), revealKey(key))) ===
      true
    )
  }

  /** The kvno of the key that the KDC takes for current; 0 if there is none. */
  async current(name: string): Promise<number> {
    const stored = await readStoredPrincipal(this.#vault, principalIn(REALM, name))
    return stored?.record.keys.find(({ state }) => state === 'current')?.kvno ?? 0
  }

  /** Invites a host to become this principal. @returns the key of the invitation */
  async invite(name: string, lasting: number): Promise<KeytabEntry> {
    const made = await this.#administration.invitations.make({
      target: patternIn(REALM, name),
      uses: 1,
      endsAt: this.clock.now() + lasting,
      principalsLife: null,
    })
    return made.invitation
  }

  async allow(client: string, service: string): Promise<void> {
    await this.#administration.setRule({
      client: patternIn(REALM, client),
      service: patternIn(REALM, service),
      effect: 'allow',
      ...NO_TERMS,
    })
  }

  /** How a client reaches it. */
  readonly openSocket: OpenSocket = (_options, events) => {
    const channels = new Map<number, AcceptedChannel>()
    const socket = new SimulatedSocket(this.#network, events, {
      isUp: () => this.isUp,
      answer: frame => this.#take(frame, channels, said => socket.say(said)),
      closed: () => {
        this.#sockets.delete(socket)
        for (const channel of [...channels.values()]) channel.close()
      },
    })
    this.#sockets.add(socket)
    return socket
  }

  /** @param say sends a frame of a channel */
  async #take(
    { id, message }: Frame,
    channels: Map<number, AcceptedChannel>,
    say: (frame: Uint8Array) => void,
  ): Promise<Uint8Array | undefined> {
    const answer = (bytes: Uint8Array): Uint8Array => encodeFrame({ id, message: bytes })
    const type = typeOf({ message })
    if (type === TYPE.RECORD) {
      void channels.get(id)?.receive(message)
      return undefined
    }
    if (this.#dispatch === undefined || this.#opener === undefined) return answer(new Uint8Array())
    if (type !== TYPE.AP_OPEN) return answer(await this.#dispatch(message, ADDRESS))
    const now = this.#realm?.time.now() ?? 0
    const { reply, channel } = await this.#opener.open(
      { bytes: message, address: ADDRESS, now },
      { send: async record => say(answer(record)), ended: () => void channels.delete(id) },
    )
    if (channel?.isOver === false) channels.set(id, channel)
    return answer(reply)
  }

  get #administration(): Administration {
    const realm = this.#realm as OpenRealm
    return new Administration({
      call: (method, args) => callMethod(ownContext(realm, SILENT_REPORT), method, args),
    })
  }
}

function typeOf({ message }: Pick<Frame, 'message'>): number | undefined {
  return message[0] === VERSION ? message[1] : undefined
}

interface Peer {
  isUp(): boolean
  /** @returns a frame, if there is an answer to this one */
  answer(frame: Frame): Promise<Uint8Array | undefined>
  closed(): void
}

/** One connection of a client to the KDC; each question on it has a fate of its own. */
class SimulatedSocket implements Socket {
  readonly #network: Network
  readonly #events: SocketEvents
  readonly #peer: Peer
  #open = true
  /** When the last of what was said in a channel comes, by the timeline: by its client, and by the KDC. */
  #askAt = 0
  #sayAt = 0

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
    fates[typeOf(frame) === TYPE.RECORD ? this.#network.channelFate() : this.#network.kdcFate()]()
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
    const { timeline } = this.#network
    // What is said in a channel comes in order, as over TCP.
    const inOrder = typeOf(frame) === TYPE.RECORD
    const at = Math.max(timeline.now + delay, inOrder ? this.#askAt : 0)
    if (inOrder) this.#askAt = at
    this.#later(at - timeline.now, () => {
      if (!this.#peer.isUp()) {
        this.break('the KDC is gone')
        return
      }
      void this.#peer.answer(frame).then(answer => {
        if (answer !== undefined) this.#later(this.#network.shortDelay(), () => this.#receive(change(answer)))
      })
    })
  }

  /** What the KDC says in a channel comes in order, or the connection breaks. */
  say(frame: Uint8Array): void {
    const network = this.#network
    const fate = network.channelFate()
    if (fate === 'lost') return
    if (fate === 'broken') this.#later(network.shortDelay(), () => this.break('reset by the network'))
    const late = fate === 'late' ? network.random.between(SECOND, 20 * SECOND) : network.shortDelay()
    this.#sayAt = Math.max(this.#sayAt, network.timeline.now + late)
    const said = fate === 'altered' || fate === 'answer altered' ? network.flip(frame) : frame
    this.#later(this.#sayAt - network.timeline.now, () => {
      this.#receive(said)
      if (fate === 'twice') this.#receive(said)
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
