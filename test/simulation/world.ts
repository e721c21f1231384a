import { connectOver } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import type { RealmFetchInit } from '../../client/realm-options.js'
import type { KeyKeeper } from '../../client/rotation/key-keeper.js'
import { OrthrusError } from '../../shared/errors.js'
import { silentLogger } from '../../shared/logger.js'
import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import { Random } from '../support/random.js'
import { MAX_STALENESS } from './following.js'
import { happen } from './happenings.js'
import { Holder, keepKey } from './holder.js'
import type { Host } from './joining.js'
import { requireKeys } from './key-happenings.js'
import { type Asked, CONTENT_TYPE, type Kind, Ledger } from './ledger.js'
import { Network } from './network.js'
import { SimulatedKdc } from './simulated-kdc.js'
import { SimulatedService } from './simulated-service.js'
import { MachineClock, Timeline } from './timeline.js'

/**
 * One run of the simulation: clients, services and a KDC, all real, on simulated clocks and over a simulated network.
 */

const CLIENTS = ['web', 'shop', 'batch'] as const
const SERVICES = ['orders', 'stock'] as const

const METHODS = { GET: 8, HEAD: 1, POST: 9, PUT: 1, DELETE: 1 } as const
const KINDS: Readonly<Record<Kind, number>> = {
  ok: 12,
  slow: 3,
  created: 1,
  empty: 1,
  missing: 1,
  broken: 1,
  throws: 1,
  moved: 1,
}

export interface Client {
  readonly name: string
  readonly clock: MachineClock
  readonly random: Random
  readonly holder: Holder
  realm: Realm
  /** What changes its key; nothing in a world where keys stay. */
  keeper: KeyKeeper | undefined
}

/** What a world has besides clients and services. */
export interface Settings {
  /** Whether services follow what the KDC revokes, and everybody changes keys. */
  readonly keysChange: boolean
}

export const KEYS_STAY: Settings = { keysChange: false }
export const KEYS_CHANGE: Settings = { keysChange: true }

export class World {
  readonly timeline: Timeline
  readonly ledger: Ledger
  readonly network: Network
  readonly kdc: SimulatedKdc
  readonly services: SimulatedService[] = []
  readonly clients: Client[] = []
  readonly settings: Settings
  /** Two hosts for each code. */
  readonly invited: (readonly Host[])[] = []
  readonly #random: Random
  /** Calls that have not ended. */
  #pending = 0

  private constructor(network: Network, kdc: SimulatedKdc, random: Random, settings: Settings) {
    this.settings = settings
    this.timeline = network.timeline
    this.network = network
    this.ledger = network.ledger
    this.kdc = kdc
    this.#random = random
  }

  static async create(seed: number, settings = KEYS_STAY): Promise<World> {
    const timeline = new Timeline()
    const services: SimulatedService[] = []
    const network = new Network(timeline, new Random(seed, 'network'), new Ledger(timeline), services)
    const clock = (): MachineClock => new MachineClock(timeline, random.between(1, 10 * HOUR))
    const random = new Random(seed, 'world')
    const kdc = await SimulatedKdc.start(network, clock(), new Random(seed, 'KDC'))
    const world = new World(network, kdc, random, settings)
    for (const name of SERVICES) {
      const holder = new Holder(name, await kdc.add(name))
      const own = { name, holder, clock: clock(), random: new Random(seed, name), ledger: network.ledger }
      const connect = (keytab: string): Promise<Realm> => world.connect(own, keytab)
      const service = new SimulatedService({
        ...own,
        connect: settings.keysChange ? connect : undefined,
        onHandled: ticketId => world.#handled(name, ticketId),
      })
      await service.start()
      services.push(service)
    }
    world.services.push(...services)
    for (const name of CLIENTS) await world.#add(name, clock(), new Random(seed, name))
    return world
  }

  async #add(name: string, clock: MachineClock, random: Random): Promise<void> {
    const holder = new Holder(name, await this.kdc.add(name))
    for (const service of SERVICES) await this.kdc.allow(name, service)
    const connecting = this.connect({ name, clock, random }, holder.text)
    await this.timeline.pass(SECOND)
    const realm = await connecting
    const client: Client = { name, clock, random, holder, realm, keeper: undefined }
    this.#keep(client)
    this.clients.push(client)
  }

  #keep(client: Client): void {
    const { realm, holder, clock, random } = client
    if (this.settings.keysChange)
      client.keeper = keepKey(realm, holder, clock, random, line => this.ledger.note(line))
  }

  /** The client's process ends, and another begins, which has nothing but the keytab. */
  async restart(client: Client): Promise<void> {
    client.realm.close()
    const connecting = this.connect(client, client.holder.text)
    await this.timeline.pass(SECOND)
    this.#replace(client, await connecting)
  }

  /** The same while other things happen. A process that reaches no KDC does not begin, and the one before goes on. */
  async restartMeanwhile(client: Client): Promise<void> {
    try {
      this.#replace(client, await this.connect(client, client.holder.text))
    } catch (cause) {
      if (!(cause instanceof OrthrusError)) throw cause
    }
  }

  #replace(client: Client, realm: Realm): void {
    client.realm.close()
    client.realm = realm
    this.#keep(client)
  }

  connect(
    { name, clock, random }: Pick<Client, 'name' | 'clock' | 'random'>,
    keytab: string,
  ): Promise<Realm> {
    return connectOver(this.kdc.openSocket, {
      kdc: 'ws://kdc.test',
      keytab: { text: keytab },
      services: Object.fromEntries(this.services.map(service => [service.origin, service.name])),
      clock,
      timers: clock,
      random: random.bytes,
      fetch: this.network.fetch,
      logger: { ...silentLogger, debug: (fields, message) => this.#heard(name, fields, message) },
    })
  }

  /** A handler begins. */
  #handled(service: string, ticketId: string): void {
    const revokedAt = this.settings.keysChange ? this.kdc.revokedAt(ticketId) : undefined
    if (revokedAt === undefined) return
    this.ledger.count('a revoked ticket is accepted, of which its service cannot know')
    const late = this.timeline.now - revokedAt
    if (late > MAX_STALENESS)
      this.ledger.violate(`revoked: ${service} accepts a ticket ${late} ms after its end`)
  }

  get clocks(): MachineClock[] {
    return [this.kdc, ...this.services, ...this.clients].map(({ clock }) => clock)
  }

  nameOf(clock: MachineClock): string {
    if (clock === this.kdc.clock) return 'the clock of the KDC'
    const owner = [...this.services, ...this.clients].find(one => one.clock === clock)
    return `the clock of ${owner?.name}`
  }

  /** Makes this many requests, with everything that may happen around them. Resolves when each call has ended. */
  async run(requests: number): Promise<void> {
    let left = requests
    let happening = true
    let quietUntil = 0
    const ask = (): void => {
      if (left-- <= 0) return
      void this.call(this.#draw())
      const gap = this.#random.magnitude(1, 20 * SECOND)
      this.timeline.in(Math.max(gap, quietUntil - this.timeline.now), ask)
    }
    const turn = (): void => {
      if (!happening) return
      void happen(this, this.#random).then(async quiet => {
        await requireKeys(this)
        quietUntil = Math.max(quietUntil, this.timeline.now + quiet)
        this.timeline.in(
          quiet + this.#random.magnitude(100, this.settings.keysChange ? MINUTE / 2 : 2 * MINUTE),
          turn,
        )
      })
    }
    ask()
    turn()
    await this.timeline.until(() => left <= 0)
    happening = false
    await this.requireEnded()
  }

  /** Each call ends, if only because the network breaks every connection in the end. */
  async requireEnded(): Promise<void> {
    let patience = true
    const forget = this.timeline.in(HOUR, () => {
      patience = false
    })
    await this.timeline.until(() => this.#pending === 0 || !patience)
    forget()
    for (const asked of this.ledger.all) {
      if (asked.told === undefined) this.ledger.violate(`never ends: #${asked.id}`)
    }
  }

  /** Starts it once its clock allows it; until then it is away. */
  startWhenAllowed(service: SimulatedService): void {
    if (service.mayStart) {
      this.ledger.note(`${service.name} starts`)
      void service.start()
    } else {
      this.timeline.in(10 * SECOND, () => this.startWhenAllowed(service))
    }
  }

  /** Asks without others, and lets time pass until the call has ended. */
  async ask(about: Parameters<World['call']>[0]): Promise<Asked> {
    let asked: Asked | undefined
    void this.call(about).then(one => {
      asked = one
    })
    await this.timeline.until(() => asked !== undefined)
    if (asked === undefined) throw new Error('the call never ended')
    return asked
  }

  /** Asks, and compares what the caller learns with what the handlers did. */
  async call(about: Parameters<Ledger['ask']>[0] & { readonly repeatable: boolean }): Promise<Asked> {
    const { repeatable, ...rest } = about
    const asked = this.ledger.ask(rest)
    const client = this.clients.find(({ name }) => name === asked.client) as Client
    const own = new Error('the caller gave up')
    const patience = this.network.honest || this.#random.chance(0.6) ? undefined : new AbortController()
    const timer =
      patience && client.clock.setTimeout(() => patience.abort(own), this.#random.magnitude(100, 2 * MINUTE))
    this.#pending++
    try {
      const init = await this.#init(asked, client, repeatable)
      const signal = patience === undefined ? {} : { signal: patience.signal }
      const url = `http://${asked.service}.test${asked.target}`
      await this.ledger.succeeded(asked, await client.realm.fetch(url, { ...init, ...signal }))
    } catch (cause) {
      this.ledger.failed(asked, cause, own)
    } finally {
      this.#pending--
      client.clock.clearTimeout(timer)
    }
    return asked
  }

  async #init(asked: Asked, { realm }: Client, repeatable: boolean): Promise<RealmFetchInit> {
    const { method, body, service } = asked
    const sent = body === '' ? {} : { body, headers: { 'content-type': CONTENT_TYPE } }
    const init = { method, ...sent, ...(repeatable ? { repeatable } : {}) }
    if (this.network.honest || !this.#random.chance(0.05)) return init
    this.ledger.count('with a ticket that was cut down')
    const ticket = await realm.getServiceTicket(service)
    return { ...init, ticket: ticket.attenuate({ expires: '10m' }) }
  }

  #draw(): Parameters<World['call']>[0] {
    const random = this.#random
    const method = random.weighted(METHODS)
    const repeatable = method !== 'GET' && method !== 'HEAD' && random.chance(0.15)
    const body = method === 'POST' || method === 'PUT' ? 'x'.repeat(random.magnitude(1, 2_000)) : ''
    return {
      client: random.pick(CLIENTS),
      service: random.pick(SERVICES),
      method,
      repeatable,
      body,
      safe: repeatable || method === 'GET' || method === 'HEAD',
      kind: random.weighted(KINDS),
    }
  }

  /** The client decides what to do about an error of a service. */
  #heard(name: string, fields: object, message: string): void {
    if (message !== 'sending a request again') return
    const { code, as, wait } = fields as { code: string; as: string; wait: number }
    this.ledger.note(`${name} sends again after ${code}: ${as}, in ${wait} ms`)
  }
}
