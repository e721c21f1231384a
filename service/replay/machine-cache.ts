import type { Server, Socket } from 'node:net'
import type { Admission, AdmissionRequest, ReplayCache } from '../../shared/accept/replay.js'
import { WINDOW } from '../../shared/constants.js'
import { sharedCacheName } from '../../shared/crypto/lock.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import { inBackground, sleep, type Timers } from '../../shared/timers.js'
import type { ServiceKeys } from '../keys.js'
import { hasNamedSockets, holdName } from '../lock/named-socket.js'
import type { Report } from '../report/events.js'
import { CacheClient } from './cache-client.js'
import { serveCache } from './cache-server.js'
import { BoundedReplayCache } from './replay-cache.js'

/** How long a process waits before it looks again who has the cache, milliseconds. */
const PAUSE = 50

export interface MachineCacheOptions {
  readonly service: Principal
  readonly keys: ServiceKeys
  readonly clock: Clock
  readonly timers: Timers
  readonly report: Report
  readonly maxBytes?: number
}

/** This process has the cache, or asks the one that has it, or knows of none. */
type Role =
  | { readonly kind: 'cache'; readonly cache: BoundedReplayCache; readonly server: Server }
  | { readonly kind: 'client'; readonly client: CacheClient }
  | { readonly kind: 'none' }

/**
 * One replay cache for all processes of a service on one machine (docs/several-processes.md). The first one has it; when
 * that one ends, another takes over, with the floor of a start. A process that cannot ask accepts nothing.
 */
export class MachineReplayCache implements ReplayCache {
  readonly #options: MachineCacheOptions
  readonly #sockets = new Set<Socket>()
  readonly #closing = new AbortController()
  #role: Role = { kind: 'none' }
  #isTold = false

  private constructor(options: MachineCacheOptions) {
    this.#options = options
  }

  /** Has a role when it resolves, unless somebody else on the machine holds the name of the cache. */
  static async open(options: MachineCacheOptions): Promise<MachineReplayCache> {
    if (!hasNamedSockets) throw new TypeError("replayCache: { shared: 'machine' } is for Linux and Windows")
    const cache = new MachineReplayCache(options)
    if (!(await cache.#join())) cache.#joinLater()
    return cache
  }

  get floor(): number {
    const role = this.#role
    if (role.kind === 'cache') return role.cache.floor
    if (role.kind === 'client') return role.client.floor
    return this.#options.clock.now() + WINDOW.FLOOR_AT_START
  }

  admit(request: AdmissionRequest): Admission | Promise<Admission> {
    const role = this.#role
    if (role.kind === 'cache') return role.cache.admit(request)
    if (role.kind === 'none' || this.#closing.signal.aborted) return this.#unavailable()
    return role.client.admit(request).catch(() => this.#unavailable())
  }

  /** Nothing is admitted any more. If this process has the cache, another one takes over. */
  close(): void {
    this.#closing.abort()
    const role = this.#role
    if (role.kind === 'client') role.client.close()
    if (role.kind !== 'cache') return
    role.cache.end()
    role.server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #unavailable(): Admission {
    return { now: this.#options.clock.now(), floor: this.floor, refusal: 'unavailable' }
  }

  /** @returns whether it has a role */
  async #join(): Promise<boolean> {
    const { service, keys, clock, timers, report, maxBytes } = this.#options
    const name = sharedCacheName(service)
    const server = await holdName(name, socket => this.#serve(socket))
    if (server !== undefined) {
      const cache = new BoundedReplayCache({
        clock,
        onWarning: report,
        ...(maxBytes === undefined ? {} : { maxBytes }),
      })
      this.#role = { kind: 'cache', cache, server }
      if (this.#closing.signal.aborted) this.close()
      return true
    }
    const client = await CacheClient.open(name, keys, timers).catch(() => undefined)
    if (client === undefined) return false
    this.#role = { kind: 'client', client }
    if (this.#closing.signal.aborted) client.close()
    client.over.then(() => {
      this.#role = { kind: 'none' }
      this.#joinLater()
    })
    return true
  }

  #joinLater(): void {
    this.#joinUntil().catch(() => {})
  }

  async #joinUntil(): Promise<void> {
    const { timers, report } = this.#options
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt++) {
      if (await this.#join().catch(() => false)) {
        this.#isTold = false
        return
      }
      if (attempt > 0 && !this.#isTold) {
        this.#isTold = true
        report({ kind: 'shared_cache_away' })
      }
      await sleep(inBackground(timers), PAUSE, signal)
    }
  }

  #serve(socket: Socket): void {
    const role = this.#role
    if (role.kind !== 'cache') {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    serveCache(socket.unref(), this.#options.keys, role.cache)
  }
}
