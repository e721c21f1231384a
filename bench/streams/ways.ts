/** What goes from one process to another, in the ways that are compared. */

const KIB = 1024

/** How the bytes travel: bodies of HTTP, sealed or plain, and messages of a channel. */
export type Way =
  | 'sealed.request'
  | 'sealed.response'
  | 'plain.request'
  | 'plain.response'
  | 'websocket'
  | 'tcp'
  | 'ws'

/** Of a piece of a body, or of a large message, bytes. */
export const PIECE_BYTES = 64 * KIB
/** Of a small message, bytes. */
export const MESSAGE_BYTES = 64

/** Where the process of the service listens. */
export interface StreamPorts {
  readonly ticketed: number
  readonly plain: number
  readonly tcp: number
}

/** The paths of the HTTP servers. */
export const PATH = { REQUEST: '/request', RESPONSE: '/response', CHANNEL: '/channel' } as const
