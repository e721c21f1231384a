import { type ReadonlySignal, signal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { type Failure, failureOf } from './act.js'

/** What a view has read. What it knew stays while it reads again, and where that fails. */
export interface Loaded<T> {
  readonly value: T | undefined
  readonly failure: Failure | undefined
  readonly isReading: boolean
}

/** @param tell shows a part of it before the rest is there */
export type Read<T> = (tell: (part: T) => void) => Promise<T>

/** Reads something, one reading at a time: what asks for another one meanwhile is answered by one more. */
export class Reader<T> {
  readonly state = signal<Loaded<T>>({ value: undefined, failure: undefined, isReading: true })
  readonly #read: Read<T>
  #isReading = false
  #isStale = false
  #isOver = false

  constructor(read: Read<T>) {
    this.#read = read
  }

  /** Reads it, or has it read again. Never rejects. */
  async ask(): Promise<void> {
    this.#isStale = true
    if (this.#isReading) return
    this.#isReading = true
    while (this.#isStale && !this.#isOver) {
      this.#isStale = false
      await this.#once()
    }
    this.#isReading = false
  }

  /** Nobody looks any more. */
  end(): void {
    this.#isOver = true
  }

  async #once(): Promise<void> {
    const isFirst = this.state.value.value === undefined
    this.#set({ isReading: true })
    try {
      // Later on parts would be less than what is shown already.
      const value = await this.#read(part => isFirst && this.#set({ value: part }))
      this.#set({ value, failure: undefined, isReading: false })
    } catch (cause) {
      this.#set({ failure: failureOf(cause), isReading: false })
    }
  }

  #set(change: Partial<Loaded<T>>): void {
    if (!this.#isOver) this.state.value = { ...this.state.value, ...change }
  }
}

/**
 * Reads something for a view, and again whenever one of the numbers grows.
 * @param names what it is about: for another one it begins anew
 */
export function useLoaded<T>(
  read: Read<T>,
  changed: readonly ReadonlySignal<number>[],
  names: readonly unknown[],
): Loaded<T> {
  const reader = useMemo(() => new Reader(read), names)
  useEffect(() => () => reader.end(), [reader])
  useEffect(() => void reader.ask(), [reader, ...changed.map(each => each.value)])
  return reader.state.value
}
