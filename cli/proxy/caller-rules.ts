import type { IncomingMessage } from 'node:http'
import { pairsOf } from '../../service/node-http/request.js'
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

/**
 * Browsers say of each request from which page it is; programs say nothing of the kind. Of `Referer` only that of another
 * host counts, since libraries that follow redirects write one.
 */
export function isFromPage(req: IncomingMessage): boolean {
  const { origin, referer, 'access-control-request-method': preflight, 'sec-fetch-site': site } = req.headers
  if (origin !== undefined || preflight !== undefined || site !== undefined) return true
  if (referer === undefined) return false
  return !URL.canParse(referer) || new URL(referer).host !== req.headers.host
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
