import { PAGE_RECORDS, type PagePool, RECORD_WORDS, recordOffset, VALUE } from './replay-pages.js'
import type { FormerPages } from './replay-table.js'

/**
 * Records that are forgotten already, as nothing looks for them any more, but whose values somebody has still to be told.
 * That is done a page at a time, so that forgetting a million of them never makes one request wait. A page goes back to
 * the pool once its values were told.
 */
export class ForgottenRecords {
  readonly #pool: PagePool
  readonly #tell: (value: number) => void
  /** The pages still to go over; the one at the end of a list is the next. */
  readonly #former: { readonly pages: number[]; records: number }[] = []

  /** @param tell is told the value of each record, once */
  constructor(pool: PagePool, tell: (value: number) => void) {
    this.#pool = pool
    this.#tell = tell
  }

  get isEmpty(): boolean {
    return this.#former.length === 0
  }

  /** Takes over the pages of a table from which no record was removed. */
  add({ pages, records }: FormerPages): void {
    if (pages.length > 0) this.#former.push({ pages, records })
  }

  /** Tells the values of so many pages, and gives these back. */
  tellPages(count: number): void {
    for (let left = count; left > 0 && !this.isEmpty; left--) this.#tellPage()
  }

  /** Gives all pages back, in one step for each table. Nobody is told their values. */
  drop(): void {
    for (const { pages } of this.#former) this.#pool.giveAll(pages)
    this.#former.length = 0
  }

  #tellPage(): void {
    const former = this.#former.at(-1)
    const page = former?.pages.pop()
    if (former === undefined || page === undefined) return
    const first = former.pages.length * PAGE_RECORDS
    const slab = this.#pool.slabOf(page * PAGE_RECORDS)
    const at = recordOffset(page * PAGE_RECORDS) + VALUE
    const end = at + (former.records - first) * RECORD_WORDS
    for (let value = at; value < end; value += RECORD_WORDS) this.#tell(slab[value] as number)
    former.records = first
    if (first === 0) this.#former.pop()
    this.#pool.give(page)
  }
}
