import { InvalidArgumentError } from 'commander'
import type { Place } from '../tunnel/place.js'

/** Where a program speaks HTTP. */
export interface HttpPlace {
  readonly secure: boolean
  readonly place: Place
  /** As it stands in `Host`. */
  readonly name: string
}

/** `http://HOST:PORT`, `https://HOST`, or `unix:PATH`. */
export function parseHttpPlace(text: string, parsePlace: (text: string) => Place): HttpPlace {
  if (text.startsWith('unix:')) return { secure: false, place: parsePlace(text), name: 'localhost' }
  return httpPlaceOf(parseHttpOrigin(text))
}

/** @param origin as `parseHttpOrigin` gives it */
export function httpPlaceOf({ protocol, hostname, port, host }: URL): HttpPlace {
  const secure = protocol === 'https:'
  const place = {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port === '' ? (secure ? 443 : 80) : port),
  }
  return { secure, place, name: host }
}

/** The URL of an origin of HTTP: without a path, a query, or a name and password. */
export function parseHttpOrigin(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // What is refused may have a password in it.
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw new InvalidArgumentError('Write where it listens as http://127.0.0.1:8080, without a path.')
  return url
}
