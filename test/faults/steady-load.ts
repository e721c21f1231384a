import { randomBytes } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { connect } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { principalIn } from '../../shared/principal.js'
import { type Administrator, administer, allow, type FaultRealm, REALM } from '../support/folder-realm.js'

/** A day of a KDC and a service in small: all exchanges, by many clients, with those that are refused. */

export interface LoadTargets {
  readonly realm: FaultRealm
  readonly kdc: string
  readonly service: string
  /** All may have tickets for `orders`. */
  readonly clients: readonly string[]
}

type Deed = readonly [name: string, share: number, run: () => Promise<unknown>]

/** The most deeds at the same time. */
const CONCURRENCY = 16
/** Names that are used again, so that what is remembered of them soon stops growing. */
const NAMES = 50

export class SteadyLoad {
  /** How often each deed was done. */
  readonly counts = new Map<string, number>()
  readonly #targets: LoadTargets
  readonly #deeds: readonly Deed[]
  #held: Realm[] = []
  #administrator: Administrator | undefined
  #recorded: Request | undefined
  #turn = 0
  #underWay = 0
  #failure: Error | undefined

  private constructor(targets: LoadTargets) {
    this.#targets = targets
    const deeds: Deed[] = [
      ['AP', 24, () => this.#call(this.#client())],
      ['TGS', 10, () => this.#client().getServiceTicket('orders', { lifetime: 60_000 + this.#turn })],
      ['AS on a new connection', 3, () => this.#login()],
      ['replay', 3, () => this.#replay()],
      ['no credentials', 1, async () => requireStatus(await fetch(targets.service), 401)],
      ['ticket denied', 1, () => requireCode(this.#client().getServiceTicket(this.#name()), 'policy_denied')],
      // At 50 deeds a second 67 a minute: with the 16 logins that may be under way fewer than the 100 that the KDC
      // bears from one address without a key proved.
      ['unknown client', 1, () => this.#strange()],
      ['cut handshake', 1, () => this.#cut()],
      ['administration', 1, () => this.#change()],
    ]
    this.#deeds = deeds.flatMap(deed => Array.from({ length: deed[1] }, () => deed))
  }

  static async open(targets: LoadTargets): Promise<SteadyLoad> {
    const load = new SteadyLoad(targets)
    load.#held = await Promise.all(targets.clients.map(name => load.#connect(name)))
    load.#administrator = await administer(targets.realm, targets.kdc)
    return load
  }

  close(): void {
    for (const client of this.#held) client.close()
    this.#administrator?.close()
  }

  /** Makes this many logins, some at a time, which fill the caches of tickets. */
  async fill(logins: number): Promise<void> {
    let left = logins
    const work = async (): Promise<void> => {
      while (left-- > 0) await this.#login()
    }
    await Promise.all(Array.from({ length: 4 }, work))
  }

  /**
   * Begins the next deed, unless too many are under way.
   * @throws Error of an earlier one that failed
   */
  step(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#underWay >= CONCURRENCY) return
    // 7 has no common factor with the number of deeds, so that they come mixed.
    const [name, , run] = this.#deeds[(7 * this.#turn++) % this.#deeds.length] as Deed
    this.#underWay += 1
    run()
      .then(
        () => this.counts.set(name, (this.counts.get(name) ?? 0) + 1),
        cause => {
          this.#failure ??= new Error(`${name}: ${cause}`, { cause })
        },
      )
      .finally(() => {
        this.#underWay -= 1
      })
  }

  #client(): Realm {
    return this.#held[this.#turn % this.#held.length] as Realm
  }

  #name(): string {
    return `nobody${this.#turn % NAMES}`
  }

  /** Its first request is what the attacker of `#replay` has. */
  #connect(name: string): Promise<Realm> {
    const record = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
      const request = new Request(input, init)
      const copy = this.#turn % NAMES === 0 ? request.clone() : undefined
      const response = await fetch(request)
      // Not earlier: the copy could come first, and be taken for the request.
      this.#recorded = copy ?? this.#recorded
      return response
    }
    return connect({
      kdc: this.#targets.kdc,
      keytab: { text: this.#targets.realm.keytab(name) },
      fetch: record,
    })
  }

  async #call(client: Realm): Promise<void> {
    const init = { service: 'orders', method: 'POST', body: 'x', repeatable: true }
    const response = await client.fetch(`${this.#targets.service}/steady`, init)
    await response.arrayBuffer()
  }

  async #login(): Promise<void> {
    const { clients } = this.#targets
    const client = await this.#connect(clients[this.#turn % clients.length] as string)
    await this.#call(client).finally(() => client.close())
  }

  async #replay(): Promise<void> {
    if (this.#recorded !== undefined) requireStatus(await fetch(this.#recorded.clone()), 401)
  }

  async #strange(): Promise<void> {
    const principal = principalIn(REALM, this.#name())
    const text = formatKeytab([{ principal, kvno: 1, key: new LongTermKey(randomBytes(32)) }])
    const client = await connect({ kdc: this.#targets.kdc, keytab: { text } })
    await requireCode(client.getTgt(), 'auth_failed').finally(() => client.close())
  }

  #cut(): Promise<void> {
    return new Promise(resolve => {
      const socket = connectTcp(Number(new URL(this.#targets.kdc).port), '127.0.0.1')
      socket.on('error', () => {})
      socket.on('close', () => resolve())
      socket.end('GET / HTTP/1.1\r\nUpgrade: websock')
      socket.resume()
    })
  }

  /** What was created is removed at the end, except its name and the log of revocations. */
  async #change(): Promise<void> {
    const { administration } = this.#administrator as Administrator
    const name = `passing${this.#turn % (NAMES * this.#deeds.length)}`
    const principal = principalIn(REALM, name)
    const rule = allow(name, 'orders')
    await administration.add({ principal, password: null, ...NO_LIMITS })
    await administration.setRule(rule)
    await administration.show(principal)
    await administration.forget(rule.client, rule.service)
    await administration.remove(principal)
  }
}

function requireStatus(response: Response, status: number): void {
  void response.body?.cancel()
  if (response.status !== status) throw new Error(`${response.status}, not ${status}`)
}

async function requireCode(deed: Promise<unknown>, code: string): Promise<void> {
  const answer = await deed.then(
    () => 'done',
    cause => String(cause.code ?? cause),
  )
  if (answer !== code) throw new Error(`${answer}, not ${code}`)
}
