import type { Logger } from '../../shared/logger.js'
import type { Report, ServiceEvent } from './events.js'

type Level = 'debug' | 'info' | 'warn' | 'error'

const LINE: { readonly [Kind in ServiceEvent['kind']]: readonly [level: Level, message: string] } = {
  accepted: ['info', 'a request was accepted'],
  challenged: ['info', 'a request without credentials was challenged'],
  passed_without_ticket: [
    'warn',
    'requests without a ticket pass, as permitWithoutTicket says: their sender has still to move',
  ],
  refused: ['info', 'a request was refused'],
  replayed: ['info', 'a request came again and was refused'],
  unchecked: ['error', 'a request could not be checked'],
  aborted: ['debug', 'the client went away before its request was whole'],
  body_broken: ['warn', 'a sealed body broke: its handler got an error in place of the rest'],
  response_failed: ['error', 'a handler failed'],
  response_encoded: ['warn', 'a response has content-encoding: clients of Orthrus refuse it'],
  hook_failed: ['error', 'a function given to loadService, requireTicket or acceptChannels threw'],
  channel_ended: ['info', 'a channel ended'],
  channel_handler_failed: ['error', 'what handled a channel failed'],
  handshake_refused: ['debug', 'a connection that opened no channel was closed'],
  wrong_event: ['error', 'requireTicket listens to an event that has no response: the connection was closed'],
  origin_refused: ['info', 'a page of an origin that cors does not name may not call'],
  clock_went_back: ['error', "this machine's clock went back: nothing is accepted until it is right"],
  clock_leapt: [
    'warn',
    "this machine's clock was set, or the machine was suspended: requests stamped up to the floor are refused",
  ],
  replay_cache_full: ['warn', 'the replay cache is full: requests that took long are refused'],
  feed_connected: ['info', "has everything that is in the KDC's log of what is revoked, and follows it"],
  feed_ended: ['info', 'the feed of revocations ended, and is opened again'],
  feed_failed: ['warn', 'cannot follow what the KDC revokes, and tries again'],
  feed_stale: [
    'error',
    'no KDC has confirmed the revocations for too long: nothing is accepted until one does',
  ],
  feed_log_changed: [
    'warn',
    'the log of revocations is another one: the realm was restored, or this KDC has other data than the one before; orthrus doctor looks at each',
  ],
  feed_half_full: ['warn', 'half as many revocations as this service may hold: raise maxRevocations'],
  feed_full: [
    'error',
    'more revocations than this service may hold: nothing is accepted; raise maxRevocations',
  ],
  feed_not_loaded: ['warn', 'the saved revocations cannot be used: nothing is accepted until a KDC answers'],
  feed_not_saved: ['warn', 'the revocations could not be saved: the next start waits for a KDC'],
  key_revoked: ['warn', 'keys of this service were revoked: enrol it again, or give it a new keytab'],
  key_not_dropped: ['error', 'revoked keys could not be taken out of the keytab: remove them there'],
  key_not_locked: ['error', 'tickets under a new key are refused, because another process serves under it'],
  shared_cache_away: [
    'error',
    'no process of this machine answers for the shared replay cache: nothing is accepted until one does',
  ],
  redis_away: [
    'error',
    'the Redis server of the replay cache gives no answer that can be relied on: nothing is accepted until it does; check that it runs, that its client has the right address, and that one of node-redis was connected',
  ],
  redis_forgot: [
    'warn',
    'the Redis server lost what it had of the replay cache: requests stamped up to the floor are refused',
  ],
  redis_full: ['error', 'the replay cache is full: nothing is accepted; raise maxEntries'],
  redis_evicts: [
    'error',
    'the Redis server of the replay cache would forget requests when its memory is full: nothing is accepted; set its maxmemory-policy to noeviction',
  ],
  redis_clock_apart: [
    'error',
    'the clocks of this machine and of the Redis server are more than a minute apart: nothing is accepted',
  ],
  state_not_used: [
    'warn',
    'the saved state cannot be used: nothing stamped in the first six seconds is accepted',
  ],
  state_not_saved: [
    'warn',
    'the state could not be saved: the next start accepts nothing in its first six seconds',
  ],
  keytab_not_read: ['warn', 'a ticket is under a newer key, and the keytab could not be read again'],
}

/** What one client did is not a warning: anybody can be refused as often as they like. */
const OWNER_MUST_ACT = ['warn', 'a request was refused for a reason that lies with this service'] as const

/** The kinds of all events. */
export const SERVICE_EVENT_KINDS = Object.keys(LINE) as readonly ServiceEvent['kind'][]

/**
 * Writes each event as one line. Events of one kind have the same message, so that they can be counted together.
 * Exported as `logServiceEvents`, it fits `onEvent` of `loadService` and a channel of `node:diagnostics_channel`.
 * @param logger a pino logger fits
 */
export function logTo(logger: Logger): Report {
  return event => {
    const mustAct = event.kind === 'refused' && event.ownerMustAct
    const [level, message] = mustAct ? OWNER_MUST_ACT : LINE[event.kind]
    logger[level](event, message)
  }
}
