import { findLogin } from '#kept-login'
import { isKeytabThere } from '#keytab-file'
import { openSocket } from '#websocket'
import { requireJoin } from '../shared/keytab/join-option.js'
import { type Principal, principalIn, realmOf, requireSameRealm } from '../shared/principal.js'
import { TicketCache } from './cache/ticket-cache.js'
import {
  credentialSource,
  loginSource,
  type SourceOptions,
  type TicketSource,
} from './cache/ticket-source.js'
import { type IdentityContext, identityFrom, kdcsOfKeytab } from './connect-identity.js'
import { connectKeeping, endWithLogin } from './connect-keeping.js'
import {
  type ConnectOptions,
  isPasswordLogin,
  type KeptLogin,
  type KeytabLogin,
  requireConnectOptions,
} from './connect-options.js'
import { type Settings, settingsFrom } from './connect-settings.js'
import { originsFrom, unprotectedFrom, urlsFrom } from './connect-urls.js'
import type { JoinLogin } from './join/join.js'
import { ClockCheck } from './kdc-link/clock-check.js'
import { KdcConnection } from './kdc-link/connection.js'
import { KdcFailover } from './kdc-link/failover.js'
import { KdcClock } from './kdc-link/kdc-clock.js'
import { streamTellingOtherVersion, tellingOtherVersion } from './kdc-link/other-version.js'
import { reachKdc } from './kdc-link/reach.js'
import { RefusalMemory } from './kdc-link/refusal-memory.js'
import type { OpenSocket } from './kdc-link/socket.js'
import type { FoundLogin } from './kept-login/find-login.js'
import { Realm, type RealmParts } from './realm.js'
import { Presenter } from './request/presenter.js'
import { ServiceTimes } from './request/service-times.js'
import { UnprotectedOrigins } from './request/unprotected.js'

export type { ConnectOptions } from './connect-options.js'
export type { Realm } from './realm.js'

/** Tuning: the largest number of tickets, of service clocks, and of refusals that are kept. */
const KEPT_MAX = 1_000

/**
 * Reads the keytab and connects to the KDC, but sends no request yet: the login happens together with the first ticket,
 * in one round trip (docs/protocol.md section 6).
 * @throws OrthrusError `keytab_invalid`; `realm_mismatch`; `unavailable` if no KDC is reached in time
 * @throws TypeError for invalid options
 */
export function connect(options: ConnectOptions): Promise<Realm> {
  return connectOver(openSocket, options)
}

/** `connect` over another kind of socket. */
export async function connectOver(openSocket: OpenSocket, options: ConnectOptions): Promise<Realm> {
  requireConnectOptions(options)
  options.signal?.throwIfAborted()
  if (options.login !== undefined) {
    const found = await findLogin(options)
    return connectNow(openSocket, { ...options, kdc: options.kdc ?? found.kdc }, found)
  }
  if (isPasswordLogin(options) && options.keepLogin !== undefined)
    return connectKeeping(options, options.keepLogin, (...given) => connectNow(openSocket, ...given))
  if (options.keytab === undefined) return connectNow(openSocket, options)
  const { join, instance, allowJoinOverPlainWebSocket, ...rest } = options
  const code = requireJoin('connect', options)
  if (code === undefined) return connectNow(openSocket, rest)
  const keytab = options.keytab as string
  const open = (login: JoinLogin): Promise<Realm> =>
    connectNow(openSocket, { ...withoutChanges(rest, login), ...login })
  const kdc = options.kdc ?? (await kdcsIfThere(rest))
  // A host joins once, so nothing of it is loaded before.
  const { joinOnce } = await import('./join/join.js')
  return joinOnce({ code, keytab, instance, allowJoinOverPlainWebSocket, kdc, open })
}

/**
 * `connect` with a login that was made before and is kept in memory, as the page of the console does.
 * @throws OrthrusError `unavailable`
 */
export function connectAs(
  found: FoundLogin,
  options: Omit<KeptLogin, 'login' | 'loginFolder' | 'kdc'> = {},
): Promise<Realm> {
  return connectNow(openSocket, { ...options, login: true, kdc: found.kdc }, found)
}

/** The KDCs that the keytab of a host that has joined names, if it names any. */
async function kdcsIfThere(login: KeytabLogin): Promise<readonly string[] | undefined> {
  const isThere = typeof login.keytab === 'string' && (await isKeytabThere(login.keytab))
  const named = isThere ? await kdcsOfKeytab(login) : []
  return named.length === 0 ? undefined : named
}

/** What concerns the host's own key does not concern that of its invitation. */
function withoutChanges({ principal, rotation, ...rest }: KeytabLogin, { keytab }: JoinLogin): KeytabLogin {
  if (keytab !== rest.keytab) return rest
  return {
    ...rest,
    ...(principal === undefined ? {} : { principal }),
    ...(rotation === undefined ? {} : { rotation }),
  }
}

async function connectNow(
  openSocket: OpenSocket,
  options: ConnectOptions,
  found?: FoundLogin,
): Promise<Realm> {
  const settings = settingsFrom(options)
  const urls = urlsFrom({ ...options, kdc: options.kdc ?? (await kdcsOfKeytab(options)) })
  const connection = new KdcConnection({ ...settings, urls, openSocket })
  const failover = new KdcFailover({ ...settings, connection })
  const exchange = tellingOtherVersion(message => failover.exchange(message), settings.logger)
  const refusals = new RefusalMemory({ ...settings, max: KEPT_MAX })
  const sourcing = { ...settings, exchange, refusals, time: new KdcClock(settings.clock) }
  const source = found?.source(sourcing) ?? (await sourceFrom(options, sourcing))
  settings.telemetry.principal = source.client
  const realm = new Realm(partsFrom(options, { ...settings, ...sourcing, connection, source, openSocket }))
  if (found !== undefined) endWithLogin(realm, found, options)
  try {
    // A credential for one service works without the KDC.
    if (source.held === undefined) await reachKdc(connection, { ...settings, signal: options.signal })
    if (options.keytab !== undefined && options.rotation !== undefined) {
      const { startRotation } = await import('./rotation/start-rotation.js')
      await startRotation(realm, { ...settings, path: options.keytab as string })
    }
    return realm
  } catch (cause) {
    realm.close()
    throw cause
  }
}

async function sourceFrom(
  options: ConnectOptions,
  sourcing: SourceOptions & IdentityContext,
): Promise<TicketSource> {
  // It has its source already.
  if (options.login !== undefined) throw new TypeError('no login was found')
  if (options.credential !== undefined)
    return credentialSource(options.credential, options.allowBearerCredential === true, sourcing)
  return loginSource(await identityFrom(options, sourcing), sourcing)
}

function partsFrom(
  options: ConnectOptions,
  made: Settings &
    SourceOptions &
    Pick<RealmParts, 'connection' | 'source'> & { readonly openSocket: OpenSocket },
): RealmParts {
  const { clock, timers, maxRequest, timeouts, time, connection, source } = made
  const { client, request } = source
  const check = new ClockCheck({ ...made, ask: () => request([], 0) })
  const trueTime = () => check.trueTime()
  const newTimes = () => new ServiceTimes(clock, time, KEPT_MAX)
  const tickets = new TicketCache({ ...made, ...source, trueTime, max: KEPT_MAX })
  const presenter = new Presenter({ ...made, client, tickets, newTimes, trueTime })
  return {
    source,
    now: () => time.now(),
    connection,
    telemetry: made.telemetry,
    openStream: streamTellingOtherVersion((...given) => connection.openStream(...given), made.logger),
    refusals: made.refusals,
    tickets,
    timers,
    presenter,
    http: { ...made, unprotected: new UnprotectedOrigins({ ...made, origins: unprotectedFrom(options) }) },
    channels: { ...made, presenter, now: () => time.now() },
    maxRequest,
    services: servicesFrom(options, client),
    callTimeout: timeouts.call,
  }
}

function servicesFrom(options: ConnectOptions, client: Principal): ReadonlyMap<string, Principal> {
  const services = new Map<string, Principal>()
  for (const [origin, name] of originsFrom(options)) {
    const service = principalIn(realmOf(client), name)
    requireSameRealm(realmOf(client), service)
    const other = services.get(origin)
    if (other !== undefined && other !== service)
      throw new TypeError(`services maps ${origin} to ${other} and to ${service}: keep one of the two`)
    services.set(origin, service)
  }
  return services
}
