import { toHex } from '../../shared/bytes.js'
import { type LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import type { KeytabEntry } from '../../shared/keytab.js'
import { TYPE } from '../../shared/protocol/constants.js'
import { openUnauthenticatedError } from '../../shared/protocol/error.js'
import { decodeMacMessage, messageType } from '../../shared/protocol/message.js'
import { decodeTicket, openTicket } from '../../shared/protocol/ticket.js'
import { createTestClock, type TestClock } from '../../testing/index.js'
import { BILLING, BILLING_CLAIMS, BILLING_DELEGATES, CLIENTS, MALLORY, SERVICES } from './cast.js'
import { ClientBeliefs, type Op } from './client-beliefs.js'
import { HonestClient, type Wish } from './honest-client.js'
import { Invariants } from './invariants.js'
import { ModelKdc, type PreparedRealm } from './kdc.js'
import { seededRandom, watchedRandom } from './random.js'
import { type Issued, Reference } from './reference.js'
import { Secrets } from './secrets.js'
import { type HttpAnswer, type Letter, type Outcome, ServiceHost } from './service-host.js'
import type { Tally } from './tally.js'
import { messageIn, nameOf, readAp, readQuestion } from './view.js'
import { type Waiting, WaitingMessages } from './waiting.js'

/**
 * Every real party of a run, and the network between them, which is the attacker: what an honest client sends waits
 * here until somebody carries it. All that a party then does is held against the reference.
 */

/** What was seen on the way. */
export interface SeenLetter {
  readonly service: string
  readonly letter: Letter
  readonly answers: HttpAnswer[]
}

export interface SeenQuestion {
  readonly request: Uint8Array
  readonly replies: Uint8Array[]
}

/** A client as the world runs it; `holder` has a credential of somebody else's. */
export interface Party {
  readonly client: HonestClient
  readonly clock: TestClock
}

const START_PAUSE = 7_000

export class World {
  readonly reference = new Reference()
  readonly invariants: Invariants
  readonly beliefs: ClientBeliefs
  readonly tally: Tally
  readonly random: RandomSource
  readonly secrets: Secrets
  readonly clocks = new Map<string, TestClock>()
  readonly kdc: ModelKdc
  readonly hosts = new Map<string, ServiceHost>()
  readonly parties = new Map<string, Party>()
  /** Current keys, by name. */
  readonly keys: Map<string, KeytabEntry>
  readonly waiting = new WaitingMessages()
  readonly letters: SeenLetter[] = []
  readonly questions: SeenQuestion[] = []
  /** The highest that a service's clock stood since it started. */
  readonly highest = new Map<string, number>()
  /** The newest time at which the KDC issued anything. */
  lastIssued = 0
  readonly #everyKey = new Map<string, LongTermKey>()
  /** Tickets by their bytes. */
  readonly #identified = new Map<string, Issued>()
  /** The right time. */
  #time: number
  #broken: unknown

  private constructor(kdc: ModelKdc, keys: ReadonlyMap<string, KeytabEntry>, parts: Parts) {
    this.kdc = kdc
    this.tally = parts.tally
    this.random = parts.random
    this.secrets = parts.secrets
    this.keys = new Map(keys)
    this.clocks.set('kdc', kdc.clock)
    this.#time = kdc.clock.now()
    for (const entry of keys.values()) this.#keep(entry)
    const identify = (ticket: Uint8Array) => this.identify(ticket)
    this.invariants = new Invariants(this.reference, identify)
    this.beliefs = new ClientBeliefs(this.reference, identify)
  }

  static async start(prepared: PreparedRealm, seed: number, tally: Tally): Promise<World> {
    const secrets = new Secrets()
    const random = seededRandom(seed)
    const watched = watchedRandom(random, key => {
      secrets.keep(key, 'a key that the KDC drew')
    })
    const kdc = await ModelKdc.start(prepared, createTestClock(), watched)
    const world = new World(kdc, prepared.keys, { tally, random, secrets })
    for (const name of [...SERVICES, MALLORY]) {
      const options = name === BILLING ? { claims: BILLING_CLAIMS, delegates: BILLING_DELEGATES } : {}
      const clock = world.#clock(name)
      const host = new ServiceHost(name, clock, options)
      world.hosts.set(name, host)
      await host.start([world.key(name)])
      world.highest.set(name, clock.now())
    }
    for (const name of CLIENTS) world.login(name)
    world.pass(START_PAUSE)
    return world
  }

  #clock(name: string): TestClock {
    const clock = createTestClock(this.kdc.clock.now())
    this.clocks.set(name, clock)
    return clock
  }

  key(name: string): KeytabEntry {
    const entry = this.keys.get(name)
    if (entry === undefined) throw new Error(`no key of ${name}`)
    return entry
  }

  host(name: string): ServiceHost {
    const host = this.hosts.get(name)
    if (host === undefined) throw new Error(`no service ${name}`)
    return host
  }

  /** A key that the KDC drew for a principal. */
  #keep(entry: KeytabEntry): void {
    this.keys.set(entry.principal, entry)
    this.#everyKey.set(`${entry.principal} ${entry.kvno}`, entry.key)
    this.secrets.keep(revealKey(entry.key), `the key of ${entry.principal}`)
  }

  /** Gives a principal that was made again its new keytab. */
  renewKey(entry: KeytabEntry): void {
    this.#keep(entry)
    if (this.parties.has(entry.principal)) this.login(entry.principal)
  }

  /** Starts a client with its keytab, as a process that remembers nothing. */
  login(name: string): void {
    this.parties.get(name)?.client.close()
    const clock = this.clocks.get(name) ?? this.#clock(name)
    this.parties.set(name, { client: this.connect(this.key(name), name, clock), clock })
  }

  /** @param login a keytab's entry or a credential. */
  connect(login: KeytabEntry | string, name: string, clock: TestClock): HonestClient {
    const believed: ConstructorParameters<typeof HonestClient>[1]['believed'] = reply => {
      this.guarded(() => this.beliefs.believesReply(name, reply))
    }
    const askKdc = (request: Uint8Array) => this.#askKdc(name, request)
    return new HonestClient(login, { clock, random: this.random, askKdc, believed })
  }

  #askKdc(client: string, request: Uint8Array): Promise<Uint8Array> {
    this.secrets.requireNone(request)
    this.invariants.clientAsks(client, nameOf(request))
    this.questions.push({ request, replies: [] })
    const exchange = this.beliefs.asks(client, request)
    return this.waiting.question(exchange)
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
        const body = await response.text()
        this.guarded(() => this.beliefs.believesAnswer(op, body))
        op.state = 'answered'
        this.tally.count('a client has a proved answer')
      },
      cause => this.#failed(op, cause),
    )
    return op
  }

  #failed(op: Op, cause: unknown): void {
    this.guarded(() => {
      if (!(cause instanceof OrthrusError)) throw cause
      op.code = cause.code
      this.tally.count(`a client is told ${cause.code}`)
      this.beliefs.believesRefusal(op, cause)
    })
    op.state = 'failed'
  }

  #carry(op: Op, letter: Letter): Promise<HttpAnswer> {
    const bytes = messageIn(letter) ?? new Uint8Array()
    this.secrets.requireNone(bytes)
    this.secrets.requireNone(Buffer.from(letter.headers.flat().join('\n') + letter.target, 'latin1'))
    op.sent.push(bytes)
    this.invariants.clientSends(nameOf(bytes), { client: op.client, service: op.service, letter })
    this.letters.push({ service: op.service, letter, answers: [] })
    return this.waiting.request(op, letter)
  }

  /** Whatever it is, from whomever, to the KDC. */
  async askKdc(request: Uint8Array): Promise<Uint8Array> {
    const now = this.kdc.now()
    const answer = await this.kdc.answer(request)
    const { reply, issued } = answer
    const code = codeIn(reply)
    this.guarded(() => {
      this.secrets.requireNone(reply)
      this.invariants.issued(nameOf(request), readQuestion(request), issued, now)
      this.beliefs.kdcAnswered(request, answer, code)
    })
    if (issued.length > 0) {
      this.lastIssued = Math.max(this.lastIssued, now)
      this.tally.count(readQuestion(request)?.kind === 'tgs' ? 'the TGS grants' : 'the AS grants')
    }
    if (code !== undefined) this.tally.count(`the KDC says ${code}`)
    for (const denied of answer.denied) this.tally.count(`the KDC denies ${denied.code}`)
    const seen = this.questions.find(one => same(one.request, request))
    if (seen === undefined) this.questions.push({ request, replies: [reply] })
    else seen.replies.push(reply)
    return reply
  }

  /** Whatever it is, from whomever, to a service. */
  async present(service: string, letter: Letter): Promise<Outcome> {
    const host = this.host(service)
    const now = host.clock.now()
    const outcome = await host.present(letter)
    this.guarded(() => this.#judge(service, letter, outcome, now))
    const seen = this.letters.find(one => one.letter === letter && one.service === service)
    if (seen === undefined) this.letters.push({ service, letter, answers: [outcome.answer] })
    else seen.answers.push(outcome.answer)
    return outcome
  }

  #judge(service: string, letter: Letter, { answer, handled, refused }: Outcome, now: number): void {
    this.secrets.requireNone(Buffer.from(answer.body + answer.headers.flat().join('\n'), 'latin1'))
    const bytes = messageIn(letter)
    const view = bytes && readAp(bytes)
    const id = nameOf(bytes ?? new Uint8Array())
    if (handled !== undefined) {
      this.tally.count(`${service.split('@')[0]} accepts`)
      if (handled.ticket.via !== undefined) this.tally.count('a delegated request is accepted')
      if (service !== MALLORY) this.invariants.accepted(service, letter, view, handled, now)
      this.beliefs.serviceAnswered(id, answer.body)
    }
    if (refused?.code === undefined) return
    this.tally.count(`a service says ${refused.code}`)
    this.beliefs.serviceRefused(id, refused.code)
    // Without a presenter it is a type 05, which is never final.
    if (refused.presenter === undefined || view === undefined || service === MALLORY) return
    this.invariants.refused(service, view, refused.code, now)
  }

  /** The ticket that these bytes are, if the KDC issued it: opened with the key of whom it names. */
  identify(bytes: Uint8Array): Issued | undefined {
    const name = nameOf(bytes)
    const known = this.#identified.get(name)
    if (known !== undefined) return known
    const issued = this.#open(bytes)
    if (issued !== undefined) this.#identified.set(name, issued)
    return issued
  }

  #open(bytes: Uint8Array): Issued | undefined {
    try {
      const sealed = decodeTicket(bytes)
      const key = this.#everyKey.get(`${sealed.service} ${sealed.kvno}`)
      if (key === undefined) return undefined
      return this.reference.tickets.get(toHex(openTicket(sealed, key).ticketId))
    } catch {
      return undefined
    }
  }

  /** What is wrong comes out at the end of the command, wherever it was found. */
  guarded(check: () => void): void {
    try {
      check()
    } catch (cause) {
      this.#broken ??= cause
    }
  }

  /** Lets all go on that waits for nobody. */
  async settle(): Promise<void> {
    for (let i = 0; i < TURNS; i++) await new Promise(resolve => setImmediate(resolve))
    if (this.#broken !== undefined) throw this.#broken
  }

  /** @param offset from the right time, milliseconds */
  setClock(name: string, offset: number): void {
    const clock = this.clocks.get(name)
    clock?.set(this.#time + offset)
    this.#noteHighest()
  }

  /** Time passes for everybody. */
  pass(milliseconds: number): void {
    this.#time += milliseconds
    for (const clock of this.clocks.values()) clock.advance(milliseconds)
    this.#noteHighest()
  }

  #noteHighest(): void {
    for (const [name, highest] of this.highest) {
      this.highest.set(name, Math.max(highest, this.host(name).clock.now()))
    }
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
    for (const { client } of this.parties.values()) client.close()
    this.waiting.dropAll()
    await this.settle()
  }
}

interface Parts {
  readonly tally: Tally
  readonly random: RandomSource
  readonly secrets: Secrets
}

const TURNS = 2

/** The code of an ERROR of either type. */
function codeIn(reply: Uint8Array): string | undefined {
  const type = messageType(reply)
  if (type === TYPE.ERROR) return openUnauthenticatedError(reply).code
  if (type !== TYPE.ERROR_AUTHENTICATED) return undefined
  return String(decodeMacMessage(reply, TYPE.ERROR_AUTHENTICATED).body[0])
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
