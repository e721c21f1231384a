/** The little of a WebSocket that a client needs. `#websocket` names the platform's implementation. */
export interface Socket {
  /** One binary frame; ignored where the socket is no longer open. */
  send(bytes: Uint8Array): void
  /** What was sent before still goes out. `closed` is told once it is over. */
  close(): void
  /** Whether it keeps the process alive, as it does at first; missing where there are no processes. */
  hold?(held: boolean): void
}

export interface SocketEvents {
  opened(): void
  received(bytes: Uint8Array): void
  /** Once, whether it was open before or never. @param reason for a person. */
  closed(reason: string): void
}

export interface SocketOptions {
  readonly url: string
  /** The one subprotocol asked for; a server that does not take it is not spoken to. */
  readonly protocol: string
  /** A larger frame closes the socket. */
  readonly maxBytes: number
}

export type OpenSocket = (options: SocketOptions, events: SocketEvents) => Socket
