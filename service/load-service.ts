import { readKeytabFile } from '#keytab-file'
import type { ReplayCache } from '../shared/accept/replay.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../shared/keytab/keytab.js'
import { requireRotation } from '../shared/keytab/rotation-option.js'
import type { Logger } from '../shared/logger.js'
import { copyOptions, type KnownOptions, requireKnownOptions } from '../shared/options.js'
import { createOwnerLogger } from '../shared/owner-logger.js'
import { isReserved, type Principal, parsePrincipal, principalIn, realmOf } from '../shared/principal.js'
import { type Clock, systemClock } from '../shared/time.js'
import { systemTimers, type Timers } from '../shared/timers.js'
import { FEED_OPTIONS, type FeedOptions, type FeedSettings, feedSettings } from './feed/feed-options.js'
import { JOIN_OPTIONS, type JoinOptions, joinService, withKdcOfCode } from './feed/join-service.js'
import { startFeed } from './feed/start-feed.js'
import { KeyFile } from './key-file.js'
import { ServiceKeys } from './keys.js'
import { KeyLocks } from './lock/key-locks.js'
import { MachineReplayCache } from './replay/machine-cache.js'
import { BoundedReplayCache } from './replay/replay-cache.js'
import type { Report } from './report/events.js'
import { logTo } from './report/log.js'
import { createService, type Service } from './request/service.js'
import { beginRun } from './restart/begin-run.js'
import { ServiceTicketOpener } from './ticket-opener.js'

export interface LoadServiceOptions extends FeedOptions, JoinOptions {
  /** The path of a keytab, or its text. */
  readonly keytab: string | { readonly text: string }
  /** Which of the keytab's principals. A short name means its realm. May be left out if the keytab has only one. */
  readonly service?: string
  /** Takes a keytab file that others can read, as containers mount secrets. Default false. */
  readonly allowReadableKeytab?: boolean
  /**
   * `automatic`: the key is changed in the keytab file when the KDC says that it is due, without interrupting anything.
   * Needs `kdc` or `join`, and a folder of the keytab that can be written; this must be the only copy of the keytab
   * (docs/protocol.md section 12). By default the key stays as it is.
   */
  readonly rotation?: 'automatic'
  /** Default: the machine's clocks. */
  readonly clock?: Clock
  /** Default: warnings and errors go to standard error, a few lines a minute. A pino logger fits. */
  readonly logger?: Logger
  /**
   * Its size in bytes (default 64 MiB), and `shared: 'machine'` if all processes of the service on this machine share one
   * (docs/several-processes.md). Or a cache that several processes with one key share: among all of them it must admit
   * each request once, with one floor (docs/protocol.md section 8, "Floor").
   */
  readonly replayCache?: { readonly maxBytes?: number; readonly shared?: 'machine' } | ReplayCache
  /**
   * The path of a file in which `service.close()` leaves what the next start needs to accept at once, instead of nothing
   * stamped in its first six seconds. Of this process alone; it is removed when it is read, so that a start after any
   * other end has the six seconds. Not with a replay cache that is shared, nor with `allowReplayAcrossProcesses`.
   */
  readonly state?: string
  /**
   * Serves although another process of this machine may serve under the same key, with a replay cache of its own: each of
   * them accepts a copy of the same request. For tests that start a service twice. Default false.
   */
  readonly allowReplayAcrossProcesses?: boolean
  /** How many opened tickets are remembered. Default 4096. */
  readonly ticketCache?: { readonly entries?: number }
  /** For tests. Default: the platform's timers. */
  readonly timers?: Timers
}

const KNOWN: KnownOptions<LoadServiceOptions> = {
  keytab: true,
  service: true,
  allowReadableKeytab: true,
  rotation: true,
  clock: true,
  logger: true,
  replayCache: true,
  state: true,
  allowReplayAcrossProcesses: true,
  ticketCache: true,
  timers: true,
  ...FEED_OPTIONS,
  ...JOIN_OPTIONS,
}

const REPLAY_CACHE = { maxBytes: true, shared: true } as const
const TICKET_CACHE = { entries: true } as const

/** One for the process, as it has one standard error. */
const ownerLogger = createOwnerLogger({ name: 'orthrus service', clock: systemClock })

/**
 * The service that handlers are protected for: one principal, with every kvno that the keytab has of it. Load it
 * when the process begins to accept, and only once: its replay cache makes sure that a request is handled at most once.
 * @throws OrthrusError `keytab_invalid`
 * @throws OrthrusError `unavailable` if another process of this machine serves under one of its keys
 * @throws TypeError if an option does not exist or cannot be meant so, or if the principal is the KDC's own
 */
export async function loadService(given: LoadServiceOptions): Promise<Service> {
  requireKnownOptions('loadService', given, KNOWN)
  const options = withKdcOfCode(given)
  requireOptions(options)
  const following = feedSettings(options)
  const { clock = systemClock, logger = ownerLogger, timers = systemTimers } = options
  await joinService({ ...given, clock, timers, logger })
  const path = typeof options.keytab === 'string' ? options.keytab : undefined
  const entries = parseKeytab(await readKeytab(options), path)
  const selected = selectPrincipal(entries, principalOf(entries, options.service), path)
  const principal = (selected[0] as KeytabEntry).principal
  if (isReserved(principal)) throw new TypeError(`${principal} is the KDC's own: no service is loaded for it`)
  const locks = locksFor(principal, options)
  const undo: (() => void)[] = []
  const loading = {
    options,
    clock,
    logger,
    timers,
    principal,
    path,
    entries: selected,
    following,
    locks,
    undo,
  }
  try {
    // Before the replay cache is made: its floor is that of a start after the end of whoever had the locks before.
    for (const { key } of selected) await locks?.take(key)
    return await load(loading)
  } catch (cause) {
    for (const step of undo) step()
    locks?.release()
    throw cause
  }
}

interface Loading {
  readonly options: LoadServiceOptions
  readonly clock: Clock
  readonly logger: Logger
  readonly timers: Timers
  readonly principal: Principal
  /** Of the keytab, unless it was given as text. */
  readonly path: string | undefined
  readonly entries: readonly KeytabEntry[]
  readonly following: FeedSettings | undefined
  readonly locks: KeyLocks | undefined
  /** What is to be ended if a later step fails. */
  readonly undo: (() => void)[]
}

async function load(loading: Loading): Promise<Service> {
  const { options, clock, logger, timers, principal, path, entries, following, locks, undo } = loading
  const report = logTo(logger)
  const keys = new ServiceKeys(entries)
  if (locks !== undefined) keys.onDrop(key => locks.drop(key))
  const tickets = new ServiceTicketOpener({
    service: principal,
    keys,
    clock,
    ...copyOptions(options.ticketCache ?? {}, TICKET_CACHE),
  })
  const run = await beginRun(options, { service: principal, keys, clock, report })
  const common = { service: principal, keys, clock, timers, logger, report }
  const replayCache = await replayCacheOf(options.replayCache, { ...common, floor: run.floor })
  if (replayCache instanceof MachineReplayCache) undo.push(() => replayCache.close())
  const { allowReadableKeytab = false, rotation } = options
  const keyFile = new KeyFile({ ...common, path, locks, allowReadableKeytab, onLocked: run.keyCame })
  if (rotation !== undefined) await keyFile.requireChangeable()
  const own = { keytab: path, allowReadableKeytab, rotates: rotation !== undefined, keyFile, entries }
  const feed = following && (await startFeed({ ...following, ...common, ...own }))
  return createService({
    principal,
    realm: realmOf(principal),
    keys,
    tickets,
    replayCache,
    clock,
    timers,
    report,
    revocation: feed?.revocation,
    background: feed?.background,
    closing: { isClosed: false, ends: new Set() },
    ended: async () => {
      if (replayCache instanceof MachineReplayCache) replayCache.close()
      await run.end(replayCache instanceof BoundedReplayCache ? replayCache.end() : undefined)
      locks?.release()
    },
    hasKeyFor: refusal => keyFile.hasKeyFor(refusal),
  })
}

/** Who shares a replay cache shares the keys with all who do; who keeps one to itself has them alone. */
function locksFor(
  principal: Principal,
  { replayCache, allowReplayAcrossProcesses = false }: LoadServiceOptions,
): KeyLocks | undefined {
  if (allowReplayAcrossProcesses) return undefined
  return new KeyLocks(principal, isShared(replayCache) ? 'shared' : 'alone')
}

function requireOptions(options: LoadServiceOptions): void {
  const { keytab, replayCache = {}, ticketCache = {} } = options
  if (typeof keytab === 'object' && keytab !== null) {
    requireKnownOptions('keytab of loadService', keytab, { text: true })
  }
  if (!isReplayCache(replayCache)) {
    requireKnownOptions('replayCache of loadService', replayCache, REPLAY_CACHE)
    if (replayCache.shared !== undefined && replayCache.shared !== 'machine') {
      throw new TypeError("shared, of replayCache of loadService, is 'machine'")
    }
  }
  requireKnownOptions('ticketCache of loadService', ticketCache, TICKET_CACHE)
  requireRotation('loadService', options)
  if (options.rotation !== undefined && options.kdc === undefined) {
    throw new TypeError('rotation of loadService needs kdc: the URL of the KDC that the key is changed at')
  }
  const { allowReplayAcrossProcesses } = options
  requireStateOption(options)
  if (allowReplayAcrossProcesses !== undefined && typeof allowReplayAcrossProcesses !== 'boolean') {
    throw new TypeError('allowReplayAcrossProcesses of loadService is true or false')
  }
}

function requireStateOption({ state, replayCache, allowReplayAcrossProcesses }: LoadServiceOptions): void {
  if (state === undefined) return
  if (typeof state !== 'string' || state === '')
    throw new TypeError('state of loadService is the path of a file')
  if (isShared(replayCache) || allowReplayAcrossProcesses === true) {
    throw new TypeError(
      'state of loadService is for a process that serves alone: what others accepted it cannot tell',
    )
  }
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

/** Whether other processes may have it too. */
function isShared(option: LoadServiceOptions['replayCache']): boolean {
  return isReplayCache(option) || option?.shared !== undefined
}

function isReplayCache(option: LoadServiceOptions['replayCache']): option is ReplayCache {
  return typeof option === 'object' && option !== null && 'admit' in option
}

interface CacheParts {
  readonly service: Principal
  readonly keys: ServiceKeys
  readonly clock: Clock
  readonly timers: Timers
  readonly report: Report
  /** Milliseconds; undefined for that of a start. */
  readonly floor: number | undefined
}

async function replayCacheOf(
  option: LoadServiceOptions['replayCache'],
  { floor, ...parts }: CacheParts,
): Promise<ReplayCache> {
  if (isReplayCache(option)) return option
  const { shared, ...settings } = copyOptions(option ?? {}, REPLAY_CACHE)
  if (shared !== undefined) return await MachineReplayCache.open({ ...parts, ...settings })
  const { clock, report } = parts
  const initial = floor === undefined ? {} : { floor }
  return new BoundedReplayCache({ clock, onWarning: report, ...settings, ...initial })
}
