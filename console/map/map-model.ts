import { type Signal, signal } from '@preact/signals'
import type { AuditLine } from '../../shared/administration/audit-line.js'
import { HOUR, MINUTE } from '../../shared/time.js'
import { failureOf } from '../parts/act.js'
import { FollowedLines } from '../session/followed-lines.js'
import type { Session } from '../session/session.js'
import { askOf, omittedIn, type Refusal, refusalOf } from './asks.js'
import {
  activityOf,
  type Clustering,
  clusterOf,
  type MapEdge,
  mapEdges,
  NODES_MAX,
  type NodeId,
} from './clusters.js'
import { Directory } from './directory.js'
import { FirstSeens } from './first-seen.js'
import { latest, readKnown, usesSince } from './past.js'
import { type Edge, Traffic } from './traffic.js'

/** The windows of time that there are to choose from, with their names, and as the audit log is asked for them. */
export const WINDOWS = [
  { window: 5 * MINUTE, name: '5 minutes', typed: '5m' },
  { window: 15 * MINUTE, name: '15 minutes', typed: '15m' },
  { window: HOUR, name: 'hour', typed: '1h' },
  { window: 24 * HOUR, name: '24 hours', typed: '24h' },
] as const

/** The map at one moment. Rates of its edges go on counting until the next one. */
export interface Picture {
  /** KDC time, milliseconds. */
  readonly at: number
  readonly window: number
  readonly pairs: readonly Edge[]
  readonly clustering: Clustering
  readonly lines: readonly MapEdge[]
  /** Requests refused as a whole, within the window, the newest first. */
  readonly refusals: readonly Refusal[]
  /** Lines that the KDC left out of its log, and pairs that the page did: both since the page was opened. */
  readonly omitted: number
  readonly unkept: number
}

/** How often the map is drawn at most, milliseconds: it is looked at by people. */
const PACE = 250
/** No more than this part of the time is spent on it. */
const SHARE = 20
/** How often it is decided anew at most which principals are drawn as one. */
const CLUSTER_PACE = 2_000
const REFUSALS_MAX = 1_000

/** What it depends on which principals are drawn as one. */
interface Basis {
  readonly pairs: readonly Edge[]
  readonly opened: ReadonlySet<NodeId>
  readonly version: number
  readonly most: number
}

export interface MapModelOptions {
  readonly session: Session
  /** Milliseconds of a clock that is never set. */
  readonly monotonic: () => number
}

/** Follows the log, and makes pictures of it when it is asked to. */
export class MapModel {
  readonly picture: Signal<Picture>
  /** What is read of the past at the moment, or why it could not be. */
  readonly past: Signal<'reading' | 'read' | { readonly failure: string }> = signal('reading')
  /** Grows when more of the log was compared. */
  readonly compared: Signal<number> = signal(0)
  readonly firstSeens = new FirstSeens()
  readonly directory = new Directory()
  readonly lines: FollowedLines
  readonly opened: Signal<ReadonlySet<NodeId>> = signal(new Set())
  readonly isPaused: Signal<boolean> = signal(false)
  readonly #options: MapModelOptions
  #traffic = new Traffic(HOUR)
  #refusals: Refusal[] = []
  #omitted = 0
  #most = NODES_MAX
  #isOver = false
  #drawn = Number.NEGATIVE_INFINITY
  #clustered = Number.NEGATIVE_INFINITY
  #cost = 0
  #basis: Basis | undefined

  constructor(options: MapModelOptions) {
    this.#options = options
    this.picture = signal(emptyPicture(options.session.now(), HOUR))
    this.lines = new FollowedLines(options.session, line => this.#hear(line))
  }

  get window(): number {
    return this.#traffic.window
  }

  /** Reads the past, once. */
  async begin(): Promise<void> {
    const { session } = this.#options
    void this.directory.read(session)
    await this.#readPast(this.#traffic)
    await this.#readReasons()
    await this.#compare()
  }

  /** Reads the past again, of another window. */
  async choose(window: number): Promise<void> {
    const traffic = new Traffic(window)
    this.#traffic = traffic
    this.#redraw()
    await this.#readPast(traffic)
  }

  /** Above how many nodes some are drawn as one: by the room that there is. */
  fit(most: number): void {
    this.#most = Math.min(NODES_MAX, most)
  }

  /** Draws the members of a node each by itself, or no longer. */
  toggle(node: NodeId): void {
    const opened = new Set(this.opened.value)
    if (!opened.delete(node)) opened.add(node)
    this.opened.value = opened
    this.#redraw()
  }

  pause(isPaused: boolean): void {
    this.isPaused.value = isPaused
    if (!isPaused) this.#redraw()
  }

  end(): void {
    this.#isOver = true
    this.lines.end()
  }

  /** Makes a picture if it is time for one. Call it once for each frame of the page. */
  frame(): void {
    const { monotonic } = this.#options
    const begin = monotonic()
    if (this.isPaused.value || begin - this.#drawn < Math.max(PACE, SHARE * this.#cost)) return
    this.picture.value = this.#pictured(begin)
    this.#drawn = begin
    this.#cost = monotonic() - begin
  }

  #pictured(begin: number): Picture {
    const at = this.#options.session.now()
    const traffic = this.#traffic
    const pairs = traffic.at(at)
    const { clustering, lines } = this.#clustering(pairs, begin)
    const since = at - traffic.window
    const refusals = this.#refusals.filter(refusal => refusal.at > since)
    const { unkept, window } = traffic
    return { at, window, pairs, clustering, lines, refusals, omitted: this.#omitted, unkept }
  }

  #clustering(pairs: readonly Edge[], begin: number): Pick<Picture, 'clustering' | 'lines'> {
    const basis: Basis = {
      pairs,
      opened: this.opened.value,
      version: this.directory.version.value,
      most: this.#most,
    }
    const before = this.picture.value
    const isSame = this.#basis !== undefined && isSameBasis(basis, this.#basis)
    if (isSame || begin - this.#clustered < CLUSTER_PACE) return before
    this.#basis = basis
    this.#clustered = begin
    const clustering = clusterOf(activityOf(pairs), {
      most: this.#most,
      groupsOf: name => this.directory.groupsOf(name),
      opened: basis.opened,
      kept: new Set(before.clustering.nodes.map(({ id }) => id)),
    })
    return { clustering, lines: mapEdges(pairs, clustering.nodeOf) }
  }

  /** The next frame draws all anew. */
  #redraw(): void {
    this.#drawn = Number.NEGATIVE_INFINITY
    this.#clustered = Number.NEGATIVE_INFINITY
  }

  #hear(line: AuditLine): void {
    this.#omitted += omittedIn(line)
    const refusal = refusalOf(line)
    if (refusal !== undefined) this.#refusals = [refusal, ...this.#refusals].slice(0, REFUSALS_MAX)
    const ask = askOf(line)
    if (ask !== undefined && this.#traffic.add(ask)) this.firstSeens.see(ask)
  }

  async #readPast(traffic: Traffic): Promise<void> {
    const { session } = this.#options
    this.past.value = 'reading'
    try {
      const since = session.now() - traffic.window
      const uses = await usesSince(session.administration.audit, since)
      // Another window was chosen meanwhile.
      if (this.#isOver || traffic !== this.#traffic) return
      traffic.setPast(uses, session.now())
      this.past.value = 'read'
    } catch (cause) {
      if (traffic === this.#traffic) this.past.value = { failure: failureOf(cause).message }
    }
    this.#redraw()
  }

  /** Why tickets were denied and requests refused before the page: the latest ones. */
  async #readReasons(): Promise<void> {
    const { session } = this.#options
    const end = session.now()
    for (const outcome of ['denied', 'refused'] as const) {
      const reading = latest(session.administration.audit, {
        outcome,
        since: end - this.#traffic.window,
        until: end + MINUTE,
        most: REFUSALS_MAX / 2,
      })
      for (const line of await reading.catch(() => [])) {
        const ask = askOf(line)
        if (ask !== undefined) this.#traffic.explain(ask)
        const refusal = refusalOf(line)
        // It may have been heard meanwhile.
        if (refusal !== undefined && !this.#refusals.some(({ n }) => n === refusal.n))
          this.#refusals.push(refusal)
      }
    }
  }

  async #compare(): Promise<void> {
    const { session, monotonic } = this.#options
    const known = readKnown({
      audit: () => session.administration.audit,
      now: () => session.now(),
      monotonic,
      isOver: () => this.#isOver,
    })
    try {
      for await (const part of known) {
        this.firstSeens.learn(part)
        this.compared.value++
      }
    } catch {
      // Nothing is marked as new then, and the map says so.
      this.compared.value++
    }
  }
}

function isSameBasis(a: Basis, b: Basis): boolean {
  return a.pairs === b.pairs && a.opened === b.opened && a.version === b.version && a.most === b.most
}

function emptyPicture(at: number, window: number): Picture {
  const clustering = { nodes: [], nodeOf: new Map() }
  return { at, window, pairs: [], clustering, lines: [], refusals: [], omitted: 0, unkept: 0 }
}
