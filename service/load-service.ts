import { readKeytabFile } from '#keytab-file'
import type { ReplayCache } from '../shared/accept/replay.js'
import { requireJoin } from '../shared/keytab/join-option.js'
import { type KeytabEntry, parseKeytab, selectPrincipal } from '../shared/keytab/keytab.js'
import type { Logger } from '../shared/logger.js'
import { copyOptions, requireKnownOptions } from '../shared/options.js'
import { createOwnerLogger } from '../shared/owner-logger.js'
import { isReserved, type Principal, parsePrincipal, principalIn, realmOf } from '../shared/principal.js'
import { failsafeTracing } from '../shared/telemetry/failsafe-tracing.js'
import { type Clock, systemClock } from '../shared/time.js'
import { systemTimers, type Timers } from '../shared/timers.js'
import { type FeedSettings, feedSettings } from './feed/feed-options.js'
import { withKdcs } from './feed/join-options.js'
import type { StartedFeed, StartFeedOptions } from './feed/start-feed.js'
import { KeyFile } from './key-file.js'
import { ServiceKeys } from './keys.js'
import {
  isReplayCache,
  isShared,
  isSharedReplayCache,
  LOAD_OPTIONS,
  type LoadServiceOptions,
  REPLAY_CACHE,
  requireLoadOptions,
  TICKET_CACHE,
} from './load-options.js'
import type { Holding } from './lock/key-lock.js'
import { KeyLocks } from './lock/key-locks.js'
import { MachineReplayCache } from './replay/machine-cache.js'
import { BoundedReplayCache } from './replay/replay-cache.js'
import type { OpenReplayCache } from './replay/shared-cache.js'
import type { Report } from './report/events.js'
import { ServiceTelemetry } from './report/telemetry.js'
import type { ServiceGauges } from './request/metrics.js'
import { PeersWithoutTicket } from './request/peers-without-ticket.js'
import { createService, type Service } from './request/service.js'
import { beginRun } from './restart/begin-run.js'
import { ServiceTicketOpener } from './ticket-opener.js'

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
  requireKnownOptions('loadService', given, LOAD_OPTIONS)
  const options = await withKdcs(given)
  requireLoadOptions(options)
  const following = feedSettings(options)
  const { clock = systemClock, logger = ownerLogger, timers = systemTimers } = options
  if (requireJoin('loadService', given) !== undefined) {
    const { joinService } = await import('./feed/join-service.js')
    await joinService({ ...given, clock, timers, logger })
  }
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
  const telemetry = new ServiceTelemetry({
    service: principal,
    logger,
    ownerLogger,
    onEvent: options.onEvent,
  })
  const { report } = telemetry
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
  if (isOpened(replayCache, options)) undo.push(() => replayCache.close())
  const { allowReadableKeytab = false, rotation } = options
  const keyFile = new KeyFile({ ...common, path, locks, allowReadableKeytab, onLocked: run.keyCame })
  if (rotation !== undefined) await keyFile.requireChangeable()
  const own = { keytab: path, allowReadableKeytab, rotates: rotation !== undefined, keyFile, entries }
  const feed = following && (await follow({ ...following, ...common, ...own }))
  return createService({
    principal,
    realm: realmOf(principal),
    keys,
    tickets,
    replayCache,
    clock,
    timers,
    report,
    telemetry,
    tracing:
      options.tracing &&
      failsafeTracing(options.tracing, err => report({ kind: 'hook_failed', hook: 'tracing', err })),
    gauges: () => gaugesOf(tickets, replayCache),
    revocation: feed?.revocation,
    background: feed?.background,
    closing: { isClosed: false, ends: new Set() },
    withoutTicket: new PeersWithoutTicket(clock, report),
    ended: async () => {
      if (isOpened(replayCache, options)) replayCache.close()
      await run.end(replayCache instanceof BoundedReplayCache ? replayCache.end() : undefined)
      locks?.release()
    },
    hasKeyFor: refusal => keyFile.hasKeyFor(refusal),
  })
}

/** Only a service that follows its KDC is a client: another one does not load what a client is. */
async function follow(options: StartFeedOptions): Promise<StartedFeed> {
  const { startFeed } = await import('./feed/start-feed.js')
  return startFeed(options)
}

function gaugesOf(tickets: ServiceTicketOpener, replayCache: ReplayCache): ServiceGauges {
  const { size, hits, misses } = tickets
  const ticketCache = Object.freeze({ tickets: size, hits, misses })
  if (!(replayCache instanceof BoundedReplayCache)) return { ticketCache, replayCache: undefined }
  const { size: entries, capacity, bytes } = replayCache
  return { ticketCache, replayCache: Object.freeze({ entries, capacity, bytes }) }
}

/** Whether it was opened here, and so is closed here. */
function isOpened(cache: ReplayCache, { replayCache }: LoadServiceOptions): cache is OpenReplayCache {
  return 'close' in cache && !isReplayCache(replayCache)
}

/** Processes that share a replay cache share the keys; one that keeps its cache to itself has them alone. */
function locksFor(
  principal: Principal,
  { replayCache, allowReplayAcrossProcesses = false }: LoadServiceOptions,
): KeyLocks | undefined {
  if (allowReplayAcrossProcesses) return undefined
  return new KeyLocks(principal, holdingOf(replayCache))
}

function holdingOf(option: LoadServiceOptions['replayCache']): Holding {
  if (!isShared(option)) return 'alone'
  return isReplayCache(option) || isSharedReplayCache(option) ? 'shared' : 'machine'
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
): Promise<ReplayCache | OpenReplayCache> {
  if (isReplayCache(option)) return option
  if (isSharedReplayCache(option)) return await option.openReplayCache(parts)
  const { shared, ...settings } = copyOptions(option ?? {}, REPLAY_CACHE)
  if (shared !== undefined) return await MachineReplayCache.open({ ...parts, ...settings })
  const { clock, report } = parts
  const initial = floor === undefined ? {} : { floor }
  return new BoundedReplayCache({ clock, onWarning: report, ...settings, ...initial })
}
