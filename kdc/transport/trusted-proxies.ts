import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP, isIPv4 } from 'node:net'
import { quoted } from '../../shared/shown-text.js'
import { countedAddress, parseForwardedAddress } from './address.js'

/**
 * The widest networks that are trusted, as the length of their prefix: all of 10.0.0.0/8, all of fd00::/8, and of public
 * IPv6 addresses what one provider has. In a wider one clients would be taken for proxies, and say themselves which
 * address they are counted under.
 */
const WIDEST = { IPV4: 8, IPV6: 16, IPV6_PRIVATE: 7 } as const
const PRIVATE = new BlockList()
PRIVATE.addSubnet('fc00::', WIDEST.IPV6_PRIVATE, 'ipv6')
/** The bits before an IPv4 address that is written as IPv6. */
const EMBEDDED_AT = 96
/** The first addresses of IPv4 in IPv6, one of each kind (`countedAddress`). */
const EMBEDDED_FIRST = ['::ffff:0.0.0.0', '64:ff9b::'] as const

/**
 * Finds where a connection comes from behind proxies. Each proxy adds the address that it saw at the end of a header.
 * So the list is read from its end, and only as long as the party that added an entry is trusted: the client may have
 * written whatever comes before.
 */
export class TrustedProxies {
  readonly #trusted = new BlockList()

  /**
   * @param networks addresses and CIDRs, such as `10.0.0.0/8`
   * @throws TypeError for anything else, and for a network that is wider than proxies need
   */
  constructor(networks: readonly string[]) {
    for (const network of networks) this.#add(network)
  }

  /** Whether the address is a proxy's. */
  trusts(address: string | undefined): boolean {
    const family = isIP(address ?? '')
    return (
      address !== undefined && family !== 0 && this.#trusted.check(address, family === 4 ? 'ipv4' : 'ipv6')
    )
  }

  /**
   * @param peer the address of the socket
   * @returns the first address from the end that does not belong to a proxy; the proxy's own if a trusted proxy reports
   * none
   * @throws TypeError if a header cannot be read, or two of them contradict each other
   */
  clientOf(peer: string | undefined, headers: IncomingHttpHeaders): string | undefined {
    if (!this.trusts(peer)) return peer
    const clients = [listOf(headers['x-forwarded-for']), forwardedOf(headers.forwarded)]
      .filter(hops => hops !== undefined)
      .map(hops => this.#walk(peer, hops))
    // One address can be written in several ways.
    if (new Set(clients.map(countedAddress)).size > 1)
      throw new TypeError('x-forwarded-for and forwarded name different clients')
    return clients.length === 0 ? peer : clients[0]
  }

  #walk(peer: string | undefined, hops: readonly string[]): string | undefined {
    let address = peer
    for (const hop of hops.toReversed()) {
      const before = parseForwardedAddress(hop)
      if (before === undefined) return address
      address = before
      if (!this.trusts(address)) return address
    }
    return address
  }

  #add(network: string): void {
    const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(network) ?? []
    const family = isIP(address)
    const bits = family === 4 ? 32 : 128
    const length = prefix === undefined ? bits : Number(prefix)
    if (family === 0 || length > bits) {
      throw new TypeError(`a trusted proxy is an address or a network, as 10.0.0.0/8, not ${quoted(network)}`)
    }
    requireNarrow(network, address, length)
    this.#trusted.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6')
  }
}

/** @throws TypeError if most of the addresses in the network cannot be proxies */
function requireNarrow(network: string, address: string, length: number): void {
  const least = isIPv4(address) ? WIDEST.IPV4 : leastOfIPv6(address, length)
  if (length >= least) return
  throw new TypeError(
    `${network} is too wide for trusted proxies: whoever connects from there would name the address that they are counted under; the widest here is a /${least}, and better is the address of each proxy`,
  )
}

function leastOfIPv6(address: string, length: number): number {
  const covered = new BlockList()
  covered.addSubnet(address, length, 'ipv6')
  const hasIPv4 =
    isIPv4(countedAddress(address)) || EMBEDDED_FIRST.some(first => covered.check(first, 'ipv6'))
  if (hasIPv4) return EMBEDDED_AT + WIDEST.IPV4
  return PRIVATE.check(address, 'ipv6') ? WIDEST.IPV6_PRIVATE : WIDEST.IPV6
}

function listOf(header: string | string[] | undefined): string[] | undefined {
  return header === undefined
    ? undefined
    : [header]
        .flat()
        .join(',')
        .split(',')
        .map(hop => hop.trim())
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** One parameter with the separator after it. A quoted text may contain any character. */
const PARAMETER = new RegExp(`\\s*(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")\\s*(;|,|$)`, 'y')

/**
 * The `for` of each element of `Forwarded` (RFC 7239); `unknown` for an element without one. The header is parsed
 * whole, because a quote that the client left open would swallow what a proxy added.
 * @throws TypeError if it does not have this form
 */
function forwardedOf(header: string | undefined): string[] | undefined {
  if (header === undefined) return undefined
  const hops: string[] = []
  let hop = 'unknown'
  PARAMETER.lastIndex = 0
  for (let end = ''; ; ) {
    const [, name = '', token, quoted, separator] = PARAMETER.exec(header) ?? []
    if (separator === undefined) throw new TypeError('the header forwarded cannot be read')
    if (name.toLowerCase() === 'for') hop = token ?? (quoted ?? '').replaceAll(/\\(.)/g, '$1')
    end = separator
    if (end === ';') continue
    hops.push(hop)
    hop = 'unknown'
    if (end === '') return hops
  }
}
