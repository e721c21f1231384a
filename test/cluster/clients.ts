import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { OrthrusError } from '../../shared/errors.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import { HOUR } from '../../shared/time.js'
import type { Chance } from '../support/chance.js'
import type { Hand } from './asker.js'
import { shortOf } from './names.js'
import type { Recorder } from './recorder.js'
import type { ServiceHouse } from './service-house.js'
import { machineTime } from './time.js'

/** Milliseconds between two calls of a client, and how many of them go by until it wants a new ticket. */
const PAUSE = 400
const CALLS = 6
/** After how long a client gives up wanting a ticket, milliseconds. */
const GIVEN_UP = 30_000
/** Between two tries at a ticket, milliseconds. */
const RETRY = 50

export interface ClientParts {
  readonly hand: Hand
  readonly kdc: readonly string[]
  readonly services: readonly ServiceHouse[]
  readonly chance: Chance
  readonly recorder: Recorder
}

/** A client from whom nothing is taken: it calls services with a ticket in hand, and wants new ones now and then. */
export class HonestClient {
  readonly #parts: ClientParts
  readonly #name: string
  #realm: Realm | undefined
  #isOver = false
  #asked = 0
  #running: Promise<void> | undefined

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.#name = shortOf(parts.hand.principal)
  }

  /** Gets its tickets, so that it has them in hand. */
  async ready(): Promise<void> {
    while (!(await this.#hasAll().catch(() => false))) await sleep(RETRY)
  }

  start(): void {
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#running
    this.#realm?.close()
  }

  async #hasAll(): Promise<boolean> {
    this.#realm ??= await this.#connect()
    await Promise.all(this.#parts.services.map(({ name }) => this.#realm?.getServiceTicket(name)))
    return true
  }

  async #run(): Promise<void> {
    const { chance, services } = this.#parts
    await sleep(chance.below(PAUSE))
    for (let n = 1; !this.#isOver; n++) {
      await this.#call(chance.pick(services))
      if (n % CALLS === 0) await this.#want(chance.pick(services), chance.oneIn(3))
      await sleep(PAUSE / 2 + chance.below(PAUSE))
    }
  }

  async #call(service: ServiceHouse): Promise<void> {
    const began = machineTime()
    const outcome = await this.#outcomeOf(service)
    this.#parts.recorder.add({
      kind: 'call',
      service: service.name,
      client: this.#name,
      ticketId: undefined,
      kvno: undefined,
      outcome,
      isHonest: true,
      began,
      ended: machineTime(),
    })
  }

  async #outcomeOf(service: ServiceHouse): Promise<string> {
    try {
      const { status } = (await this.#realm?.fetch(`${service.origin}/`)) ?? {}
      return status === 200 ? 'accepted' : `status ${status}`
    } catch (cause) {
      return outcomeOf(cause)
    }
  }

  /** @param isNew whether a client that has just started wants it */
  async #want(service: ServiceHouse, isNew: boolean): Promise<void> {
    const began = machineTime()
    let tries = 0
    let realm = isNew ? undefined : this.#realm
    // No two tickets of different lives are the same one.
    const lifetime = HOUR / 2 + ++this.#asked
    try {
      for (;;) {
        tries++
        try {
          realm ??= await this.#connect()
          await realm.getServiceTicket(service.name, { lifetime })
          return this.#wanted(service, began, 'granted', tries)
        } catch (cause) {
          if (this.#isOver) return
          if (machineTime() - began > GIVEN_UP) return this.#wanted(service, began, 'given up', tries)
          if (outcomeOf(cause) !== 'unavailable') throw cause
          await sleep(RETRY)
        }
      }
    } finally {
      if (isNew) realm?.close()
    }
  }

  #wanted(service: ServiceHouse, began: number, outcome: 'granted' | 'given up', tries: number): void {
    const { recorder } = this.#parts
    recorder.add({
      kind: 'wanted',
      client: this.#name,
      service: service.name,
      outcome,
      tries,
      began,
      ended: machineTime(),
    })
  }

  #connect(): Promise<Realm> {
    const { hand, kdc, services } = this.#parts
    const served = new Map(services.map(service => [service.origin, service]))
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const request = new Request(input, init)
      const service = served.get(new URL(request.url).origin)
      if (service === undefined) throw new TypeError(`nobody serves ${request.url}`)
      return service.handle(request)
    }
    return connect({
      kdc,
      keytab: { text: formatKeytab([hand]) },
      services: Object.fromEntries(services.map(({ origin, name }) => [origin, name])),
      fetch,
      logger: silentLogger,
    })
  }
}

function outcomeOf(cause: unknown): string {
  return cause instanceof OrthrusError ? cause.code : String(cause)
}
