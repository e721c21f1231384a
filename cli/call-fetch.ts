import { MINUTE } from '../shared/time.js'
import { systemTimers, type Timers } from '../shared/timers.js'
import { outgoingFetch } from './proxy/outgoing-fetch.js'
import { httpPlaceOf } from './proxy/place.js'
import { Upstream } from './proxy/upstream.js'
import type { Terminal } from './terminal.js'

/** The `fetch` beneath one request of a command, and what ends its connections. */
export interface CallFetch {
  readonly fetch: typeof globalThis.fetch
  close(): void
}

/** What the platform's `fetch` waits for an answer too, milliseconds. */
const PATIENCE = 5 * MINUTE

/** A redirect is followed before the connection of what it answers is free. */
const CONNECTIONS = 2

/** Sent with a request that does not say otherwise. */
const USUAL = [
  ['accept', '*/*'],
  ['user-agent', 'orthrus'],
] as const

/** Where a version of undici keeps what makes the connections of the platform's `fetch`. */
const DISPATCHER = Symbol.for('undici.globalDispatcher.1')

/**
 * A `fetch` over `node:http` for the origin of this URL, to which it connects at once, while the ticket is still to come. The
 * first request of a process by the platform's own takes some 100 ms of CPU more: it compiles a parser of HTTP in
 * WebAssembly.
 * @param platform where the platform's `fetch` keeps what it connects by
 * @returns undefined where the platform's is to be used: something else was loaded into the command that told it how to
 * connect, or there is a proxy of the environment, which it knows; and for what is no URL of HTTP
 */
export function callFetch(
  url: string,
  env: Terminal['env'],
  platform: object = globalThis,
  timers: Timers = systemTimers,
): CallFetch | undefined {
  const { protocol, origin } = URL.canParse(url) ? new URL(url) : { protocol: '', origin: '' }
  if (!/^https?:$/.test(protocol) || mayUseProxy(env) || DISPATCHER in platform) return undefined
  const place = httpPlaceOf(new URL(origin))
  const upstream = new Upstream({ place, timers, connections: CONNECTIONS, waiting: 0, early: true })
  const options = { upstreams: new Map([[origin, upstream]]), timers, patience: PATIENCE }
  return { fetch: withUsual(outgoingFetch(options)), close: () => upstream.close() }
}

function mayUseProxy({ NODE_USE_ENV_PROXY = '', NODE_OPTIONS = '' }: Terminal['env']): boolean {
  return NODE_USE_ENV_PROXY !== '' || NODE_OPTIONS.includes('--use-env-proxy')
}

function withUsual(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return (input, init = {}) => {
    const headers = [...(init.headers as [string, string][])]
    for (const [name, value] of USUAL) {
      if (headers.every(([other]) => other.toLowerCase() !== name)) headers.push([name, value])
    }
    return fetch(input, { ...init, headers })
  }
}
