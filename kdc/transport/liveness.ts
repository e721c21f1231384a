import type { WebSocket } from 'ws'

/** Whether a peer is there, reads what it is sent, and wants anything. */
export type LivenessState = 'well' | 'gone' | 'idle'

/** What a connection knows of its peer from one check to the next. */
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

  /** @param idle after how long without a request a peer is idle, milliseconds */
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

  /** Something came, be it a pong. */
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

  /** A peer is gone that said nothing since the last check, while it was listened to, or took nothing of what waits. */
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
