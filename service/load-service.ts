import { readKeytabFile } from '#keytab-file'
import type { ReplayCache } from '../shared/accept/replay.js'
import type { LongTermKey } from '../shared/crypto/keys.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../shared/keytab/keytab.js'
import { type Logger, silentLogger } from '../shared/logger.js'
import { isReserved, type Principal, parsePrincipal, principalIn, realmOf } from '../shared/principal.js'
import { type Clock, systemClock } from '../shared/time.js'
import { systemTimers, type Timers } from '../shared/timers.js'
import { BoundedReplayCache, type ReplayWarning } from './replay/replay-cache.js'
import { createService, type Service } from './request/service.js'
import { TicketCache } from './ticket-cache.js'

export interface LoadServiceOptions {
  /** The path of a keytab, or its text. */
  readonly keytab: string | { readonly text: string }
  /** Which of the keytab's principals; a short name means its realm. May be left out where it has one only. */
  readonly service?: string
  /** Takes a file that others can read, as containers mount secrets. Default false. */
  readonly allowReadableKeytab?: boolean
  /** Default: the machine's clocks. */
  readonly clock?: Clock
  /** Default: silence. A pino logger fits. */
  readonly logger?: Logger
  /**
   * Its size, in bytes (default 64 MiB), or a cache that several processes under one key share: it must admit each
   * request once, among all of them, with one floor (docs/protocol.md section 8, "Floor").
   */
  readonly replayCache?: { readonly maxBytes?: number } | ReplayCache
  /** How many opened tickets are remembered. Default 4096. */
  readonly ticketCache?: { readonly entries?: number }
  /** For tests. Default: the platform's timers. */
  readonly timers?: Timers
}

/**
 * The service that handlers are protected for: one principal, with every kvno that the keytab has of it. Load it
 * when the process begins to accept, and once: its replay cache is what makes a request be handled at most once.
 * @throws OrthrusError `keytab_invalid`
 * @throws TypeError where an option is no such thing, or the principal is the KDC's own
 */
export async function loadService(options: LoadServiceOptions): Promise<Service> {
  const { clock = systemClock, logger = silentLogger, timers = systemTimers } = options
  const entries = parseKeytab(await readKeytab(options))
  const selected = selectPrincipal(entries, principalOf(entries, options.service))
  const keys = new Map<number, LongTermKey>(selected.map(entry => [entry.kvno, entry.key]))
  const principal = (selected[0] as KeytabEntry).principal
  if (isReserved(principal)) throw new TypeError(`${principal} is the KDC's own: no service is loaded for it`)
  const tickets = new TicketCache({ service: principal, keys, clock, ...options.ticketCache })
  return createService({
    principal,
    realm: realmOf(principal),
    kvnos: [...keys.keys()],
    tickets,
    replayCache: replayCacheOf(options.replayCache, clock, logger),
    clock,
    logger,
    timers,
  })
}

async function readKeytab({ keytab, allowReadableKeytab = false }: LoadServiceOptions): Promise<string> {
  if (typeof keytab === 'string') return await readKeytabFile(keytab, { allowReadableKeytab })
  if (typeof keytab?.text === 'string') return keytab.text
  throw new TypeError('keytab is the path of a keytab, or { text }')
}

function principalOf(entries: readonly KeytabEntry[], name: string | undefined): Principal | undefined {
  if (name === undefined || name.includes('@')) return name === undefined ? undefined : parsePrincipal(name)
  const realms = new Set(entries.map(entry => realmOf(entry.principal)))
  const [realm] = realms
  if (realm !== undefined && realms.size === 1) return principalIn(realm, name)
  throw new TypeError(`the keytab has keys of ${[...realms].join(', ')}: write ${name}@realm`)
}

function replayCacheOf(option: LoadServiceOptions['replayCache'], clock: Clock, logger: Logger): ReplayCache {
  if (option !== undefined && 'admit' in option) return option
  const { maxBytes } = option ?? {}
  const onWarning = (warning: ReplayWarning): void => warn(logger, warning)
  return new BoundedReplayCache({ clock, onWarning, ...(maxBytes === undefined ? {} : { maxBytes }) })
}

function warn(logger: Logger, { kind, now, floor }: ReplayWarning): void {
  if (kind === 'clock_went_back') {
    logger.error(
      { kind, now, floor },
      "this machine's clock went back: nothing is accepted until it is right",
    )
  } else {
    logger.warn({ kind, now, floor }, 'the replay cache is full: requests that took long are refused')
  }
}
