import { OrthrusError } from '../../shared/errors.js'
import { addressOf, isLoopback, type ListenAddress } from '../metrics/address.js'

/**
 * The address to listen on for the console.
 * @param taken ports of the same process
 * @param protection whether the listener speaks TLS, and whether it is allowed that it does not
 * @throws OrthrusError `unavailable` for a port that is taken, for a host without an address, and without TLS for an
 * address that others reach
 */
export async function consoleAddress(
  { host, port }: ListenAddress,
  taken: readonly number[],
  protection: { readonly tls: boolean; readonly allowed: boolean },
): Promise<ListenAddress> {
  if (port !== 0 && taken.includes(port)) {
    throw new OrthrusError(
      'unavailable',
      `the console cannot share port ${port} with the KDC or its metrics`,
      {
        final: true,
        hint: 'give --console another port, such as 8760',
      },
    )
  }
  const address = await addressOf(host, '--console HOST:PORT')
  if (protection.tls || protection.allowed || isLoopback(address)) return { host: address, port }
  throw new OrthrusError(
    'unavailable',
    `${host} can be reached from other machines, and the console has no TLS: whoever is on the way could change the page, and have the passwords that are typed into it`,
    {
      final: true,
      hint: 'listen on 127.0.0.1, give --tls-cert and --tls-key, or add --allow-console-without-tls if a proxy in front speaks TLS',
    },
  )
}
