import type { Happening, History } from './history.js'
import { watchStalls } from './stalls.js'

/** Writes the history down while it happens. */
export class Recorder {
  readonly #happenings: Happening[] = []
  readonly #stop: () => void

  constructor() {
    this.#stop = watchStalls((began, ended) => this.add({ kind: 'stall', began, ended }))
  }

  get history(): History {
    return this.#happenings
  }

  add(...happenings: readonly Happening[]): void {
    this.#happenings.push(...happenings)
  }

  close(): void {
    this.#stop()
  }
}
