import { isIPv6 } from 'node:net'

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
const GROUPS = 8
/** How much of an IPv6 address its owner was given at the least: whoever has one has all of these. */
const GROUPS_COUNTED = 4

/** The name under which an address is counted: an IPv4 address itself, of an IPv6 one the first 64 bits. */
export function countedAddress(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  const mapped = MAPPED.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const first = head.split(':').filter(group => group !== '')
  const last = (tail ?? '').split(':').filter(group => group !== '')
  const zeros = tail === undefined ? 0 : GROUPS - first.length - last.length
  const groups = [...first, ...Array<string>(Math.max(0, zeros)).fill('0'), ...last]
  return `${groups.slice(0, GROUPS_COUNTED).join(':')}::/64`
}
