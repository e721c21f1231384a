import { type ClientRequest, Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { SECOND } from '../../shared/time.js'
import { type Cancel, runAfter, type Timers } from '../../shared/timers.js'
import { connectionTo, EarlyConnection } from './early-connection.js'
import type { HeaderPair } from './header-rules.js'
import type { HttpPlace } from './place.js'

/** The connections to one HTTP server: kept alive, and not more of them than there may be. */

/**
 * Tuning: how long a connection is kept that nobody uses, milliseconds. Servers close theirs after 5 s and more; a request
 * that is sent just then is lost.
 */
const IDLE = 4 * SECOND

/** How long it may take to connect, milliseconds. */
const CONNECT = 10 * SECOND

/** A path that browsers take for the name of a host: they read a backslash as a slash, and do not see a tab. */
const LEADS_ELSEWHERE = /^\/\t*[/\\]/

export interface UpstreamOptions {
  readonly place: HttpPlace
  readonly timers: Timers
  /** How many requests may be under way at once. */
  readonly connections: number
  /** How many more may wait for a connection. */
  readonly waiting: number
  /** Whether to open the connection of the first request at once, before there is one. */
  readonly early?: boolean
}

export interface UpstreamRequest {
  readonly method: string
  /** As on the request line. */
  readonly target: string
  /** Without `host`. */
  readonly headers: readonly HeaderPair[]
  /** On a connection of its own, because one that was kept turned out to be closed. */
  readonly fresh?: boolean
}

export class Upstream {
  readonly #options: UpstreamOptions
  readonly #agent: HttpAgent
  #early: EarlyConnection | undefined
  #underWay = 0

  constructor(options: UpstreamOptions) {
    this.#options = options
    const { place, connections } = options
    const settings = { keepAlive: true, maxSockets: connections, timeout: IDLE, scheduling: 'lifo' } as const
    this.#agent = place.secure ? new HttpsAgent(settings) : new HttpAgent(settings)
    if (options.early === true) this.#connectEarly()
  }

  /** Whether another request would wait behind too many. */
  get isFull(): boolean {
    const { connections, waiting } = this.#options
    return this.#underWay >= connections + waiting
  }

  /**
   * Begins a request. Its failure is an `error` event; one that could not connect in time has the code `ETIMEDOUT`.
   * @throws TypeError for what is no request
   */
  request({ method, target, headers, fresh = false }: UpstreamRequest): ClientRequest {
    const { place, timers } = this.#options
    const flat = [['host', place.name] as const, ...headers].flat()
    const send = place.secure ? httpsRequest : httpRequest
    // Node takes a flat list of names and values, which its types do not say.
    const common = {
      method,
      path: target,
      headers: flat as never,
      agent: fresh ? false : this.#agent,
    } as const
    const where = 'path' in place.place ? { socketPath: place.place.path } : place.place
    const request = send({ ...common, ...where })
    this.#underWay++
    request.once('close', () => {
      this.#underWay--
    })
    limitConnecting(request, timers)
    return request
  }

  #connectEarly(): void {
    const { place, timers } = this.#options
    const early = new EarlyConnection(place, timers, IDLE)
    this.#early = early
    const agent = this.#agent
    const connectNow = agent.createConnection.bind(agent)
    agent.createConnection = (...given) => early.take() ?? connectNow(...given)
  }

  /**
   * Begins a request that asks for a WebSocket, on a connection of its own whose directions end one by one.
   * @throws TypeError for what is no request
   */
  upgrade({ target, headers }: Pick<UpstreamRequest, 'target' | 'headers'>): ClientRequest {
    const { place, timers } = this.#options
    const flat = [['host', place.name] as const, ...headers].flat()
    const createConnection = (): Socket => connectionTo(place, true)
    const request = httpRequest({ path: target, headers: flat as never, createConnection })
    limitConnecting(request, timers)
    request.end()
    return request
  }

  /**
   * Where the server redirects to. Of an address of its own only the path is kept: its clients reach it at another one.
   */
  locationFor(location: string): string {
    const { place } = this.#options
    const origin = `http${place.secure ? 's' : ''}://${place.name}`
    const rest = location.slice(origin.length)
    if (location.slice(0, origin.length).toLowerCase() !== origin || !/^(?:[/?#]|$)/.test(rest))
      return location
    if (!rest.startsWith('/')) return `/${rest}`
    return LEADS_ELSEWHERE.test(rest) ? `/.${rest}` : rest
  }

  /** Ends the connections that nobody uses, and those in use. */
  close(): void {
    this.#early?.close()
    this.#agent.destroy()
  }
}

function limitConnecting(request: ClientRequest, timers: Timers): void {
  request.once('socket', socket => {
    if (!socket.connecting) return
    const cancel: Cancel = runAfter(timers, CONNECT, () => {
      request.destroy(Object.assign(new Error('it took too long to connect'), { code: 'ETIMEDOUT' }))
    })
    for (const event of ['connect', 'close'] as const) socket.once(event, cancel)
  })
}
