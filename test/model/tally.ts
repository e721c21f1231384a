/** How often each thing happened, over all runs: a model in which nothing happens proves nothing. */
export class Tally {
  readonly #counts = new Map<string, number>()

  count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1)
  }

  of(what: string): number {
    return this.#counts.get(what) ?? 0
  }

  /** One line each, in the order of their names. */
  toString(): string {
    const rows = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))
    return rows.map(([what, count]) => `${String(count).padStart(8)}  ${what}`).join('\n')
  }
}
