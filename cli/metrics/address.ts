import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { OrthrusError } from '../../shared/errors.js'

/** Where the listener for metrics may be. */

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether only this machine reaches the address. @param address an IP address; anything else is none */
export function isLoopback(address: string): boolean {
  const family = isIP(address)
  return family !== 0 && LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/**
 * The address to listen on. Whoever reaches it can read the numbers, since nothing asks for a password.
 * @param kdcPort where the KDC listens
 * @throws OrthrusError `unavailable` for the port of the KDC, for a host without an address, and unless `isPublic` for an
 * address that others reach
 */
export async function metricsAddress(
  { host, port }: ListenAddress,
  kdcPort: number,
  isPublic: boolean,
): Promise<ListenAddress> {
  if (port !== 0 && port === kdcPort) {
    throw new OrthrusError('unavailable', `the metrics cannot share port ${port} with the KDC`, {
      final: true,
      hint: 'the KDC is for clients, the metrics are not: give --metrics another port, such as 9750',
    })
  }
  const address = await addressOf(host, '--metrics HOST:PORT')
  if (isPublic || isLoopback(address)) return { host: address, port }
  throw new OrthrusError(
    'unavailable',
    `${host} can be reached from other machines, and the metrics have no password`,
    {
      final: true,
      hint: 'listen on 127.0.0.1, or add --metrics-public if only those reach it who may read the numbers',
    },
  )
}

/**
 * A name is looked up once, so that what was checked is what is listened on.
 * @param setting what names the host, for the error
 * @throws OrthrusError `unavailable` for a host without an address
 */
export async function addressOf(host: string, setting: string): Promise<string> {
  if (isIP(host) !== 0) return host
  try {
    return (await lookup(host)).address
  } catch (cause) {
    throw new OrthrusError('unavailable', `the host ${host} has no address`, {
      final: true,
      cause,
      hint: `check the name, or give an address: ${setting}`,
    })
  }
}
