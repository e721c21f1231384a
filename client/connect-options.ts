import { readKeytabFile } from '#keytab-file'
import type { RandomSource } from '../shared/crypto/random.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../shared/keytab/keytab.js'
import type { Logger } from '../shared/logger.js'
import { type KnownOptions, requireKnownOptions } from '../shared/options.js'
import { type Principal, parsePrincipal, parseRealm, principalIn, realmOf } from '../shared/principal.js'
import { shownUrl } from '../shared/shown-url.js'
import type { Clock, Duration } from '../shared/time.js'
import type { Timers } from '../shared/timers.js'
import type { Exchanged } from './kdc-link/connection.js'
import { type Identity, keytabIdentity } from './login/identity.js'
import { isPrivateUrl, type ParametersCache, passwordIdentity } from './login/password.js'

interface KdcOption {
  /** `ws://` or `wss://` URLs of the realm's KDC; the next is tried when one cannot be reached. */
  readonly kdc: string | readonly string[]
}

/** Milliseconds. */
export interface Timeouts {
  readonly connect?: number
  readonly exchange?: number
  readonly call?: number
}

interface KeytabText {
  readonly text: string
}

interface CommonOptions {
  /** Which services are at which origins: `{ 'http://127.0.0.1:8080': 'orders' }`. */
  readonly services?: Readonly<Record<string, string>>
  /** The realm that a short `principal` is of, where nothing else says so. */
  readonly realm?: string
  /** The largest bodies of `realm.fetch`, bytes; 8 MiB each. */
  readonly maxRequest?: number
  readonly maxResponse?: number
  /** Milliseconds: to reach a KDC (5 s), for its answer (3 s; another KDC is asked after 1 s), for that of an administrative call (30 s). */
  readonly timeouts?: Timeouts
  /** For how long `connect` waits for a KDC that cannot be reached yet, as `'30s'`. Default: not at all. */
  readonly wait?: Duration
  /** Whether an idle connection to the KDC keeps the process alive. Default false; what is waited for always does. */
  readonly keepProcessAlive?: boolean
  /** Ends the attempt to connect; no more than that. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: RandomSource
  /** Default: warnings and errors go to standard error, at most ten a minute. A pino logger fits. */
  readonly logger?: Logger
  /** In place of the platform's, as with an agent of one's own. */
  readonly fetch?: typeof globalThis.fetch
}

export interface KeytabLogin extends CommonOptions, KdcOption {
  /** The path of a keytab, or its text. */
  readonly keytab: string | KeytabText
  /** Takes a keytab that others on this machine can read, as containers mount secrets. */
  readonly allowReadableKeytab?: boolean
  /** Which of the keytab's principals; needed where it has several. */
  readonly principal?: string
  readonly password?: never
  readonly credential?: never
}

export interface PasswordLogin extends CommonOptions, KdcOption {
  readonly principal: string
  readonly password: string
  /** Where salt and parameters are kept after the first login; a `Map` is one. */
  readonly parametersCache?: ParametersCache
  /** Logs in over `ws://` to other machines too: whoever listens there can try passwords. */
  readonly allowPasswordOverPlainWebSocket?: boolean
  readonly keytab?: never
  readonly credential?: never
}

/** With what another party handed on, and no key of one's own. */
export interface CredentialLogin extends CommonOptions, Partial<KdcOption> {
  /** `orthrus1_...`: of a TGT, which needs the KDC, or of a ticket for one service, which does not. */
  readonly credential: string
  /**
   * Must be set. Without a key of one's own beside it the credential proves nobody else: whoever handed it on knows its
   * key, and can answer in a service's or the KDC's place (docs/protocol.md section 8, "Hand-off").
   */
  readonly allowBearerCredential?: boolean
  readonly keytab?: never
  readonly principal?: never
  readonly password?: never
}

export type ConnectOptions = KeytabLogin | PasswordLogin | CredentialLogin

const KNOWN: KnownOptions<ConnectOptions> = {
  kdc: true,
  keytab: true,
  principal: true,
  password: true,
  credential: true,
  allowBearerCredential: true,
  services: true,
  realm: true,
  allowReadableKeytab: true,
  allowPasswordOverPlainWebSocket: true,
  parametersCache: true,
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
  fetch: true,
}
const KNOWN_TIMEOUTS: KnownOptions<Timeouts> = { connect: true, exchange: true, call: true }
const KNOWN_KEYTAB: KnownOptions<KeytabText> = { text: true }

/** @throws TypeError for an option that does not exist */
export function requireConnectOptions(options: ConnectOptions): void {
  requireKnownOptions('connect', options, KNOWN)
  const { keytab, timeouts } = options
  if (timeouts !== undefined) requireKnownOptions('timeouts of connect', timeouts, KNOWN_TIMEOUTS)
  if (typeof keytab === 'object') requireKnownOptions('keytab of connect', keytab, KNOWN_KEYTAB)
}

/** @throws TypeError */
export function urlsFrom(options: ConnectOptions): string[] {
  const urls = typeof options.kdc === 'string' ? [options.kdc] : [...(options.kdc ?? [])]
  if (urls.length === 0 && options.credential !== undefined) return urls
  if (urls.length === 0) throw new TypeError("name the KDC: connect({ kdc: 'ws://127.0.0.1:8750', ... })")
  const plain = isPasswordLogin(options) && options.allowPasswordOverPlainWebSocket !== true
  for (const text of urls) {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || !/^wss?:$/.test(url.protocol) || url.hash !== '') {
      throw new TypeError(`not the URL of a KDC: ${JSON.stringify(shownUrl(text))}; ${betterUrl(text)}`)
    }
    if (plain && !isPrivateUrl(url)) {
      throw new TypeError(
        `a password is not used over ${shownUrl(text)}, where whoever listens can try passwords: use wss://, or allowPasswordOverPlainWebSocket: true`,
      )
    }
  }
  return urls
}

function betterUrl(text: string): string {
  const better = text.replace(/^http(?=s?:)/, 'ws').replace(/^(?!\w+:\/)(?=.)/, 'ws://')
  const isBetter = better !== text && /^wss?:/.test(better) && URL.canParse(better)
  return isBetter ? `write ${JSON.stringify(shownUrl(better))}` : 'write ws://127.0.0.1:8750 or wss://...'
}

function isPasswordLogin(options: ConnectOptions): options is PasswordLogin {
  return options.password !== undefined
}

/** @throws OrthrusError `keytab_invalid`. @throws TypeError */
export async function identityFrom(
  options: KeytabLogin | PasswordLogin,
  exchange: (message: Uint8Array) => Promise<Exchanged>,
): Promise<Identity> {
  if (isPasswordLogin(options)) return passwordFrom(options, exchange)
  const { keytab, allowReadableKeytab = false } = options
  if (keytab === undefined) throw new TypeError("say who this is: connect({ keytab: 'web.keytab', ... })")
  const text =
    typeof keytab === 'string' ? await readKeytabFile(keytab, { allowReadableKeytab }) : keytab.text
  const entries = parseKeytab(text, typeof keytab === 'string' ? keytab : undefined)
  const keys = selectPrincipal(entries, principalAmong(entries, options))
  return keytabIdentity(keys as [KeytabEntry, ...KeytabEntry[]])
}

function principalAmong(
  entries: readonly KeytabEntry[],
  { principal, realm }: KeytabLogin,
): Principal | undefined {
  if (principal === undefined) return undefined
  if (realm !== undefined) return principalIn(parseRealm(realm), principal)
  const [first] = entries
  return first === undefined ? parsePrincipal(principal) : principalIn(realmOf(first.principal), principal)
}

function passwordFrom(
  { principal, password, realm, parametersCache = new Map() }: PasswordLogin,
  exchange: (message: Uint8Array) => Promise<Exchanged>,
): Identity {
  const client = realm === undefined ? parsePrincipal(principal) : principalIn(parseRealm(realm), principal)
  return passwordIdentity({ client, password, parametersCache, exchange })
}

/** Origins as URLs have them. @throws TypeError */
export function originsFrom({ services = {} }: ConnectOptions): (readonly [origin: string, name: string])[] {
  return Object.entries(services).map(([text, name]) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) {
      throw new TypeError(`not an origin: ${JSON.stringify(shownUrl(text))}; write http://127.0.0.1:8080`)
    }
    return [url.origin, name]
  })
}
