import { type Cancel, inBackground, runAfter, type Timers } from '../shared/timers.js'

/** Writes as much as there is room for, and never waits: it throws instead. @returns how many bytes that was */
export type WriteNow = (bytes: Uint8Array) => number

export interface LogOutputOptions {
  readonly write: WriteNow
  readonly timers: Timers
  /** Called when there is room again after lines were dropped. */
  readonly onDropped: (lines: number) => void
}

/** How much waits where there is no room, bytes. */
export const WAITING_MAX = 256 * 1024

/** The pauses between attempts to write what waits, milliseconds: each is twice the one before. */
const PAUSE = { FIRST: 10, LONGEST: 1_000 } as const

/**
 * Where a log goes that must not stop its process. A line is written at once if it can be: the last lines before a
 * crash are those that are needed. Where a reader stalls or a disk is full, lines wait up to a bound, and those beyond
 * it are dropped and counted.
 */
export class LogOutput {
  readonly #options: LogOutputOptions
  readonly #timers: Timers
  /** The first one may be the rest of a line, so it is never dropped. */
  readonly #waiting: Buffer[] = []
  #waitingBytes = 0
  #dropped = 0
  #pause: number = PAUSE.FIRST
  #cancel: Cancel | undefined
  #onEmpty: (() => void) | undefined

  constructor(options: LogOutputOptions) {
    this.#options = options
    this.#timers = inBackground(options.timers)
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes.length > WAITING_MAX) {
      this.#dropped += 1
      return
    }
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#cancel === undefined) this.#attempt()
  }

  /** One attempt to write everything that waits, for a process that is about to end. */
  flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#attempt()
  }

  /** Resolves when nothing waits any more, or after that many milliseconds. */
  async end(patience: number): Promise<void> {
    this.flush()
    if (this.#waiting.length === 0) return
    await new Promise<void>(resolve => {
      const cancel = runAfter(this.#options.timers, patience, resolve)
      this.#onEmpty = () => {
        cancel()
        resolve()
      }
    })
  }

  #attempt(): void {
    try {
      for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) this.#writePart(first)
    } catch {
      // Whatever the reason is, there is nowhere to tell it. It may pass.
      this.#waitForRoom()
      return
    }
    this.#pause = PAUSE.FIRST
    if (this.#dropped > 0) this.#tellDropped()
    if (this.#waiting.length === 0) this.#onEmpty?.()
  }

  /** @throws where there is no room */
  #writePart(first: Buffer): void {
    const written = this.#options.write(first)
    if (written === 0) throw new Error('no room')
    this.#waitingBytes -= written
    if (written < first.length) this.#waiting[0] = first.subarray(written)
    else this.#waiting.shift()
    this.#pause = PAUSE.FIRST
  }

  #waitForRoom(): void {
    const pause = this.#pause
    this.#pause = Math.min(2 * pause, PAUSE.LONGEST)
    this.#cancel = runAfter(this.#timers, pause, () => {
      this.#cancel = undefined
      this.#attempt()
    })
  }

  /** The line about it goes the way of all lines. */
  #tellDropped(): void {
    const dropped = this.#dropped
    this.#dropped = 0
    this.#options.onDropped(dropped)
  }
}
