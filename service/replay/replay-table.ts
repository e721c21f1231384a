import {
  HASH,
  HEAD,
  NEXT,
  PAGE_RECORDS,
  type PagePool,
  RECORD_WORDS,
  recordOffset,
  VALUE,
} from './replay-pages.js'

/** The number of no record. */
export const NONE = 0
const KEY_WORDS = HASH

/**
 * A hash table of records with keys of 16 bytes and a value of 32 bits, made of pages of a pool. It grows by linear
 * hashing: each new record brings one more chain, to which the records of one other chain are shared out, so no
 * insert ever costs more than a chain or two. Hashes come from outside, and must be ones that no client foresees.
 */
export class ReplayTable {
  readonly #pool: PagePool
  #pages: number[] = []
  /** Records ever appended, and as many chains. */
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

  /** The record with the four words of `key`, all compared, or NONE. */
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

  /** Takes one record out; its place is the next insert's. */
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

  /** Visits the value of every record, in a table from which none was removed. */
  eachValue(visit: (value: number) => void): void {
    let left = this.#appended
    for (const page of this.#pages) {
      const slab = this.#pool.slabOf(page * PAGE_RECORDS)
      const at = recordOffset(page * PAGE_RECORDS) + VALUE
      const end = at + Math.min(left, PAGE_RECORDS) * RECORD_WORDS
      for (let value = at; value < end; value += RECORD_WORDS) visit(slab[value] as number)
      left -= PAGE_RECORDS
    }
  }

  /** Forgets every record and gives the pages back, at a cost by the page and not by the record. */
  clear(): void {
    for (const page of this.#pages) this.#pool.give(page)
    this.#pages = []
    this.#appended = 0
    this.#mask = 0
    this.#removed = NONE
  }

  /** One more record and one more chain; the new chain gets its share of the one it is split from. */
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
    return (this.#pages[Math.floor(index / PAGE_RECORDS)] as number) * PAGE_RECORDS + (index % PAGE_RECORDS)
  }

  /** The head of a chain stands in the record that was appended with it, to which it is otherwise unrelated. */
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
