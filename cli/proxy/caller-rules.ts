import type { IncomingMessage } from 'node:http'
import { pairsOf } from '../../shared/http/header-pairs.js'
import { isLoopback } from '../metrics/address.js'
import type { Fault } from './faults.js'
import { valuesOf } from './header-rules.js'
import type { Upstream } from './upstream.js'

/** Which requests of programs a proxy sends on in their name, and where to. */

/** Where a program's requests go. */
export interface Route {
  readonly service: string
  readonly origin: URL
  readonly upstream: Upstream
}

export interface Routes {
  /** Of requests to the proxy itself. */
  readonly only?: Route | undefined
  /** By what is in front of `=` in `--map`: a host, with or without a port. */
  readonly byHost: ReadonlyMap<string, Route>
  /** Further names of the proxy itself, in lower case. */
  readonly names: ReadonlySet<string>
  /** Whether programs reach it by a Unix socket alone, where `Host` says nothing. */
  readonly anyName: boolean
}

/** A request, and where it goes. */
export interface Routed {
  readonly route: Route
  /** Path and query. */
  readonly target: string
}

/** Headers that a browser adds and a page cannot take away, and that programs have no use for. */
const OF_BROWSER = [
  'origin',
  'access-control-request-method',
  'access-control-request-private-network',
  'sec-fetch-site',
  'sec-fetch-dest',
  'sec-fetch-user',
  'sec-ch-ua',
  'upgrade-insecure-requests',
] as const

/** So every browser calls itself, and no page can have it say otherwise without asking first (CORS). */
const BROWSER = /^\s*mozilla\//i

/**
 * Browsers say of each request from which page it is, but only to hosts that they trust: of a picture at a host of `--map`
 * they say nothing, where the page wants no `Referer`. So whatever calls itself a browser is taken for one. Of `Referer`
 * only that of another host counts, since libraries that follow redirects write one. `Sec-Fetch-Mode` alone is Node's.
 */
export function isFromPage({ headers }: IncomingMessage): boolean {
  if (OF_BROWSER.some(name => headers[name] !== undefined)) return true
  const { referer, host, 'user-agent': agent = '' } = headers
  if (BROWSER.test(agent)) return true
  if (referer === undefined) return false
  return !URL.canParse(referer) || new URL(referer).host !== host
}

/** @returns why it goes nowhere */
export function routeOf(routes: Routes, req: IncomingMessage): Routed | Fault {
  const { url = '' } = req
  const [, authority, rest = ''] = /^http:\/\/([^/?#]*)(.*)$/i.exec(url) ?? []
  const hosts = valuesOf(pairsOf(req.rawHeaders), 'host')
  if (authority === undefined && hosts.length !== 1) return wrong('a request has one header host')
  const target = authority === undefined ? url : rest.startsWith('/') ? rest : `/${rest}`
  if (!target.startsWith('/') || target.includes('#'))
    return wrong('the target is a path, or a URL that begins with http://')
  const host = (authority ?? hosts[0] ?? '').toLowerCase()
  const route = routeFor(routes, host)
  return route === undefined ? unknownHost(routes) : { route, target }
}

function routeFor({ only, byHost, names, anyName }: Routes, host: string): Route | undefined {
  const name = host.replace(/:\d+$/, '')
  const mapped = byHost.get(host) ?? byHost.get(name)
  if (mapped !== undefined) return mapped
  const bare = name.replace(/^\[(.*)\]$/, '$1')
  return anyName || bare === 'localhost' || isLoopback(bare) || names.has(name) ? only : undefined
}

/** A page in a browser may have its own name lead to this machine: by its name it is told from a program. */
function unknownHost({ only, byHost }: Routes): Fault {
  const known = [...byHost.keys(), ...(only === undefined ? [] : ['127.0.0.1'])].join(', ')
  return {
    status: 421,
    word: 'host_unknown',
    text: `the host of the request is none that this proxy knows, which are: ${known}; write one of them in the URL, or name another by --map HOST=SERVICE@URL or --host NAME`,
  }
}

function wrong(text: string): Fault {
  return { status: 400, word: 'request_wrong', text }
}
