import {
  HASH,
  HEAD,
  NEXT,
  PAGE_BITS,
  PAGE_RECORDS,
  type PagePool,
  recordOffset,
  VALUE,
} from './replay-pages.js'

/** The number that stands for no record. */
export const NONE = 0
const KEY_WORDS = HASH

/** What a table was made of. All pages are full, but perhaps the last one. */
export interface FormerPages {
  readonly pages: number[]
  readonly records: number
}

/**
 * A hash table of records with keys of 16 bytes and a value of 32 bits, made of pages of a pool. It grows by linear
 * hashing: each new record adds a chain, and one other chain is split between itself and the new one, so an insert
 * never costs more than a chain or two. The caller passes the hashes, which clients must not be able to predict.
 */
export class ReplayTable {
  readonly #pool: PagePool
  #pages: number[] = []
  /** How many records were appended, and so how many chains there are. */
  #appended = 0
  /** The lowest all-ones number that covers every chain's index. */
  #mask = 0
  #removed = NONE

  constructor(pool: PagePool) {
    this.#pool = pool
  }

  get pages(): number {
    return this.#pages.length
  }

  /** The record with this key, or NONE. All four words are compared. */
  find(key: Uint32Array, hash: number): number {
    if (this.#appended === 0) return NONE
    let record = this.#head(this.#chainOf(hash))
    while (record !== NONE) {
      const slab = this.#pool.slabOf(record)
      const at = recordOffset(record)
      if (
        slab[at] === key[0] &&
        slab[at + 1] === key[1] &&
        slab[at + 2] === key[2] &&
        slab[at + 3] === key[3]
      ) {
        return record
      }
      record = slab[at + NEXT] as number
    }
    return NONE
  }

  /** Adds a key that `find` has not found. A page must be reserved in the pool. Returns the record's number. */
  insert(key: Uint32Array, hash: number, value: number): number {
    const record = this.#removed === NONE ? this.#append() : this.#reuse()
    const slab = this.#pool.slabOf(record)
    const at = recordOffset(record)
    for (let i = 0; i < KEY_WORDS; i++) slab[at + i] = key[i] as number
    slab[at + HASH] = hash
    slab[at + VALUE] = value
    const chain = this.#chainOf(hash)
    slab[at + NEXT] = this.#head(chain)
    this.#setHead(chain, record)
    return record
  }

  value(record: number): number {
    return this.#pool.slabOf(record)[recordOffset(record) + VALUE] as number
  }

  setValue(record: number, value: number): void {
    this.#pool.slabOf(record)[recordOffset(record) + VALUE] = value
  }

  /** Removes one record; the next insert reuses its place. */
  remove(record: number): void {
    const slab = this.#pool.slabOf(record)
    const at = recordOffset(record)
    const chain = this.#chainOf(slab[at + HASH] as number)
    const next = slab[at + NEXT] as number
    let before = this.#head(chain)
    if (before === record) this.#setHead(chain, next)
    else {
      while (this.#next(before) !== record) before = this.#next(before)
      this.#setNext(before, next)
    }
    slab[at + NEXT] = this.#removed
    this.#removed = record
  }

  /**
   * Forgets every record, in one step. The pages stay taken until the caller gives them back, and keep the records' values
   * until then, unless one was removed before.
   */
  empty(): FormerPages {
    const former = { pages: this.#pages, records: this.#appended }
    this.#pages = []
    this.#appended = 0
    this.#mask = 0
    this.#removed = NONE
    return former
  }

  /** Forgets every record and returns the pages to the pool, in one step. */
  clear(): void {
    this.#pool.giveAll(this.empty().pages)
  }

  /** Adds a record and a chain; the new chain gets its share of the chain that is split. */
  #append(): number {
    const index = this.#appended
    if (index % PAGE_RECORDS === 0) this.#pages.push(this.#pool.take())
    this.#appended = index + 1
    if (index > this.#mask) this.#mask = 2 * this.#mask + 1
    this.#setHead(index, NONE)
    if (index > 0) this.#split(index)
    return this.#recordAt(index)
  }

  #split(chain: number): void {
    const from = chain & (this.#mask >>> 1)
    let record = this.#head(from)
    this.#setHead(from, NONE)
    while (record !== NONE) {
      const slab = this.#pool.slabOf(record)
      const at = recordOffset(record)
      const next = slab[at + NEXT] as number
      const to = ((slab[at + HASH] as number) & this.#mask) === chain ? chain : from
      slab[at + NEXT] = this.#head(to)
      this.#setHead(to, record)
      record = next
    }
  }

  #reuse(): number {
    const record = this.#removed
    this.#removed = this.#next(record)
    return record
  }

  #chainOf(hash: number): number {
    const chain = hash & this.#mask
    return chain < this.#appended ? chain : chain & (this.#mask >>> 1)
  }

  #recordAt(index: number): number {
    return (this.#pages[index >>> PAGE_BITS] as number) * PAGE_RECORDS + (index & (PAGE_RECORDS - 1))
  }

  /** The head of a chain is stored in the record that was appended with it; otherwise the two are unrelated. */
  #head(chain: number): number {
    const place = this.#recordAt(chain)
    return this.#pool.slabOf(place)[recordOffset(place) + HEAD] as number
  }

  #setHead(chain: number, record: number): void {
    const place = this.#recordAt(chain)
    this.#pool.slabOf(place)[recordOffset(place) + HEAD] = record
  }

  #next(record: number): number {
    return this.#pool.slabOf(record)[recordOffset(record) + NEXT] as number
  }

  #setNext(record: number, next: number): void {
    this.#pool.slabOf(record)[recordOffset(record) + NEXT] = next
  }
}
