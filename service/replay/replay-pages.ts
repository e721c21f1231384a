/**
 * Words of a record: four of the key, its hash, a value, the next record of its chain, the head of an unrelated chain.
 */
export const RECORD_WORDS = 8
export const HASH = 4
export const VALUE = 5
export const NEXT = 6
export const HEAD = 7

/** Tuning, not protocol. Pages are small, so that buckets with few entries cost little; slabs keep the arrays few. */
export const PAGE_BITS = 5
const SLAB_PAGES_BITS = 8
export const PAGE_RECORDS = 1 << PAGE_BITS
const SLAB_PAGES = 1 << SLAB_PAGES_BITS
const SLAB_RECORDS_BITS = PAGE_BITS + SLAB_PAGES_BITS
const SLAB_RECORD_MASK = (1 << SLAB_RECORDS_BITS) - 1

/** The number of a page is in one list, of a table or of free pages. A list may have grown to twice its need. */
const LISTED_BYTES = 32
/** All memory that a page of records takes, bytes. */
export const PAGE_BYTES = PAGE_RECORDS * RECORD_WORDS * 4 + LISTED_BYTES

/**
 * Pages of records in typed arrays, taken and given back by number. Grows one slab at a time and never shrinks.
 * Records are numbered through all pages; page 0 is never handed out, so no record has the number 0.
 */
export class PagePool {
  readonly #slabs: Uint32Array[] = []
  /** Lists of free pages, none of them empty: a whole list is given back as it is, however long it is. */
  readonly #free: number[][] = []
  readonly #pagesMax: number
  #pages = 0
  #freePages = 0

  constructor(pagesMax: number) {
    this.#pagesMax = pagesMax
  }

  /** Bytes allocated so far. */
  get bytes(): number {
    return this.#pages * PAGE_BYTES
  }

  /** How many pages can be taken before the pool has to grow. */
  get freePages(): number {
    return this.#freePages
  }

  /** Makes sure that `count` pages are free; grows if needed. @returns false if the pool must not grow further */
  reserve(count: number): boolean {
    while (this.#freePages < count) {
      if (this.#pages >= this.#pagesMax) return false
      this.#grow()
    }
    return true
  }

  /** Takes a page that has been reserved. It still contains the data of its last use. */
  take(): number {
    const list = this.#free.at(-1)
    const page = list?.pop()
    if (page === undefined) throw new TypeError('a page must be reserved before it is taken')
    if (list?.length === 0) this.#free.pop()
    this.#freePages--
    return page
  }

  give(page: number): void {
    const list = this.#free.at(-1)
    if (list === undefined) this.#free.push([page])
    else list.push(page)
    this.#freePages++
  }

  /** Gives back all pages of a list, in one step. The caller must not use the list any more. */
  giveAll(pages: number[]): void {
    if (pages.length > 0) this.#free.push(pages)
    this.#freePages += pages.length
  }

  /** The slab that has the record, at `recordOffset(record)`. */
  slabOf(record: number): Uint32Array {
    return this.#slabs[record >>> SLAB_RECORDS_BITS] as Uint32Array
  }

  #grow(): void {
    const first = this.#pages
    const added = Math.min(SLAB_PAGES, this.#pagesMax - first)
    this.#slabs.push(new Uint32Array(added * PAGE_RECORDS * RECORD_WORDS))
    this.#pages = first + added
    const pages: number[] = []
    for (let page = this.#pages - 1; page >= Math.max(first, 1); page--) pages.push(page)
    this.giveAll(pages)
  }
}

/** Where in its slab a record begins. */
export function recordOffset(record: number): number {
  return (record & SLAB_RECORD_MASK) * RECORD_WORDS
}
