import { inBackground, runAfter, type Timers } from '../../shared/timers.js'
import type { Follower } from './follower.js'

interface Wait {
  readonly seq: number
  readonly pending: Set<Follower>
  done(): void
}

/** Waits for followers to say that they applied an entry. */
export class SeenWaits {
  readonly #timers: Timers
  readonly #waits = new Set<Wait>()
  #isClosed = false

  constructor(timers: Timers) {
    this.#timers = inBackground(timers)
  }

  /** Resolves when all of them, and those that join meanwhile, have seen the entry or left, or after that time. */
  wait(seq: number, followers: Iterable<Follower>, milliseconds: number): Promise<void> {
    const pending = new Set([...followers].filter(({ seen }) => seen < seq))
    if (pending.size === 0 || milliseconds === 0 || this.#isClosed) return Promise.resolve()
    return new Promise(resolve => {
      const wait: Wait = {
        seq,
        pending,
        done: () => {
          cancel()
          this.#waits.delete(wait)
          resolve()
        },
      }
      const cancel = runAfter(this.#timers, milliseconds, wait.done)
      this.#waits.add(wait)
    })
  }

  joined(follower: Follower): void {
    for (const { seq, pending } of this.#waits) if (follower.seen < seq) pending.add(follower)
  }

  changed(follower: Follower): void {
    for (const wait of [...this.#waits]) if (follower.seen >= wait.seq) removeFrom(wait, follower)
  }

  left(follower: Follower): void {
    for (const wait of [...this.#waits]) removeFrom(wait, follower)
  }

  /** Ends all waits, and those that begin later. */
  close(): void {
    this.#isClosed = true
    for (const wait of [...this.#waits]) wait.done()
  }
}

function removeFrom({ pending, done }: Wait, follower: Follower): void {
  if (pending.delete(follower) && pending.size === 0) done()
}
