import type { RandomSource } from '../shared/crypto/random.js'
import type { Logger } from '../shared/logger.js'
import { type KnownOptions, requireKnownOptions } from '../shared/options.js'
import { requireOnEvent, requireTracing } from '../shared/telemetry/options.js'
import type { Tracing } from '../shared/telemetry/tracing.js'
import type { Clock, Duration } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'
import type { ParametersCache } from './login/password.js'
import type { ClientTelemetryEvent } from './report/events.js'

interface KdcOption {
  /** `ws://` or `wss://` URLs of the realm's KDCs, as a list or with commas. If one fails, the next is asked. */
  readonly kdc: string | readonly string[]
}

/** Milliseconds. */
export interface Timeouts {
  readonly connect?: number
  readonly exchange?: number
  readonly silence?: number
  readonly call?: number
}

interface KeytabText {
  readonly text: string
}

interface CommonOptions {
  /** The service at each origin: `{ 'http://127.0.0.1:8080': 'orders' }`. */
  readonly services?: Readonly<Record<string, string>>
  /**
   * Origins of services that are not protected yet, such as `['http://127.0.0.1:8080']`: `realm.fetch` takes answers from
   * there that **nothing proves**, so anybody on the way can write them. `response.proved` tells which. The ticket is
   * presented there too, so nothing changes here when the service becomes protected; once one has proved itself to this
   * realm, answers without a proof are refused again. Never for redirects, sealed bodies, given tickets or
   * `handOff`. Each is logged once an hour (docs/adopting.md). Default: none.
   */
  readonly allowUnprotected?: readonly string[]
  /** The realm of a `principal` that is given without one. */
  readonly realm?: string
  /** The largest request and response bodies of `realm.fetch`, bytes. Default 8 MiB each. */
  readonly maxRequest?: number
  readonly maxResponse?: number
  /**
   * Milliseconds. `connect`: to reach a KDC (default 5 s). `silence`: without any sign of life from a KDC, be it an answer
   * or a pong, before it is given up (default 1 s; another connection is tried after half of it). `exchange`: without an
   * answer from a KDC that shows signs of life (default 3 s). `call`: for the answer to an administrative call
   * (default 30 s).
   */
  readonly timeouts?: Timeouts
  /** How long `connect` waits for a KDC that cannot be reached yet, such as `'30s'`. By default it does not wait. */
  readonly wait?: Duration
  /** Whether an idle connection to the KDC keeps the process alive. Default false. A pending request always does. */
  readonly keepProcessAlive?: boolean
  /** Aborts the attempt to connect. It has no effect on the realm afterwards. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: RandomSource
  /** Default: warnings and errors go to standard error, at most ten a minute. A pino logger fits. */
  readonly logger?: Logger
  /**
   * Called with everything that this client does: tickets that were asked for, granted and refused, calls that were
   * presented, proved and refused, and the other events of docs/telemetry.md. What it throws harms no request, and is logged once.
   */
  readonly onEvent?: (event: ClientTelemetryEvent) => void
  /** Records exchanges as spans: `createTracing` of `orthrus/opentelemetry` gives one (docs/telemetry.md). Default: none. */
  readonly tracing?: Tracing
  /** Used instead of the platform's `fetch`, for example one with its own agent. */
  readonly fetch?: typeof globalThis.fetch
}

/** A host that gets its key at its first start, and has it in a file from then on. */
interface Joining {
  /**
   * A join code, `orthrusjoin1_...`. If there is no file `keytab` yet, it is exchanged for a key, which is written there;
   * otherwise it is not used. A container keeps the file only on a volume. An undefined or empty one counts as not given.
   */
  readonly join?: string | undefined
  /** Which instance this host is to be, for a code for `NAME/*`. Default: one that the KDC draws. */
  readonly instance?: string
  /** Allows joining over `ws://` to another machine: whoever records it and gets the code has the key. */
  readonly allowJoinOverPlainWebSocket?: boolean
}

export interface KeytabLogin extends CommonOptions, Joining {
  /** May be left out where the keytab names the KDCs (`# kdc URL,URL`), or the code of `join` does. */
  readonly kdc?: string | readonly string[] | undefined
  /** The path of a keytab, or its text. */
  readonly keytab: string | KeytabText
  /** Accepts a keytab file that other users of this machine can read, which is how containers mount secrets. */
  readonly allowReadableKeytab?: boolean
  /**
   * `automatic`: the key is changed in the keytab file when the KDC says that it is due, which is asked once a day. The
   * folder of the keytab must be writable, and this must be the only copy of it: after the change others are of no use
   * (docs/protocol.md section 12). By default the key stays as it is.
   */
  readonly rotation?: 'automatic'
  /** Which principal of the keytab to use. Required if it holds several. */
  readonly principal?: string
  readonly password?: never
  readonly credential?: never
  readonly login?: never
}

export interface PasswordLogin extends CommonOptions, KdcOption {
  readonly principal: string
  readonly password: string
  /** Keeps salt and parameters after the first login. A `Map` will do. */
  readonly parametersCache?: ParametersCache
  /**
   * Told how much of the password's work is done, from 0 to 1, so that a page can show it: it takes a second or two there.
   * Node tells the end alone.
   */
  readonly onProgress?: (done: number) => void
  /**
   * Browsers only: keeps the login, so that other pages of this origin can use it with `login: true`. `tabs`: in the memory of the
   * pages that are open, until the last one is closed. `storage`: in IndexedDB too, so that it outlives the browser; it
   * is sealed under a key that no script can copy. Either way **every script of this origin can be this person** until
   * the login ends (docs/browsers.md). The key of the password is forgotten. Default: nothing is kept.
   */
  readonly keepLogin?: 'tabs' | 'storage'
  /**
   * Called when the person has logged out in another page of this origin, or by another realm of this page; the realm is closed
   * then. Needs `keepLogin`.
   */
  readonly onLogout?: () => void
  /** Allows a login over `ws://` to another machine. Anybody who listens can then guess the password offline. */
  readonly allowPasswordOverPlainWebSocket?: boolean
  readonly keytab?: never
  readonly credential?: never
  readonly login?: never
}

/**
 * The login of the person who runs the program, as `orthrus login` made it (docs/people.md); in a browser that of the pages
 * of this origin, as `keepLogin` made it (docs/browsers.md).
 */
export interface KeptLogin extends CommonOptions, Partial<KdcOption> {
  /** `ann@demo.example`, or `true` for the only login, or the only one in `realm`. Its file names the KDCs. */
  readonly login: string | true
  /** In a browser, called when the person has logged out in another page, or by another realm of this one; the realm is closed then. */
  readonly onLogout?: () => void
  /** The folder that logins are kept in. Default: that of `orthrus login`, by the environment of the process. */
  readonly loginFolder?: string
  readonly keytab?: never
  readonly principal?: never
  readonly password?: never
  readonly credential?: never
}

/** A login with a credential that another party handed on, without a key of the client's own. */
export interface CredentialLogin extends CommonOptions, Partial<KdcOption> {
  /** `orthrus1_...`, made from a TGT, which needs the KDC, or from a ticket for one service, which does not. */
  readonly credential: string
  /**
   * Must be set to true. Without a key of the client's own, this login proves neither the KDC nor a service: whoever
   * handed the credential on knows its key, and can answer in their place (docs/protocol.md section 8, "Hand-off").
   */
  readonly allowBearerCredential?: boolean
  readonly keytab?: never
  readonly principal?: never
  readonly password?: never
  readonly login?: never
}

export type ConnectOptions = KeytabLogin | PasswordLogin | KeptLogin | CredentialLogin

const KNOWN: KnownOptions<ConnectOptions> = {
  kdc: true,
  keytab: true,
  join: true,
  instance: true,
  allowJoinOverPlainWebSocket: true,
  principal: true,
  password: true,
  credential: true,
  allowBearerCredential: true,
  login: true,
  loginFolder: true,
  services: true,
  allowUnprotected: true,
  realm: true,
  allowReadableKeytab: true,
  rotation: true,
  allowPasswordOverPlainWebSocket: true,
  parametersCache: true,
  onProgress: true,
  keepLogin: true,
  onLogout: true,
  maxRequest: true,
  maxResponse: true,
  timeouts: true,
  wait: true,
  keepProcessAlive: true,
  signal: true,
  clock: true,
  timers: true,
  random: true,
  logger: true,
  onEvent: true,
  tracing: true,
  fetch: true,
}
const KNOWN_TIMEOUTS: KnownOptions<Timeouts> = {
  connect: true,
  exchange: true,
  silence: true,
  call: true,
}
const KNOWN_KEYTAB: KnownOptions<KeytabText> = { text: true }

/** @throws TypeError for an option that does not exist, and for what tells and traces if it cannot */
export function requireConnectOptions(options: ConnectOptions): void {
  requireKnownOptions('connect', options, KNOWN)
  const { keytab, timeouts } = options
  if (timeouts !== undefined) requireKnownOptions('timeouts of connect', timeouts, KNOWN_TIMEOUTS)
  if (typeof keytab === 'object') requireKnownOptions('keytab of connect', keytab, KNOWN_KEYTAB)
  requireOnEvent('connect', options.onEvent)
  requireTracing('connect', options.tracing)
}

const RARE = ['login', 'keepLogin', 'onLogout', 'rotation', 'join'] as const

/** Whether `requireRareOptions` has something to look at. */
export function hasRareOptions(options: ConnectOptions): boolean {
  return RARE.some(name => name in options)
}

export function isPasswordLogin(options: ConnectOptions): options is PasswordLogin {
  return options.password !== undefined
}
