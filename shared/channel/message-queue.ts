import type { OrthrusError } from '../errors.js'

/** Tuning: while more than this waits to be taken, in messages or bytes, nothing more is read. */
const ENOUGH = { MESSAGES: 16, BYTES: 64 * 1024 } as const

interface Taker {
  readonly resolve: (message: Uint8Array | undefined) => void
  readonly reject: (cause: OrthrusError) => void
}

/** Whole messages between the record that completed them and whoever takes them. */
export class MessageQueue {
  readonly #maxBytes: number
  readonly #messages: Uint8Array[] = []
  readonly #takers: Taker[] = []
  /** Called when there is room again. */
  #room: (() => void)[] = []
  #bytes = 0
  #hasEnded = false
  #cause: OrthrusError | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether there is so little room that whoever sends cannot have been slowed down. */
  hasNoRoomFor(message: Uint8Array): boolean {
    return this.#takers.length === 0 && this.#bytes + message.length > this.#maxBytes
  }

  /** @returns what resolves when there is room for the next one, unless there is now */
  add(message: Uint8Array): Promise<void> | undefined {
    const taker = this.#takers.shift()
    if (taker !== undefined) {
      taker.resolve(message)
      return undefined
    }
    this.#messages.push(message)
    this.#bytes += message.length
    return this.#hasRoom ? undefined : new Promise(resolve => this.#room.push(resolve))
  }

  /** @throws OrthrusError the cause of the end */
  take(): Promise<Uint8Array | undefined> {
    const message = this.#messages.shift()
    if (message !== undefined) {
      this.#bytes -= message.length
      if (this.#hasRoom) this.#makeRoom()
      return Promise.resolve(message)
    }
    if (this.#cause !== undefined) return Promise.reject(this.#cause)
    if (this.#hasEnded) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }))
  }

  /** Nothing more comes. @param cause if something may be missing, so that not even what waits is handed on */
  end(cause: OrthrusError | undefined): void {
    this.#hasEnded = true
    if (cause !== undefined) {
      this.#cause = cause
      this.#messages.length = 0
      this.#bytes = 0
    }
    this.#makeRoom()
    for (const { resolve, reject } of this.#takers.splice(0)) {
      if (cause === undefined) resolve(undefined)
      else reject(cause)
    }
  }

  get #hasRoom(): boolean {
    return this.#messages.length <= ENOUGH.MESSAGES && this.#bytes <= ENOUGH.BYTES
  }

  #makeRoom(): void {
    const waiting = this.#room
    this.#room = []
    for (const resolve of waiting) resolve()
  }
}
