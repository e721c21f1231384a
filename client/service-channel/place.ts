import { hasSecret, quoted } from '../../shared/shown-text.js'
import { shownUrl } from '../../shared/shown-url.js'

/** Where a channel is opened. */
export interface ChannelPlace {
  readonly url: string
  /** As the option `services` of `connect` has it. */
  readonly origin: string
  /** What the opening is bound to: the target of the WebSocket's upgrade. */
  readonly target: string
  /** Set if it is no WebSocket. */
  readonly tcp: SocketPlace | undefined
}

/** Where a plain connection goes: to a host and port by TCP, or to a Unix socket of this machine. */
export type SocketPlace = { readonly host: string; readonly port: number } | { readonly path: string }

/** @throws TypeError if no channel can be opened at the URL */
export function placeOf(url: string | URL): ChannelPlace {
  const text = textOf(url)
  if (hasSecret(text))
    throw new TypeError('the URL has a credential in it: pass it as ticket, or send it as data')
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  if (parsed === undefined || !/^(?:wss?|tcp|unix):$/.test(parsed.protocol)) {
    throw new TypeError(
      `realm.openChannel takes a URL with ws:, wss:, tcp: or unix:, not ${quoted(shownUrl(text))}`,
    )
  }
  if (parsed.username !== '' || parsed.password !== '' || parsed.hash !== '') {
    throw new TypeError('the URL of a channel has no user name, password or fragment: leave them out')
  }
  if (parsed.protocol === 'tcp:') return tcpPlace(parsed)
  if (parsed.protocol === 'unix:') return unixPlace(parsed)
  const origin = new URL(text.replace(/^\s*ws/i, 'http')).origin
  return { url: parsed.href, origin, target: `${parsed.pathname}${parsed.search}`, tcp: undefined }
}

function tcpPlace({ href, hostname, port, pathname, search }: URL): ChannelPlace {
  if (hostname === '' || port === '' || pathname.length > 1 || search !== '') {
    throw new TypeError(`a channel over TCP has a host, a port and nothing else: tcp://127.0.0.1:7000`)
  }
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return { url: href, origin: `tcp://${hostname}:${port}`, target: '', tcp: { host, port: Number(port) } }
}

function unixPlace({ href, host, pathname, search }: URL): ChannelPlace {
  if (host !== '' || !pathname.startsWith('/') || pathname === '/' || search !== '') {
    throw new TypeError(
      'a channel over a Unix socket has the whole path of the socket and nothing else: unix:/run/feed',
    )
  }
  return { url: href, origin: `unix:${pathname}`, target: '', tcp: { path: decodeURIComponent(pathname) } }
}

function textOf(url: unknown): string {
  if (typeof url === 'string') return url
  if (url instanceof URL) return url.href
  throw new TypeError('realm.openChannel takes a URL')
}
