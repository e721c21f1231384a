import { quoted } from '../../shared/shown-text.js'
import { bodyFrom } from './dispatched-body.node.js'
import type { DispatchOptions } from './dispatching.js'

/** Turns what a dispatcher is given into what `Realm.fetch` takes. */

/** @throws TypeError without an origin, and for a path that is none */
export function urlOf({ origin, path, query }: DispatchOptions): URL {
  if (origin === undefined)
    throw new TypeError("an agent takes the origin with each request: { origin: 'http://127.0.0.1:8080' }")
  const { origin: base } = new URL(origin)
  if (!path.startsWith('/')) throw new TypeError(`the path of a request begins with /, not ${quoted(path)}`)
  const asked = queryOf(query ?? {})
  if (asked !== '' && /[?#]/.test(path))
    throw new TypeError('the query of a request is in its path or in query, not in both')
  // Put together as undici does: two slashes at the beginning of a path name no host.
  return new URL(base + path + asked)
}

function queryOf(query: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(query).flatMap(([name, given]) =>
    [given].flat().map(value => `${encodeURIComponent(name)}=${encodeURIComponent(shownValue(value))}`),
  )
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** As `node:querystring` does, which undici uses: what is no text, number or boolean is empty. */
function shownValue(value: unknown): string {
  return ['string', 'number', 'bigint', 'boolean'].includes(typeof value) ? String(value) : ''
}

/** @throws TypeError for a request that is to be upgraded, and for headers of another form than undici's */
export function initOf({ method, headers, body, upgrade }: DispatchOptions): RequestInit {
  if (method === 'CONNECT' || (upgrade !== undefined && upgrade !== null && upgrade !== false))
    throw new TypeError('an agent upgrades no connection: use realm.openChannel')
  const pairs = pairsOf(headers)
  const own = pairs.filter(([name]) => name.toLowerCase() !== 'content-length')
  const lengths = pairs.filter(([name]) => name.toLowerCase() === 'content-length')
  return { method, headers: own, ...bodyFrom(body, lengthOf(lengths)) }
}

/** What the caller says how long the body is, bytes. The platform states the length by itself. */
function lengthOf(given: readonly [string, string][]): number | undefined {
  const [first, ...others] = given
  if (first === undefined) return undefined
  if (others.length > 0 || !/^\d{1,15}$/.test(first[1]))
    throw new TypeError('content-length is one whole number, or is left out')
  return Number(first[1])
}

/** undici takes headers as an object, as a list of pairs, and as a list of names and values in turn. */
function pairsOf(headers: unknown): [string, string][] {
  if (headers === undefined || headers === null) return []
  if (typeof headers !== 'object') throw new TypeError('headers are an object, or a list')
  if (Array.isArray(headers) && !Array.isArray(headers[0])) return alternating(headers)
  const entries: Iterable<unknown> =
    Symbol.iterator in headers ? (headers as Iterable<unknown>) : Object.entries(headers)
  return [...entries].flatMap(pair => {
    if (!Array.isArray(pair) || pair.length !== 2) throw new TypeError('a header is a name and a value')
    return valuesOf(String(pair[0]), pair[1])
  })
}

function alternating(list: readonly unknown[]): [string, string][] {
  if (list.length % 2 !== 0) throw new TypeError('headers in a flat list are names and values in turn')
  return list.flatMap((name, at) => (at % 2 === 0 ? valuesOf(String(name), list[at + 1]) : []))
}

function valuesOf(name: string, value: unknown): [string, string][] {
  if (value === undefined) return []
  return [value].flat().map(one => [name, one === null ? '' : textOf(one)])
}

function textOf(value: unknown): string {
  if (typeof value === 'object' && !(value instanceof Uint8Array))
    throw new TypeError('the value of a header is a text')
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)
}
