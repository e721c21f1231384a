import { Administration } from '../client/channel/administration.js'
import { type ConnectOptions, connect, type Realm } from '../client/connect.js'
import { partsOf } from '../client/realm.js'
import { type RunningKdc, startKdc } from '../kdc/main.js'
import { createRealm } from '../kdc/realm/create-realm.js'
import { createMemoryStore } from '../kdc/store/memory.js'
import { MasterKey } from '../kdc/vault/master-key.js'
import { Vault } from '../kdc/vault/vault.js'
import type { LoadServiceOptions } from '../service/load-options.js'
import { loadService } from '../service/load-service.js'
import { BoundedReplayCache } from '../service/replay/replay-cache.js'
import type { Service } from '../service/request/service.js'
import { NO_LIMITS } from '../shared/administration/principals.js'
import { NO_TERMS, type PolicyRule } from '../shared/administration/rule.js'
import { SIZE, WINDOW } from '../shared/constants.js'
import { derivePasswordKey } from '../shared/crypto/derive.js'
import { systemRandom } from '../shared/crypto/random.js'
import { parametersWith } from '../shared/exchange/params.js'
import { formatKeytab } from '../shared/keytab/keytab.js'
import { type Logger, silentLogger } from '../shared/logger.js'
import { type KnownOptions, requireKnownOptions } from '../shared/options.js'
import { patternIn } from '../shared/pattern.js'
import { type Principal, principalIn } from '../shared/principal.js'
import { withoutSecrets } from '../shared/shown-text.js'
import { compareNames } from '../shared/ticket/claim-names.js'
import type { ClaimValue } from '../shared/ticket/claims.js'
import { createTestClock, type TestClock } from './clock.js'

export interface TestRealmOptions {
  /** Default `test.example`. */
  readonly realm?: string
  /** Default: a clock that stands at the start of 2026 until it is moved. */
  readonly clock?: TestClock
  /** Default: logs nothing. */
  readonly logger?: Logger
  /** Origins whose pages may connect to the KDC from a browser, such as `['http://localhost:5173']`. Default: none. */
  readonly allowedOrigins?: readonly string[]
}

const KNOWN: KnownOptions<TestRealmOptions> = { realm: true, clock: true, logger: true, allowedOrigins: true }

/** What a policy rule grants. Lifetimes are in milliseconds. */
export interface AllowOptions {
  readonly claims?: Readonly<Record<string, ClaimValue>>
  readonly maxLife?: number
  readonly methods?: readonly string[]
  readonly paths?: readonly string[]
  readonly delegable?: boolean
}

const KNOWN_ALLOW: KnownOptions<AllowOptions> = {
  claims: true,
  maxLife: true,
  methods: true,
  paths: true,
  delegable: true,
}

/** Names are short, as `web`, or whole. */
export interface TestRealm {
  /** The clock of the KDC, and of every client and service created here. */
  readonly clock: TestClock
  readonly kdc: RunningKdc
  /** Offers everything that `orthrus admin` can do. */
  readonly administration: Administration
  /** Registers principals, each with a random key. */
  add(...names: string[]): Promise<void>
  /** Registers a person. */
  addPassword(name: string, password: string): Promise<void>
  allow(client: string, service: string, options?: AllowOptions): Promise<void>
  deny(client: string, service: string): Promise<void>
  /** The text of a principal's keytab. @throws TypeError for a principal that was not added here */
  keytab(name: string): string
  /** Connects as a principal that was added here. The connection is closed with the realm. */
  connect(name: string, options?: Partial<ConnectOptions>): Promise<Realm>
  /** The service of a principal that was added here. It accepts immediately, as if it had been running for a while. */
  loadService(name: string, options?: Partial<LoadServiceOptions>): Promise<Service>
  close(): Promise<void>
}

/** A whole realm in this process: a KDC on a free port of the loopback, its store in memory. */
export async function startRealm(options: TestRealmOptions = {}): Promise<TestRealm> {
  requireKnownOptions<TestRealmOptions>('startRealm', options, KNOWN)
  const {
    realm = 'test.example',
    clock = createTestClock(),
    logger = silentLogger,
    allowedOrigins = [],
  } = options
  const store = createMemoryStore()
  const masterKey = new MasterKey(systemRandom(SIZE.KEY))
  await createRealm({ vault: new Vault(store, masterKey, systemRandom), realm, clock, random: systemRandom })
  const kdc = await startKdc({ store, masterKey, clock, listen: { port: 0 }, logger, allowedOrigins })
  return new RunningTestRealm(kdc, clock, logger)
}

class RunningTestRealm implements TestRealm {
  readonly clock: TestClock
  readonly kdc: RunningKdc
  readonly administration: Administration
  readonly #logger: Logger
  readonly #keytabs = new Map<Principal, string>()
  readonly #realms = new Set<Realm>()

  constructor(kdc: RunningKdc, clock: TestClock, logger: Logger) {
    this.kdc = kdc
    this.clock = clock
    this.administration = new Administration({
      call: async (method, args) => {
        const results = await kdc.administration.call(method, args)
        // A test's clock may stand still, so what was refused may be asked again immediately.
        for (const realm of this.#realms) partsOf(realm).refusals.clear()
        return results
      },
    })
    this.#logger = logger
  }

  async add(...names: string[]): Promise<void> {
    for (const name of names) {
      const principal = this.#principal(name)
      const { kvno, key } = await this.administration.add({ principal, password: null, ...NO_LIMITS })
      if (key !== null) this.#keytabs.set(principal, formatKeytab([{ principal, kvno, key }]))
    }
  }

  async addPassword(name: string, password: string): Promise<void> {
    const principal = this.#principal(name)
    const parameters = parametersWith(systemRandom(SIZE.SALT))
    const key = await derivePasswordKey(password, principal, parameters.salt, parameters)
    await this.administration.add({ principal, password: { parameters, key }, ...NO_LIMITS })
  }

  async allow(client: string, service: string, options: AllowOptions = {}): Promise<void> {
    requireKnownOptions('allow', options, KNOWN_ALLOW)
    const { claims = {}, maxLife = null, methods = null, paths = null, delegable = false } = options
    const sorted = Object.entries(claims).sort(([a], [b]) => compareNames(a, b))
    return this.#setRule(client, service, {
      ...NO_TERMS,
      effect: 'allow',
      claims: sorted,
      maxLife,
      methods,
      paths,
      delegable,
    })
  }

  deny(client: string, service: string): Promise<void> {
    return this.#setRule(client, service, { effect: 'deny', ...NO_TERMS })
  }

  keytab(name: string): string {
    const keytab = this.#keytabs.get(this.#principal(name))
    if (keytab === undefined)
      throw new TypeError(withoutSecrets(`${name} was not added to this realm: await realm.add('${name}')`))
    return keytab
  }

  async connect(name: string, options: Partial<ConnectOptions> = {}): Promise<Realm> {
    const { clock, kdc } = this
    const login =
      options.password === undefined
        ? { keytab: { text: this.keytab(name) } }
        : { principal: this.#principal(name) }
    const common = { kdc: kdc.url, clock, timers: clock, logger: this.#logger }
    const realm = await connect({ ...common, ...login, ...options } as ConnectOptions)
    this.#realms.add(realm)
    return realm
  }

  loadService(name: string, options: Partial<LoadServiceOptions> = {}): Promise<Service> {
    const { clock } = this
    const replayCache = new BoundedReplayCache({ clock, floor: clock.now() - WINDOW.SERVICE_PAST })
    const keytab = { text: this.keytab(name) }
    const common = { keytab, clock, replayCache, timers: clock, logger: this.#logger }
    // A test may start a service twice, to be two machines, and never end it.
    return loadService({ ...common, allowReplayAcrossProcesses: true, ...options })
  }

  async close(): Promise<void> {
    for (const realm of this.#realms) realm.close()
    await this.kdc.close()
  }

  #principal(name: string): Principal {
    return principalIn(this.kdc.realm, name)
  }

  #setRule(client: string, service: string, rest: Omit<PolicyRule, 'client' | 'service'>): Promise<void> {
    const { realm } = this.kdc
    const pair = { client: patternIn(realm, client), service: patternIn(realm, service) }
    return this.administration.setRule({ ...pair, ...rest })
  }
}
