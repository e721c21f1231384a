import type { OwnKeys } from '../../client/login/identity.js'
import { fractionFrom } from '../../shared/crypto/fraction.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { createTestClock, type TestClock } from '../../testing/index.js'
import { Random } from '../support/random.js'
import type { Shown } from './attacker.js'
import {
  BILLING,
  BILLING_CLAIMS,
  BILLING_DELEGATES,
  CLIENTS,
  FOLLOWER,
  MALLORY,
  MAX_STALENESS,
  SERVICES,
} from './cast.js'
import type { ClientBeliefs, Op } from './client-beliefs.js'
import { Clocks } from './clocks.js'
import { FeedFacts } from './feed-facts.js'
import { FeedLine } from './feed-line.js'
import { FeedNetwork } from './feed-network.js'
import { HonestClient, type Wish } from './honest-client.js'
import { Judge, type Known } from './judge.js'
import { ModelKdc, type PreparedRealm } from './kdc.js'
import { KdcTalk, type Opening, type SeenTalk } from './kdc-talk.js'
import type { Issued, Reference } from './reference.js'
import { Secrets } from './secrets.js'
import { type SeenLetter, SeenMessages, type SeenQuestion } from './seen.js'
import {
  type Following,
  type HttpAnswer,
  type Letter,
  type Outcome,
  type Pause,
  ServiceHost,
} from './service-host.js'
import type { Tally } from './tally.js'
import { type Waiting, WaitingMessages } from './waiting.js'
import { watchedRandom } from './watched-random.js'

/**
 * Every real party of a run, and the network between them, which is the attacker: what an honest client sends waits
 * here until somebody carries it. Everything that a party then does is compared with the reference.
 */

/** A client as the world runs it. */
export interface Party {
  readonly client: HonestClient
  readonly clock: TestClock
}

const START_PAUSE = 7_000
/** Of a request that its handler has not answered yet. */
const UNANSWERED: HttpAnswer = { status: 0, headers: [], body: '' }

export class World {
  readonly judge: Judge
  readonly reference: Reference
  readonly beliefs: ClientBeliefs
  readonly secrets: Secrets
  readonly tally: Tally
  readonly random: RandomSource
  readonly clocks: Clocks
  readonly kdc: ModelKdc
  readonly hosts = new Map<string, ServiceHost>()
  readonly parties = new Map<string, Party>()
  /** What is in the keytab of each name, the highest kvno first. */
  readonly keytabs: Map<string, readonly KeytabEntry[]>
  /** Channels to the KDC that somebody left open. */
  readonly talks: { readonly talk: KdcTalk; readonly client: string }[] = []
  readonly seenTalks: SeenTalk[] = []
  /** Codes by which a host may join. */
  readonly codes: KeytabEntry[] = []
  /** By service: the network between it and the KDC, and what it knows of revocations. */
  readonly feeds = new Map<string, { readonly network: FeedNetwork; readonly facts: FeedFacts }>()
  readonly waiting = new WaitingMessages()
  readonly #seen = new SeenMessages()

  private constructor(
    kdc: ModelKdc,
    keys: ReadonlyMap<string, KeytabEntry>,
    judge: Judge,
    random: RandomSource,
  ) {
    this.kdc = kdc
    this.clocks = new Clocks(kdc.clock)
    this.judge = judge
    this.reference = judge.reference
    this.reference.newestEntry = () => kdc.newestEntry
    this.reference.monotonic = () => kdc.clock.monotonic()
    this.reference.log = kdc.logId
    this.beliefs = judge.beliefs
    this.secrets = judge.secrets
    this.tally = judge.tally
    this.random = random
    this.keytabs = new Map([...keys].map(([name, entry]) => [name, [entry]]))
    for (const entry of keys.values()) {
      judge.keepKey(entry)
      this.reference.keys.replaced(entry.principal, entry.kvno)
    }
  }

  static async start(prepared: PreparedRealm, seed: number, tally: Tally): Promise<World> {
    const secrets = new Secrets()
    const random = new Random(seed, 'model').bytes
    const watched = watchedRandom(random, key => {
      secrets.keep(key, 'a key that the KDC drew')
    })
    const kdc = await ModelKdc.start(prepared, createTestClock(), watched)
    const world = new World(kdc, prepared.keys, new Judge(secrets, tally), random)
    for (const name of [...SERVICES, MALLORY]) {
      const options = name === BILLING ? { claims: BILLING_CLAIMS, delegates: BILLING_DELEGATES } : {}
      const following = name === FOLLOWER ? { following: world.#follow(name) } : {}
      const host = new ServiceHost(name, world.clocks.of(name), { ...options, ...following })
      world.hosts.set(name, host)
      await world.startService(name)
    }
    for (const name of CLIENTS) world.login(name)
    world.pass(START_PAUSE)
    await world.settle()
    return world
  }

  get letters(): readonly SeenLetter[] {
    return this.#seen.letters
  }

  get questions(): readonly SeenQuestion[] {
    return this.#seen.questions
  }

  key(name: string): KeytabEntry {
    return this.keytab(name)[0]
  }

  keytab(name: string): OwnKeys {
    return ownKeysOf(this.keytabs.get(name) ?? [])
  }

  /** An honest holder writes its keytab, before anything is sent under what is new in it. */
  writeKeytab(name: string, entries: OwnKeys): void {
    this.keytabs.set(name, entries)
    for (const { kvno } of entries) this.reference.keys.hold(name, kvno)
    this.hosts.get(name)?.hold(entries)
  }

  host(name: string): ServiceHost {
    const host = this.hosts.get(name)
    if (host === undefined) throw new Error(`no service ${name}`)
    return host
  }

  /** Makes the ways by which a service follows what the KDC revokes. */
  #follow(name: string): Following {
    const network = new FeedNetwork(this.kdc, this.judge, request => this.askKdc(request))
    const facts = new FeedFacts(name, MAX_STALENESS)
    this.feeds.set(name, { network, facts })
    let client: HonestClient | undefined
    return {
      fraction: fractionFrom(this.random),
      maxStaleness: MAX_STALENESS,
      started: saved => {
        network.cut()
        facts.started(saved, this.clocks.of(name).now())
        client?.close()
        client = this.connect(this.keytab(name), name, this.clocks.of(name), network)
      },
      open: events => {
        if (client === undefined) throw new Error(`${name} has not started`)
        return FeedLine.open({ client, network, facts, events })
      },
    }
  }

  /**
   * Starts a service, or restarts it, with the keys that it has now.
   * @param saved whether the process before ended in order
   */
  async startService(name: string, saved = false): Promise<void> {
    await this.host(name).start(this.keytab(name), saved)
    this.clocks.started(name)
  }

  /** The key of an invitation, on its way to a host. */
  keepCode(code: KeytabEntry): void {
    this.codes.push(code)
    this.keytabs.set(code.principal, [code])
    this.judge.keepKey(code)
  }

  /** Gives a principal that was made again its new keytab. */
  renewKey(entry: KeytabEntry): void {
    this.reference.keys.renewed(entry.principal, entry.kvno)
    this.giveKey(entry)
  }

  /** Brings a principal the only key that it has. */
  giveKey(entry: KeytabEntry): void {
    const { principal, kvno } = entry
    this.keytabs.set(principal, [entry])
    this.judge.keepKey(entry)
    this.reference.keys.hold(principal, kvno)
    if (this.parties.has(principal)) this.login(principal)
  }

  /** Starts a client with its keytab, as a process that remembers nothing. */
  login(name: string): void {
    this.parties.get(name)?.client.close()
    const clock = this.clocks.of(name)
    this.parties.set(name, { client: this.connect(this.keytab(name), name, clock), clock })
  }

  /** @param login a keytab or a credential. @param network carries its questions by itself */
  connect(login: OwnKeys | string, name: string, clock: TestClock, network?: FeedNetwork): HonestClient {
    const believed: ConstructorParameters<typeof HonestClient>[1]['believed'] = reply => {
      this.judge.guarded(() => this.beliefs.believesReply(name, reply))
    }
    const askKdc = (request: Uint8Array) => this.#askKdc(name, request, network)
    const readKeytab = () => this.keytab(name)
    return new HonestClient(login, { clock, random: this.random, askKdc, believed, readKeytab })
  }

  async #askKdc(client: string, request: Uint8Array, network?: FeedNetwork): Promise<Uint8Array> {
    this.judge.clientAsks(client, request)
    this.#seen.questions.push({ request, replies: [] })
    const exchange = this.beliefs.asks(client, request)
    if (network === undefined) return this.waiting.question(exchange)
    exchange.delivered = await network.question(request)
    return exchange.delivered
  }

  /** A client starts a request; it goes on as the network lets it. */
  send(party: HonestClient, wish: Wish): Op {
    const { service, method } = wish
    const op: Op = {
      client: party.name,
      service,
      safe: method === 'GET',
      sent: [],
      state: 'pending',
      code: undefined,
    }
    this.beliefs.starts(op)
    const carrier = (letter: Letter): Promise<HttpAnswer> => this.#carry(op, letter)
    party.fetch(wish, carrier).then(
      async response => {
        const answer = { status: response.status, body: await response.text() }
        this.judge.guarded(() => this.beliefs.believesAnswer(op, answer))
        op.state = 'answered'
        this.tally.count('a client has a proved answer')
      },
      cause => this.#failed(op, cause),
    )
    return op
  }

  #failed(op: Op, cause: unknown): void {
    this.judge.guarded(() => {
      if (!(cause instanceof OrthrusError)) throw cause
      op.code = cause.code
      this.tally.count(`a client is told ${cause.code}`)
      this.beliefs.believesRefusal(op, cause)
    })
    op.state = 'failed'
  }

  #carry(op: Op, letter: Letter): Promise<HttpAnswer> {
    op.sent.push(this.judge.clientSends(op, letter))
    this.#seen.letters.push({ service: op.service, letter, answers: [] })
    return this.waiting.request(op, letter)
  }

  /** Sends anything, from anybody, to the KDC. */
  async askKdc(request: Uint8Array): Promise<Uint8Array> {
    const now = this.kdc.clock.now()
    const answer = await this.kdc.answer(request)
    const { reply } = answer
    this.judge.kdcAnswered(request, answer, now)
    this.#seen.replied(request, reply)
    return reply
  }

  /** Opens a channel to the KDC; nothing if it refuses. */
  async openTalk(
    by: string | undefined,
    shown: Pick<Opening, 'delegated'> & Shown,
  ): Promise<KdcTalk | undefined> {
    const opening = { ...shown, by, time: this.kdc.clock.now(), nonce: this.random(16) }
    const talk = await KdcTalk.open(this, opening)
    if (talk !== undefined) this.seenTalks.push(talk.seen)
    return talk
  }

  /** Sends anything, from anybody, to a service. */
  async present(service: string, letter: Letter): Promise<Outcome> {
    const host = this.host(service)
    const now = host.clock.now()
    const outcome = await host.present(letter)
    this.judge.serviceAnswered(service, letter, outcome, now, this.#knownBy(service))
    this.#seen.answered(service, letter, outcome.answer)
    return outcome
  }

  /**
   * The same, with a pause in the middle: before the body is whole, or when the handler has begun.
   * @param meanwhile what happens in the pause
   */
  async presentSlowly(
    service: string,
    letter: Letter,
    pause: Pause,
    meanwhile: () => Promise<void>,
  ): Promise<Outcome> {
    const host = this.host(service)
    const now = host.clock.now()
    const slow = host.presentSlowly(letter, pause)
    await this.settle()
    const { begun } = slow
    if (begun() !== undefined) {
      const reached = { answer: UNANSWERED, handled: begun(), refused: undefined }
      this.judge.serviceAnswered(service, letter, reached, now, this.#knownBy(service))
    }
    const wasBegun = begun() !== undefined
    await meanwhile()
    const outcome = await slow.goOn()
    const known = this.#knownBy(service)
    if (!wasBegun) this.judge.serviceAnswered(service, letter, outcome, now, known)
    else if (known !== undefined) this.judge.ended(service, letter, outcome, known)
    this.#seen.answered(service, letter, outcome.answer)
    return outcome
  }

  /** The ticket that these bytes are, if the KDC issued it: opened with the key of the service that it names. */
  identify(bytes: Uint8Array): Issued | undefined {
    return this.judge.identify(bytes)
  }

  /** What a service that follows the revocations knows of them at this moment. */
  #knownBy(service: string): Known | undefined {
    const { facts } = this.feeds.get(service) ?? {}
    const { clock } = this.host(service)
    return facts && { facts, at: { wall: clock.now(), monotonic: clock.monotonic() } }
  }

  /** Runs everything that waits for nobody, and what services and KDC say of revocations. */
  async settle(): Promise<void> {
    for (let i = 0; i < TURNS; i++) await turn()
    for (let i = 0, idle = 0; i < FLOWS_MAX && idle < TURNS; i++) {
      idle = (await this.#flow()) ? 0 : idle + 1
      await turn()
    }
    this.judge.requireSound()
  }

  async #flow(): Promise<boolean> {
    let moved = false
    for (const { network } of this.feeds.values()) moved = (await network.flow()) || moved
    return moved
  }

  /** Time passes for everybody. */
  pass(milliseconds: number): void {
    this.clocks.pass(milliseconds)
  }

  /** Carries a message there and its answer back. */
  async carry(waiting: Waiting): Promise<void> {
    if (waiting.kind === 'kdc') waiting.answer(await this.askKdc(waiting.exchange.request))
    else waiting.answer((await this.present(waiting.op.service, waiting.letter)).answer)
  }

  /** Carries everything of one request there and back, and waits where its client does. */
  async through(op: Op): Promise<void> {
    for (let i = 0; i < 120 && op.state === 'pending'; i++) {
      await this.settle()
      if (op.state !== 'pending') return
      const next = this.waiting.of(op)
      if (next === undefined) this.pass(250)
      else await this.carry(next)
    }
    await this.settle()
  }

  /** Ends all that is open. */
  async close(): Promise<void> {
    for (const host of this.hosts.values()) host.stop()
    for (const { client } of this.parties.values()) client.close()
    this.waiting.dropAll()
    await this.settle()
  }
}

/** The keys of one principal, the highest kvno first. */
export function ownKeysOf(entries: readonly KeytabEntry[]): OwnKeys {
  const [first, ...others] = [...entries].sort((one, other) => other.kvno - one.kvno)
  if (first === undefined) throw new Error('a keytab without a key')
  return [first, ...others]
}

const TURNS = 2
const FLOWS_MAX = 60

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
