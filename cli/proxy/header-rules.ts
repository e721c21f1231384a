import { COVERED_REQUEST_HEADERS, OVERRIDE_HEADERS } from '../../shared/http/header-names.js'
import { showsProtocol } from '../../shared/http/protocol-signs.js'

/** Which headers a proxy passes on. What is not named here goes through as it came, in its order. */

export type HeaderPair = readonly [name: string, value: string]

/**
 * A name that every server reads alike. CGI, and what came after it, makes one letter of `-` and `_`, and some of every
 * other sign as well, so that a name with such a sign could be taken for another header: the request's own, or one that
 * this proxy adds.
 */
const PLAIN_NAME = /^[a-z0-9-]+$/

/** Of one connection, and not of the message (RFC 9110, section 7.6.1). The proxy frames what it sends by itself. */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'content-length',
])

/** The proxy says them by itself, or nobody may: `proxy` becomes the variable HTTP_PROXY in programs of CGI. */
const NEVER_TO_PROGRAM: ReadonlySet<string> = new Set([
  'host',
  'expect',
  'accept-encoding',
  'authorization',
  'proxy',
])

/** Where a request came from, as anybody on the way may have written it. */
const PLACE_OF_CALLER = /^(?:forwarded|x-forwarded(?:-.*)?|x-real-ip)$/

const OF_PROTOCOL = /^orthrus-/

/** The names in headers `Connection`, in lower case: whoever sent them says that they are for this connection alone. */
export function namedInConnection(pairs: readonly HeaderPair[]): ReadonlySet<string> {
  const names = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(','))
  return new Set(names.map(name => name.trim()))
}

/** A name as servers read it that fold whatever is no letter or digit. */
export function foldedName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

/** What a proxy in front of a program owns. */
export interface OwnedHeaders {
  /** In lower case, with `-` at its end. Every header that begins so is the proxy's. */
  readonly prefix: string
  /** Further ones, folded. */
  readonly strip: ReadonlySet<string>
}

/**
 * The headers of a request that the program behind the proxy gets, without those that the proxy adds.
 * @param pairs as they came
 */
export function headersForProgram(
  pairs: readonly HeaderPair[],
  { prefix, strip }: OwnedHeaders,
): HeaderPair[] {
  const named = namedInConnection(pairs)
  return pairs.filter(([given]) => {
    const name = given.toLowerCase()
    return (
      PLAIN_NAME.test(name) &&
      !OF_CONNECTION.has(name) &&
      !named.has(name) &&
      !NEVER_TO_PROGRAM.has(name) &&
      !PLACE_OF_CALLER.test(name) &&
      !OF_PROTOCOL.test(name) &&
      !name.startsWith(prefix) &&
      !strip.has(name)
    )
  })
}

/** What `fetch` says by itself, or what concerns this connection alone. */
const NEVER_TO_SERVICE: ReadonlySet<string> = new Set(['host', 'expect', 'accept-encoding', 'proxy'])

/** The headers of a program's request that its service gets. @param strip further ones that it does not get, folded */
export function headersForService(pairs: readonly HeaderPair[], strip: ReadonlySet<string>): HeaderPair[] {
  const named = namedInConnection(pairs)
  return pairs.filter(([given]) => {
    const name = given.toLowerCase()
    return (
      !OF_CONNECTION.has(name) &&
      !named.has(name) &&
      !NEVER_TO_SERVICE.has(name) &&
      !OF_PROTOCOL.test(name) &&
      !strip.has(foldedName(name))
    )
  })
}

const BOUND: ReadonlySet<string> = new Set(COVERED_REQUEST_HEADERS)

/**
 * A header that the client bound, and that `Connection` would have removed. Nobody binds `Connection`, so anybody on the
 * way could take away with it what the request was proved with.
 * @param covered further headers that the request covers, in lower case
 */
export function boundButNamed(pairs: readonly HeaderPair[], covered: readonly string[]): string | undefined {
  return [...namedInConnection(pairs)].find(name => BOUND.has(name) || covered.includes(name))
}

const OVERRIDES: ReadonlySet<string> = new Set(OVERRIDE_HEADERS)

/**
 * A header that makes frameworks take a request for one with another method or path than what was checked. The gate refuses
 * it in requests with a ticket; what passes no gate is looked at by this.
 */
export function overrideIn(pairs: readonly HeaderPair[]): string | undefined {
  return pairs.map(([name]) => name.toLowerCase()).find(name => OVERRIDES.has(name))
}

/** The headers of an answer that its client gets, without those of its proof. The length goes by itself. */
export function headersOfAnswer(pairs: readonly HeaderPair[]): HeaderPair[] {
  const named = namedInConnection(pairs)
  return pairs.filter(([given, value]) => {
    const name = given.toLowerCase()
    return (
      !OF_CONNECTION.has(name) &&
      !named.has(name) &&
      !OF_PROTOCOL.test(name) &&
      !showsProtocol([[name, value]])
    )
  })
}

/** Of this name, in lower case. */
export function valuesOf(pairs: readonly HeaderPair[], name: string): string[] {
  return pairs.filter(([given]) => given.toLowerCase() === name).map(([, value]) => value)
}
