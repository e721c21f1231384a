/**
 * Nobody has just one IPv6 address: a host has a /64, a customer a /56, a site a /48. So each of these is counted, the
 * larger ones with a larger share. An IPv4 address counts for itself, whoever shares it.
 */

/** How many times the share of one address each network of `networksOf` has. */
export const NETWORK_SHARES = [1, 2, 4] as const

const SIXTY_FOUR = /^([0-9a-f]+:[0-9a-f]+:[0-9a-f]+):([0-9a-f]+)::\/64$/
const SUBNET_OF_56 = 0xff00

/**
 * The networks that an address counts for, the smallest first.
 * @param address as `countedAddress` names it
 */
export function networksOf(address: string): readonly string[] {
  const [, site, subnet] = SIXTY_FOUR.exec(address) ?? []
  if (site === undefined || subnet === undefined) return [address]
  const customer = (Number.parseInt(subnet, 16) & SUBNET_OF_56).toString(16)
  return [address, `${site}:${customer}::/56`, `${site}::/48`]
}
