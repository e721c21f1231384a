/** The parts of a WebSocket that a client needs. `#websocket` is the platform's implementation. */
export interface Socket {
  /**
   * Sends one binary frame. Ignored if the socket is no longer open.
   * @param sent called when little waits to be sent, or nothing will be sent any more
   */
  send(bytes: Uint8Array, sent?: () => void): void
  /** As `send`, of a message in parts; missing where that spares nothing. */
  sendParts?(parts: readonly Uint8Array[], sent: () => void): void
  /** Closes the socket after everything sent before. `closed` is called when it is done. */
  close(): void
  /** Reads nothing more, except what was read already, until `resume`. Missing in browsers, which cannot. */
  pause?(): void
  resume?(): void
  /** Asks for a pong. Ignored if the socket is not open. Missing in browsers, which cannot. */
  ping?(): void
  /** Sets whether the socket keeps the process alive, which it does at first, also while it opens. Missing in browsers. */
  hold?(held: boolean): void
}

export interface SocketEvents {
  opened(): void
  received(bytes: Uint8Array): void
  /** A pong came. */
  ponged(): void
  /** Called once, whether or not it was ever open. @param reason for a person to read */
  closed(reason: string): void
}

export interface SocketOptions {
  readonly url: string
  /** The subprotocol. A server that does not accept it is not used. */
  readonly protocol: string
  /** A larger frame closes the socket. */
  readonly maxBytes: number
}

export type OpenSocket = (options: SocketOptions, events: SocketEvents) => Socket

/** Why a platform says that a connection failed, what it means, and the next step. */
export interface FailureCause {
  readonly pattern: RegExp
  readonly told: string
  readonly hint: string
}

/** What a platform says of a failed connection: whatever it is to, and if it is to a KDC. The first match is used. */
export interface FailureCauses {
  readonly any: readonly FailureCause[]
  readonly kdc: readonly FailureCause[]
}
