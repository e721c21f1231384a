import { openSocket } from '#websocket'
import { fractionFrom } from '../shared/crypto/fraction.js'
import { systemRandom } from '../shared/crypto/random.js'
import { silentLogger } from '../shared/logger.js'
import { type Principal, principalIn, realmOf, requireSameRealm } from '../shared/principal.js'
import { SECOND, systemClock } from '../shared/time.js'
import { abortable, systemTimers } from '../shared/timers.js'
import { TicketCache } from './cache/ticket-cache.js'
import {
  credentialSource,
  loginSource,
  type SourceOptions,
  type TicketSource,
} from './cache/ticket-source.js'
import {
  type ConnectOptions,
  identityFrom,
  originsFrom,
  requireConnectOptions,
  urlsFrom,
} from './connect-options.js'
import { KdcConnection } from './kdc-link/connection.js'
import { KdcTime } from './kdc-link/kdc-clock.js'
import type { OpenSocket } from './kdc-link/socket.js'
import { Realm, type RealmParts } from './realm.js'
import { Presenter } from './request/presenter.js'
import { ServiceTimes } from './request/service-times.js'

export type { ConnectOptions } from './connect-options.js'
export type { Realm } from './realm.js'

/** Tuning: how many tickets, and what is known of how many services' clocks, are kept. */
const KEPT_MAX = 1_000
const TIMEOUTS = { connect: 5 * SECOND, exchange: 5 * SECOND, call: 30 * SECOND } as const
const BODY_MAX = 8 * 1024 * 1024

/**
 * Reads the keytab and reaches the KDC, but asks it nothing yet: the first ticket comes together with the login, in
 * one round trip (docs/protocol.md section 6).
 * @throws OrthrusError `keytab_invalid`; `unavailable` where no KDC is reached; `realm_mismatch`
 * @throws TypeError for options that make no sense
 */
export function connect(options: ConnectOptions): Promise<Realm> {
  return connectOver(openSocket, options)
}

/** The same over another kind of socket. */
export async function connectOver(open: OpenSocket, options: ConnectOptions): Promise<Realm> {
  requireConnectOptions(options)
  options.signal?.throwIfAborted()
  const connection = connectionFrom(open, options)
  const { clock = systemClock, random = systemRandom, logger = silentLogger } = options
  const exchange = (message: Uint8Array) => connection.exchange(message)
  const sourcing = { exchange, time: new KdcTime(clock), random, logger }
  const source = await sourceFrom(options, sourcing)
  const realm = new Realm(partsFrom(options, connection, source, sourcing.time))
  try {
    // A credential for one service needs nothing of the KDC.
    if (source.held === undefined) await abortable(connection.open(), options.signal)
    return realm
  } catch (cause) {
    realm.close()
    throw cause
  }
}

function connectionFrom(openSocket: OpenSocket, options: ConnectOptions): KdcConnection {
  const { clock = systemClock, timers = systemTimers, random = systemRandom, logger = silentLogger } = options
  const timeouts = { ...TIMEOUTS, ...options.timeouts }
  const urls = urlsFrom(options)
  return new KdcConnection({
    urls,
    openSocket,
    clock,
    timers,
    fraction: fractionFrom(random),
    logger,
    timeouts,
  })
}

async function sourceFrom(options: ConnectOptions, sourcing: SourceOptions): Promise<TicketSource> {
  if (options.credential !== undefined) return credentialSource(options.credential, sourcing)
  return loginSource(await identityFrom(options, sourcing.exchange), sourcing)
}

function partsFrom(
  options: ConnectOptions,
  connection: KdcConnection,
  source: TicketSource,
  time: KdcTime,
): RealmParts {
  const { clock = systemClock, timers = systemTimers, random = systemRandom, logger = silentLogger } = options
  const { client } = source
  const newTimes = () => new ServiceTimes(clock, time, KEPT_MAX)
  const fraction = fractionFrom(random)
  const tickets = new TicketCache({ ...source, time, clock, timers, fraction, logger, max: KEPT_MAX })
  const presenter = new Presenter({ client, tickets, newTimes, timers, random, logger })
  const {
    fetch = (...args) => globalThis.fetch(...args),
    maxRequest = BODY_MAX,
    maxResponse = BODY_MAX,
  } = options
  return {
    source,
    now: () => time.now(),
    connection,
    tickets,
    timers,
    http: { presenter, fetch, clock, random, maxResponse },
    maxRequest,
    services: servicesFrom(options, client),
    callTimeout: options.timeouts?.call ?? TIMEOUTS.call,
  }
}

function servicesFrom(options: ConnectOptions, client: Principal): ReadonlyMap<string, Principal> {
  const services = new Map<string, Principal>()
  for (const [origin, name] of originsFrom(options)) {
    const service = principalIn(realmOf(client), name)
    requireSameRealm(realmOf(client), service)
    services.set(origin, service)
  }
  return services
}
