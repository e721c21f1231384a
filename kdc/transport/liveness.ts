import type { WebSocket } from 'ws'

/** `gone`: the peer does not answer or does not read. `idle`: it has asked nothing for long. */
export type LivenessState = 'well' | 'gone' | 'idle'

/** Watches the peer of a connection from one check to the next. */
export class Liveness {
  readonly #socket: Pick<WebSocket, 'bufferedAmount' | 'isPaused'>
  readonly #idle: number
  readonly #time: { monotonic(): number }
  #heard = true
  #sent = 0
  /** At the last check. */
  #sentBefore = 0
  #unsentBefore = false
  #askedAt: number

  /** @param idle how long a peer may ask nothing before it is idle, milliseconds */
  constructor(
    socket: Pick<WebSocket, 'bufferedAmount' | 'isPaused'>,
    idle: number,
    time: { monotonic(): number },
  ) {
    this.#socket = socket
    this.#idle = idle
    this.#time = time
    this.#askedAt = time.monotonic()
  }

  /** Anything came from the peer, a pong included. */
  heard(): void {
    this.#heard = true
  }

  /** A frame came. */
  asked(): void {
    this.#askedAt = this.#time.monotonic()
  }

  /** A frame is with the operating system. */
  sent(): void {
    this.#sent += 1
  }

  /**
   * A peer is gone if it sent nothing since the last check although it was read, or accepted nothing of what it was
   * sent.
   */
  check(): LivenessState {
    const silent = !this.#heard && !this.#socket.isPaused
    const stuck = this.#unsentBefore && this.#sent === this.#sentBefore
    if (silent || stuck) return 'gone'
    this.#heard = false
    this.#sentBefore = this.#sent
    this.#unsentBefore = this.#socket.bufferedAmount > 0
    return this.#time.monotonic() - this.#askedAt > this.#idle ? 'idle' : 'well'
  }
}
