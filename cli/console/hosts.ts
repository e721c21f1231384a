import { isIP } from 'node:net'
import { isLoopback } from '../metrics/address.js'
import { HOST } from './host-name.js'

/**
 * By which names the console may be called. A web page can have its own name lead to this machine (DNS rebinding), and would
 * then be of the console's origin for the browser, so no other names are answered. An address cannot be led elsewhere.
 */

export interface AllowedHosts {
  /** Names that `--console-host` added, in lower case, with or without a port. */
  readonly named: readonly string[]
  /** Whether the listener speaks TLS. */
  readonly tls: boolean
}

/**
 * The origins that a page has which was asked for by this name. A proxy in front of a plain listener may speak TLS, under
 * names that were added.
 * @param host the header of the request
 * @param local the address that the connection came in at
 * @returns none if the console is not to be called so
 */
export function originsOf(
  host: string | undefined,
  local: string | undefined,
  { named, tls }: AllowedHosts,
): readonly string[] {
  const [whole, name = '', port] = HOST.exec((host ?? '').toLowerCase()) ?? []
  if (whole === undefined) return []
  const own = tls ? [`https://${whole}`] : [`http://${whole}`]
  if (isAmong(named, whole, name, port)) return tls ? own : [`https://${whole}`, ...own]
  const bare = name.replace(/^\[(.*)\]$/, '$1')
  const isOwn = name === 'localhost' || isLoopback(bare) || isSameAddress(bare, local)
  return isOwn ? own : []
}

/**
 * Whether a browser is told to ask for this name by TLS alone from now on, whatever its port. Only a name that was added for
 * the console: others are of the machine, whose other ports may speak no TLS.
 * @param host the header of the request
 */
export function isForTlsAlone(host: string | undefined, { named, tls }: AllowedHosts): boolean {
  const [whole, name = '', port] = HOST.exec((host ?? '').toLowerCase()) ?? []
  if (!tls || whole === undefined || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0) return false
  return isAmong(named, whole, name, port) && !/(^|\.)localhost$/.test(name)
}

const USUAL_PORTS = [443, 80] as const

function isAmong(named: readonly string[], whole: string, name: string, port: string | undefined): boolean {
  // A browser leaves the port out where it is that of the scheme.
  const asAdded = port === undefined ? USUAL_PORTS.map(usual => `${name}:${usual}`) : [whole]
  return [name, ...asAdded].some(each => named.includes(each))
}

/** Where the page is to be opened: by a name that was added, if it listens at every address. */
export function placeToOpen(host: string, port: number, [first]: readonly string[]): string {
  if (first !== undefined && /^(?:0\.0\.0\.0|::)$/.test(host))
    return /:\d+$/.test(first) ? first : `${first}:${port}`
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** A socket for both families shows an address of IPv4 inside IPv6. */
function isSameAddress(name: string, local = ''): boolean {
  return isIP(name) !== 0 && name === local.replace(/^::ffff:(?=\d+\.)/, '').toLowerCase()
}
