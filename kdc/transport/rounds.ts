import { type Cancel, runAfter, type Timers } from '../../shared/timers.js'

/** How far apart two looks of a round are, milliseconds. */
const APART = 250

/**
 * Members that are all looked at once in an interval, a few at a time, so that everything else gets its turn in
 * between. A member keeps its place in the round, so its looks are never closer together than the interval.
 */
export class Rounds<Member> {
  readonly #interval: number
  readonly #places: readonly Set<Member>[]

  /** @param interval milliseconds */
  constructor(interval: number) {
    this.#interval = interval
    this.#places = Array.from({ length: Math.max(1, Math.floor(interval / APART)) }, () => new Set())
  }

  get size(): number {
    return this.#places.reduce((sum, { size }) => sum + size, 0)
  }

  get members(): Member[] {
    return this.#places.flatMap(place => [...place])
  }

  /** @returns what takes the member out again */
  add(member: Member): () => void {
    const place = this.#places.reduce((least, other) => (other.size < least.size ? other : least))
    place.add(member)
    return () => void place.delete(member)
  }

  /** @param look gets the members of one place; at the beginning of a round even if there are none */
  start(timers: Timers, look: (members: readonly Member[]) => void): Cancel {
    const apart = this.#interval / this.#places.length
    let cancel: Cancel = () => {}
    let isOver = false
    const wait = (from: number): void => {
      const next = this.#places.findIndex(({ size }, place) => place > from && size > 0)
      const to = next < 0 ? this.#places.length : next
      cancel = runAfter(timers, (to - from) * apart, () => {
        const place = to % this.#places.length
        look([...(this.#places[place] ?? [])])
        if (!isOver) wait(place)
      })
    }
    wait(0)
    return () => {
      isOver = true
      cancel()
    }
  }
}
