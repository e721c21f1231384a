/** Numbers by a code, of which only those are kept that occurred. */
export class CodeCounts<Code extends string> {
  readonly #counts = new Map<Code, number>()

  add(code: Code): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
  }

  get all(): { readonly [code in Code]?: number } {
    return Object.freeze(Object.fromEntries(this.#counts)) as { readonly [code in Code]?: number }
  }
}
