import { onTestFinished } from 'vitest'
import { connectOver } from '../../../client/connect.js'
import type { ConnectOptions } from '../../../client/connect-options.js'
import type { OpenSocket } from '../../../client/kdc-link/socket.js'
import type { Realm } from '../../../client/realm.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { TestClock } from '../../support/clock.js'
import { TestLogger } from '../../support/logger.js'
import { FakeKdc, WEB } from '../fake-kdc.js'
import { lasting } from './lasting.js'

export const [A, B, C] = ['ws://a.test', 'ws://b.test', 'ws://c.test'] as const

/** Tries URLs in the order in which they are given. */
export const inOrder = (length: number): Uint8Array =>
  length === 4 ? new Uint8Array(4) : systemRandom(length)

/** How a KDC fails. */
export const FAILURES = ['killed', 'frozen', 'cut off', 'waiting', 'unavailable', 'refusing'] as const
export type Failure = (typeof FAILURES)[number]

/** Several KDCs of one realm, which have the same keys, and a client of them, all in memory. */
export class SeveralKdcs {
  readonly time = new TestClock()
  readonly logger = new TestLogger()
  readonly kdcs: ReadonlyMap<string, FakeKdc>
  /** URLs in the order in which they were tried. */
  readonly tried: string[] = []
  readonly #silent = new Set<string>()

  constructor(urls: readonly string[] = [A, B, C]) {
    this.kdcs = new Map(urls.map(url => [url, this.#newKdc(url)]))
    const [first, ...others] = this.kdcs.values()
    for (const kdc of others) Object.assign(kdc, { keys: first?.keys })
  }

  #newKdc(url: string): FakeKdc {
    const kdc = new FakeKdc(this.time)
    kdc.urls = new Set([url])
    return kdc
  }

  at(url: string): FakeKdc {
    const kdc = this.kdcs.get(url)
    if (kdc === undefined) throw new Error(`no KDC at ${url}`)
    return kdc
  }

  /** Where questions were asked, and which: `a TGS orders`. */
  get log(): string[] {
    return [...this.kdcs].flatMap(([url, { log }]) => log.map(asked => `${url.slice(5, 6)} ${asked}`))
  }

  /** Connections that are open, by URL. */
  get connected(): string[] {
    return [...this.kdcs].filter(([, { sockets }]) => sockets.size > 0).map(([url]) => url)
  }

  fail(url: string, how: Failure): void {
    const kdc = this.at(url)
    if (how === 'killed') kdc.down()
    else if (how === 'refusing') {
      kdc.urls.clear()
      for (const socket of [...kdc.sockets]) socket.fail('the connection was closed, code 1012')
    } else if (how === 'waiting') {
      // It answers pings, and nothing that it would have to ask its store about.
      kdc.intercept = () => undefined
    } else if (how === 'unavailable') kdc.intercept = () => kdc.error('unavailable')
    else {
      // What is frozen takes connections in, and what is cut off does not even that.
      this.#silent.add(url)
      kdc.pongs = false
      kdc.intercept = () => undefined
    }
  }

  heal(url: string): void {
    const kdc = this.at(url)
    this.#silent.delete(url)
    Object.assign(kdc, { pongs: true, urls: new Set([url]), intercept: honestly })
  }

  readonly #open: OpenSocket = (options, events) => {
    this.tried.push(options.url)
    if (!this.#silent.has(options.url)) return this.at(options.url).openSocket(options, events)
    return { send: () => {}, ping: () => {}, close: () => {} }
  }

  async connect(options: Partial<ConnectOptions> = {}): Promise<Realm> {
    const realm = await connectOver(this.#open, {
      kdc: [...this.kdcs.keys()],
      clock: this.time,
      timers: this.time,
      random: inOrder,
      logger: this.logger,
      keytab: { text: formatKeytab([{ principal: WEB, kvno: 1, key: this.#key() }]) },
      ...options,
    } as ConnectOptions)
    onTestFinished(() => realm.close())
    return realm
  }

  #key(): ReturnType<FakeKdc['keyOf']> {
    return [...this.kdcs.values()][0]?.keyOf(WEB) as ReturnType<FakeKdc['keyOf']>
  }

  /** How long a call takes, milliseconds. */
  lasting(call: Promise<unknown>): Promise<number> {
    return lasting(this.time, call, 25)
  }
}

const honestly: FakeKdc['intercept'] = (_, honest) => honest()
