import { credentialSource } from '../../client/cache/credential-source.js'
import { TicketCache } from '../../client/cache/ticket-cache.js'
import { loginSource, type TicketSource } from '../../client/cache/ticket-source.js'
import { ClockCheck } from '../../client/kdc-link/clock-check.js'
import { KdcClock, startSpan } from '../../client/kdc-link/kdc-clock.js'
import { RefusalMemory } from '../../client/kdc-link/refusal-memory.js'
import type { Exchanged } from '../../client/kdc-link/waiting.js'
import type { OwnKeys } from '../../client/login/identity.js'
import { KeytabIdentity } from '../../client/login/keytab-identity.js'
import { ClientTelemetry } from '../../client/report/telemetry.js'
import { fetchProved } from '../../client/request/fetch.js'
import type { HttpRequest } from '../../client/request/http-request.js'
import { Presenter } from '../../client/request/presenter.js'
import type { ErrorAnswer, Presented } from '../../client/request/presenting.js'
import { ServiceTimes } from '../../client/request/service-times.js'
import { importTicket, requirePresentable } from '../../client/ticket/imported-ticket.js'
import type { Ticket } from '../../client/ticket/ticket.js'
import { channelBinding } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import { fractionFrom } from '../../shared/crypto/fraction.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { Reply } from '../../shared/exchange/reply.js'
import { silentLogger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import type { TestClock } from '../../testing/index.js'
import type { HttpAnswer, Letter } from './service-host.js'

/** What a client asks of a service. */
export interface Wish {
  readonly service: string
  readonly method: string
  readonly target: string
  readonly body: string
  readonly ticket?: Ticket
  readonly handOff?: Ticket
}

/** Carries a client's messages; the answer comes when the network lets it. */
export interface Carrier {
  askKdc(message: Uint8Array): Promise<Uint8Array>
  ask(letter: Letter): Promise<HttpAnswer>
}

export interface ClientOptions {
  readonly clock: TestClock
  readonly random: RandomSource
  readonly askKdc: (message: Uint8Array) => Promise<Uint8Array>
  /** Reads its keytab again. */
  readonly readKeytab: () => OwnKeys
  /** Called for every reply of the KDC that this client accepts. */
  readonly believed: (reply: Reply) => void
}

const MAX_RESPONSE = 64 * 1024

/** The client's own code from end to end, except for sockets: what it would send is given to a carrier. */
export class HonestClient {
  readonly name: Principal
  readonly clock: TestClock
  readonly #source: TicketSource
  readonly #tickets: TicketCache
  readonly #presenter: Presenter
  readonly #random: RandomSource
  readonly #time: KdcClock

  /** @param login keys of its own, or the text of a credential. */
  constructor(login: OwnKeys | string, { clock, random, askKdc, believed, readKeytab }: ClientOptions) {
    this.clock = clock
    this.#random = random
    this.#time = new KdcClock(clock)
    const exchange = async (message: Uint8Array): Promise<Exchanged> => {
      const endSpan = startSpan(clock)
      const bytes = await askKdc(message)
      return { bytes, kdc: 'ws://127.0.0.1:8750', ...endSpan() }
    }
    const fraction = fractionFrom(random)
    const refusals = new RefusalMemory({ clock, fraction, max: 100 })
    const log = { clock, logger: silentLogger }
    const telemetry = new ClientTelemetry({ logger: silentLogger, ownerLogger: silentLogger })
    const sourcing = { exchange, time: this.#time, random, refusals, logger: silentLogger, telemetry }
    this.#source =
      typeof login === 'string'
        ? credentialSource(login, true, sourcing)
        : loginSource(new KeytabIdentity(login, { read: async () => readKeytab(), ...log }), sourcing)
    this.name = this.#source.client
    const checking = { time: this.#time, clock, logger: silentLogger }
    const check = new ClockCheck({ ...checking, ask: () => this.#source.request([], 0) })
    const trueTime = () => check.trueTime()
    const common = {
      client: this.name,
      clock,
      random,
      timers: clock,
      logger: silentLogger,
      telemetry,
      trueTime,
    }
    this.#tickets = new TicketCache({
      ...common,
      imported: this.#source.imported,
      request: async (services, lifetime) => {
        const reply = await this.#source.request(services, lifetime)
        believed(reply)
        return reply
      },
      time: this.#time,
      fraction,
      refusals,
      max: 100,
    })
    const newTimes = () => new ServiceTimes(clock, this.#time, 100)
    this.#presenter = new Presenter({ ...common, tickets: this.#tickets, newTimes })
  }

  /** Opens a channel by the client's own ticket. @param send presents it @throws OrthrusError */
  openChannel<T extends object>(
    service: string,
    send: (presented: Presented) => Promise<T | ErrorAnswer>,
  ): Promise<T> {
    return this.#presenter.present({
      service: service as Principal,
      type: TYPE.AP_OPEN,
      method: 'CHANNEL',
      ticket: undefined,
      bind: () => ({ binding: channelBinding(''), headers: [] }),
      safe: true,
      send,
    })
  }

  /** The client's own ticket, from its cache or the KDC. */
  ticket(service: string, lifetime = 0): Promise<Ticket> {
    return this.#tickets.get(service as Principal, lifetime)
  }

  tgt(): Promise<Ticket> {
    return this.#source.tgt()
  }

  import(credential: string): Ticket {
    const ticket = importTicket(credential, () => this.#time.now(), !this.#source.imported)
    requirePresentable(ticket, this.name)
    return ticket
  }

  fetch(
    { service, method, target, body, ticket, handOff }: Wish,
    carrier: Carrier['ask'],
  ): Promise<Response> {
    const { held } = this.#source
    const request: HttpRequest = {
      method,
      url: new URL(`http://${service.split('@')[0]}${target}`),
      headers: [['content-type', 'text/plain']],
      body: new Uint8Array(Buffer.from(body)),
      stream: undefined,
      isStreamed: false,
      sealed: false,
      passing: {},
      redirect: 'manual',
    }
    const exchanges = {
      fetch: carried(carrier),
      clock: this.clock,
      timers: this.clock,
      random: this.#random,
      logger: silentLogger,
      maxResponse: MAX_RESPONSE,
    }
    return fetchProved(this.#presenter, exchanges, request, {
      service: service as Principal,
      ticket: ticket ?? (held?.service === service ? held : undefined),
      handOff,
      repeatable: false,
      signal: new AbortController().signal,
      prolong: () => () => {},
    })
  }

  /** It asks for nothing more. */
  close(): void {
    this.#tickets.close()
  }
}

function carried(carrier: Carrier['ask']): typeof globalThis.fetch {
  return async (input, init = {}) => {
    const { pathname, search } = new URL(String(input))
    const body = init.body instanceof Uint8Array ? Buffer.from(init.body).toString('latin1') : ''
    const headers = init.headers as [string, string][]
    const letter = { method: init.method ?? 'GET', target: pathname + search, headers, body }
    const { status, headers: pairs, body: text } = await carrier(letter)
    return new Response(text, {
      status,
      headers: pairs.map(([name, value]): [string, string] => [name, value]),
    })
  }
}
