import { isIP, isIPv4, isIPv6 } from 'node:net'

const GROUPS = 8
/** The smallest IPv6 network of one host: whoever has one address of a /64 has all of them. */
const GROUPS_COUNTED = 4
/** IPv4 inside IPv6, as the system shows it on a socket for both, and as NAT64 writes it (RFC 6052). */
const EMBEDDING = ['0:0:0:0:0:ffff', '64:ff9b:0:0:0:0']

/**
 * The name under which an address is counted: an IPv4 address itself, even inside IPv6; the first 64 bits of an IPv6
 * address; for anything else its own text.
 */
export function countedAddress(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  const [bare = ''] = address.split('%')
  if (!isIPv6(bare)) return address
  const groups = groupsOf(bare)
  const [high = 0, low = 0] = groups.slice(-2).map(group => Number.parseInt(group, 16))
  if (EMBEDDING.includes(groups.slice(0, -2).join(':'))) {
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
  }
  return `${groups.slice(0, GROUPS_COUNTED).join(':')}::/64`
}

/** How long the text may be that an embedder's `addressOf` returns, characters: it is kept with each count. */
const ADDRESS_MAX = 128

/**
 * The name under which a client is counted, from what an embedder's `addressOf` returned.
 * @throws TypeError for anything but a text of bounded length
 */
export function countedAnswer(address: unknown): string {
  if (typeof address === 'string' && address !== '' && address.length <= ADDRESS_MAX)
    return countedAddress(address)
  throw new TypeError(`addressOf returns an address, a text of 1 to ${ADDRESS_MAX} characters`)
}

/** The eight groups of an IPv6 address in their shortest spelling. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('::')
  const first = splitGroups(head)
  const last = splitGroups(tail ?? '')
  const zeros = Math.max(0, GROUPS - first.length - last.length)
  return tail === undefined ? first : [...first, ...Array<string>(zeros).fill('0'), ...last]
}

/** The last 32 bits may be written as IPv4. */
function splitGroups(text: string): string[] {
  return text.split(':').flatMap(group => {
    if (group === '') return []
    if (!isIPv4(group)) return [Number.parseInt(group, 16).toString(16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)]
  })
}

/**
 * The address in an element of `X-Forwarded-For` or after `for=` in `Forwarded`: with or without a port, IPv6 with or
 * without brackets.
 * @returns `undefined` for anything else, such as `unknown`
 */
export function parseForwardedAddress(text: string): string | undefined {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1]
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed : undefined
  const withPort = /^([\d.]+):\d{1,5}$/.exec(text)?.[1]
  const address = withPort ?? text
  return isIP(address) === 0 ? undefined : address
}
