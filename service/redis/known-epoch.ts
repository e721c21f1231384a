/** How many of the epochs that were left are remembered. Each cost six seconds. */
const LEFT_MAX = 64
/** No server is as new as this, so it begins another epoch. */
const NEVER = Number.MAX_SAFE_INTEGER

/** The epoch of the server that this process knows, and what it knows of it. */
export class KnownEpoch {
  #name = ''
  #newest = 0
  readonly #left = new Set<string>()

  /** Empty before the first answer. */
  get name(): string {
    return this.#name
  }

  /**
   * By the server's clock, in milliseconds: what a server that has lost nothing of this epoch knows of. It is out of reach
   * in an epoch that this process has left before: the server there knows nothing of what was accepted since, and
   * neither does a process that never left it.
   */
  get newest(): number {
    return this.#newest
  }

  enter(name: string): void {
    if (this.#name !== '') this.#left.add(this.#name)
    const [oldest] = this.#left
    if (oldest !== undefined && this.#left.size > LEFT_MAX) this.#left.delete(oldest)
    this.#name = name
    this.#newest = this.#left.has(name) ? NEVER : 0
  }

  /** @param now by the server's clock, which wrote it down, milliseconds */
  admitted(now: number): void {
    this.#newest = Math.max(this.#newest, now)
  }
}
