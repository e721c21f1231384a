/** What carries the messages of one channel to and from its client. */
export interface ChannelTransport {
  /** Resolves when the operating system has the message, or never will. */
  send(message: Uint8Array): Promise<void>
  /** As `send`, of a message in parts; missing where that spares nothing. */
  readonly sendParts?: (parts: readonly Uint8Array[]) => Promise<void>
  /** Reads nothing more, except what was read already, until `resume`. */
  pause(): void
  resume(): void
  /** Asks for a sign of life. Undefined if the transport cannot. */
  readonly ping: (() => void) | undefined
  /** Closes the connection behind everything that was sent. */
  close(closing: Closing): void
  /** Cuts the connection, whatever waits to be sent. */
  terminate(): void
}

/** Why a connection is closed. The client sees it, but nothing proves it. */
export interface Closing {
  /** Of a WebSocket (RFC 6455 section 7.4.1). */
  readonly code: number
  readonly reason: string
}

export const CLOSING = {
  DONE: { code: 1000, reason: '' },
  GOING_AWAY: { code: 1001, reason: 'the service is closing' },
  WRONG_FRAME: { code: 1002, reason: '' },
  BROKEN: { code: 1008, reason: 'the channel broke' },
  REFUSED: { code: 1008, reason: 'the opening was refused' },
  NOT_OPENED: { code: 1008, reason: 'no channel was opened in time' },
  FAILED: { code: 1011, reason: 'the service failed' },
  TOO_MANY: { code: 1013, reason: 'too many connections without a channel' },
} as const satisfies Record<string, Closing>
