import { type Cancel, inBackground, runAfter, type Timers } from '../shared/timers.js'

/**
 * Writes as much as there is room for. It never waits, but throws instead.
 * @returns how many bytes were written
 */
export type WriteNow = (bytes: Uint8Array) => number

export interface LogOutputOptions {
  readonly write: WriteNow
  readonly timers: Timers
  /** Called when there is room again after lines were dropped. */
  readonly onDropped: (lines: number) => void
}

/** How much may wait while there is no room, bytes. */
export const WAITING_MAX = 256 * 1024

/** The pauses between attempts to write waiting lines, milliseconds. Each is twice as long as the one before. */
const PAUSE = { FIRST: 10, LONGEST: 1_000 } as const

/**
 * The output of a log that must not stop its process. A line is written immediately if possible, because the last lines
 * before a crash are needed. If a reader stalls or a disk is full, lines wait up to a bound; further lines are dropped
 * and counted.
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

  /** Makes one attempt to write everything that waits, for a process that is about to end. */
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
      // The reason does not matter: there is nowhere to report it, and it may pass.
      this.#waitForRoom()
      return
    }
    this.#pause = PAUSE.FIRST
    if (this.#dropped > 0) this.#tellDropped()
    if (this.#waiting.length === 0) this.#onEmpty?.()
  }

  /** @throws if there is no room */
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

  /** The line about dropped lines is written like all others. */
  #tellDropped(): void {
    const dropped = this.#dropped
    this.#dropped = 0
    this.#options.onDropped(dropped)
  }
}
