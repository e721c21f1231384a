import { findLogin } from '#kept-login'
import { openSocket } from '#websocket'
import { type Principal, principalIn, realmOf, requireSameRealm } from '../shared/principal.js'
import { abortable } from '../shared/timers.js'
import { TicketCache } from './cache/ticket-cache.js'
import { loginSource, type SourceOptions, type TicketSource } from './cache/ticket-source.js'
import { type IdentityContext, identityFrom, kdcsOfKeytab } from './connect-identity.js'
import {
  type ConnectOptions,
  hasRareOptions,
  isPasswordLogin,
  type KeptLogin,
  requireConnectOptions,
} from './connect-options.js'
import { type Settings, settingsFrom } from './connect-settings.js'
import { originsFrom, urlsFrom } from './connect-urls.js'
import { ClockCheck } from './kdc-link/clock-check.js'
import { KdcConnection } from './kdc-link/connection.js'
import { KdcFailover } from './kdc-link/failover.js'
import { KdcClock } from './kdc-link/kdc-clock.js'
import { streamTellingOtherVersion, tellingOtherVersion } from './kdc-link/other-version.js'
import { RefusalMemory } from './kdc-link/refusal-memory.js'
import type { OpenSocket } from './kdc-link/socket.js'
import type { WaitOptions } from './kdc-link/wait-for-kdc.js'
import type { FoundLogin } from './kept-login/find-login.js'
import { Realm, type RealmParts, whenClosed } from './realm.js'
import { Presenter } from './request/presenter.js'
import { ServiceTimes } from './request/service-times.js'
import type { UnprotectedOrigins } from './request/unprotected.js'

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
  if (hasRareOptions(options)) (await import('./connect-rare-options.js')).requireRareOptions(options)
  options.signal?.throwIfAborted()
  if (options.login !== undefined) {
    const found = await findLogin(options)
    return connectNow(openSocket, { ...options, kdc: options.kdc ?? found.kdc }, found)
  }
  if (isPasswordLogin(options) && options.keepLogin !== undefined) {
    const { connectKeeping } = await import('./connect-keeping.js')
    return connectKeeping(options, options.keepLogin, (...given) => connectNow(openSocket, ...given))
  }
  if (options.keytab === undefined) return connectNow(openSocket, options)
  const { join = '', ...rest } = options
  if (join === '') return connectNow(openSocket, rest)
  // A host joins once, so nothing of it is loaded before.
  const { connectJoining } = await import('./join/connect-joining.js')
  return connectJoining(join, rest, login => connectNow(openSocket, login))
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

async function connectNow(
  openSocket: OpenSocket,
  options: ConnectOptions,
  found?: FoundLogin,
): Promise<Realm> {
  const settings = settingsFrom(options)
  if (options.tracing !== undefined) await settings.telemetry.trace(options.tracing)
  const urls = urlsFrom({ ...options, kdc: options.kdc ?? (await kdcsOfKeytab(options)) })
  const connection = new KdcConnection({ ...settings, urls, openSocket })
  const failover = new KdcFailover({ ...settings, connection })
  const exchange = tellingOtherVersion(message => failover.exchange(message), settings.logger)
  const refusals = new RefusalMemory({ ...settings, max: KEPT_MAX })
  const sourcing = { ...settings, exchange, refusals, time: new KdcClock(settings.clock) }
  const source = found?.source(sourcing) ?? (await sourceFrom(options, sourcing))
  settings.telemetry.principal = source.client
  const unprotected = await unprotectedFrom(options, settings)
  const made = { ...settings, ...sourcing, connection, source, openSocket, unprotected }
  const realm = new Realm(partsFrom(options, made))
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

async function reachKdc(connection: KdcConnection, options: WaitOptions): Promise<void> {
  if (options.wait === 0) return abortable(connection.open(), options.signal)
  const { waitForKdc } = await import('./kdc-link/wait-for-kdc.js')
  return waitForKdc(connection, options)
}

/** The realm is closed when the person logs out elsewhere. */
function endWithLogin(realm: Realm, found: FoundLogin, options: ConnectOptions): void {
  const stop = found.whenEnded?.(() => {
    realm.close()
    if ('onLogout' in options) options.onLogout?.()
  })
  if (stop !== undefined) whenClosed(realm, stop)
}

async function sourceFrom(
  options: ConnectOptions,
  sourcing: SourceOptions & IdentityContext,
): Promise<TicketSource> {
  // It has its source already.
  if (options.login !== undefined) throw new TypeError('no login was found')
  if (options.credential !== undefined) {
    const { credentialSource } = await import('./cache/credential-source.js')
    return credentialSource(options.credential, options.allowBearerCredential === true, sourcing)
  }
  return loginSource(await identityFrom(options, sourcing), sourcing)
}

async function unprotectedFrom(
  options: ConnectOptions,
  settings: Settings,
): Promise<UnprotectedOrigins | undefined> {
  if (options.allowUnprotected === undefined) return undefined
  const { unprotectedOf } = await import('./connect-unprotected.js')
  return unprotectedOf(options, settings)
}

function partsFrom(
  options: ConnectOptions,
  made: Settings &
    SourceOptions &
    Pick<RealmParts, 'connection' | 'source'> & {
      readonly openSocket: OpenSocket
      readonly unprotected: UnprotectedOrigins | undefined
    },
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
    http: made,
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
