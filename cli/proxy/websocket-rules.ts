import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Fault } from './faults.js'
import { type HeaderPair, namedInConnection, valuesOf } from './header-rules.js'

/** What a handshake of a WebSocket is (RFC 6455, section 4), and which of its headers go through a proxy. */

/** Requests are changed into nothing but WebSockets: whoever is behind might take what follows for more requests. */
export function upgradeRefused(req: IncomingMessage): Fault | undefined {
  const asked = req.headers.upgrade ?? ''
  if (asked.trim().toLowerCase() === 'websocket' && req.method === 'GET') return undefined
  // What is printed is printable, and short.
  const shown = asked.replace(/[^\x20-\x7e]/g, '?').slice(0, 40)
  const what = req.method === 'GET' ? `Upgrade: ${shown}` : `Upgrade with the method ${req.method}`
  return {
    status: 501,
    word: 'upgrade_refused',
    text: `${what} is not passed on: this proxy speaks HTTP/1.1, and WebSockets by GET; have the program ask for nothing else`,
  }
}

/** @param headers those of a request that asks for a WebSocket. @returns why it cannot be one */
export function handshakeFault(headers: readonly HeaderPair[]): Fault | undefined {
  const [key, version] = ['sec-websocket-key', 'sec-websocket-version'].map(name => valuesOf(headers, name))
  if (version?.length !== 1 || version[0] !== '13') return { ...WRONG, ...VERSION }
  if (key?.length !== 1 || !/^[+/0-9A-Za-z]{22}==$/.test(key[0] ?? ''))
    return { ...WRONG, text: 'a WebSocket has one sec-websocket-key, of 16 bytes' }
  return undefined
}

const WRONG = { status: 400, word: 'request_wrong' } as const

const VERSION = {
  status: 426,
  text: 'a WebSocket has one sec-websocket-version, which is 13',
  headers: { 'sec-websocket-version': '13' },
} as const

/** Whether an answer with status 101 is one to this request. */
export function isHandshakeAnswer(headers: readonly HeaderPair[], key: string): boolean {
  const accept = createHash('sha1').update(`${key}${RFC_6455_GUID}`).digest('base64')
  const given = valuesOf(headers, 'sec-websocket-accept')
  const upgrade = valuesOf(headers, 'upgrade')
  return (
    upgrade.length === 1 &&
    upgrade[0]?.trim().toLowerCase() === 'websocket' &&
    namedInConnection(headers).has('upgrade') &&
    given.length === 1 &&
    given[0]?.trim() === accept
  )
}

const RFC_6455_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** They are added where a head is written, and nowhere passed on. */
export const UPGRADE_HEADERS: readonly HeaderPair[] = [
  ['connection', 'Upgrade'],
  ['upgrade', 'websocket'],
]

/**
 * Of a page, which no page behind a proxy is: whoever has a ticket could write any. A program that looks at it to tell pages
 * apart gets none.
 */
export function withoutOrigin(headers: readonly HeaderPair[]): HeaderPair[] {
  return headers.filter(([name]) => name.toLowerCase() !== 'origin')
}
