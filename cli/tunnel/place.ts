import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { OrthrusError } from '../../shared/errors.js'
import { parseListen } from '../arguments.js'
import { isLoopback } from '../metrics/address.js'

/** Where an end of a tunnel listens or connects to: an address, or a Unix socket. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

/** Linux has no longer name for a socket, bytes. */
const PATH_MAX = 107

/** `HOST:PORT`, `PORT` of the loopback, or `unix:PATH`. */
export function parsePlace(text: string): Place {
  if (/^\d+$/.test(text)) return placeAt(`127.0.0.1:${text}`)
  if (!text.startsWith('unix:')) return placeAt(text)
  const path = text.slice('unix:'.length)
  if (path !== '' && !path.includes('\0') && Buffer.byteLength(resolve(path)) <= PATH_MAX) {
    return { path: resolve(path) }
  }
  throw new InvalidArgumentError(`Write a socket as unix:/run/redis.sock, of at most ${PATH_MAX} bytes.`)
}

/** The same for a place to connect to, which has no port 0. */
export function parseTarget(text: string): Place {
  const place = parsePlace(text)
  if (!('port' in place) || place.port !== 0) return place
  throw new InvalidArgumentError('Nothing listens on port 0: name the port of the other end.')
}

function placeAt(text: string): Place {
  try {
    return parseListen(text)
  } catch {
    throw new InvalidArgumentError(
      'Write a place as 127.0.0.1:6379, [::1]:6379, 6379 or unix:/run/redis.sock, with a port up to 65535.',
    )
  }
}

/** As it is typed. */
export function shownPlace(place: Place): string {
  if ('path' in place) return `unix:${place.path}`
  return `${place.host.includes(':') ? `[${place.host}]` : place.host}:${place.port}`
}

/**
 * The place with the name of a host looked up, once, so that what is checked is what is used.
 * @throws OrthrusError `unavailable` for a host without an address
 */
export async function resolved(place: Place): Promise<Place> {
  if ('path' in place || isIP(place.host) !== 0) return place
  try {
    return { host: (await lookup(place.host)).address, port: place.port }
  } catch (cause) {
    throw new OrthrusError('unavailable', `the host ${place.host} has no address`, {
      final: true,
      cause,
      hint: 'check the name, or give an address',
    })
  }
}

/** Whether nobody but this machine reaches it. @param place as `resolved` gives it */
export function isOfThisMachine(place: Place): boolean {
  return 'path' in place || isLoopback(place.host)
}
