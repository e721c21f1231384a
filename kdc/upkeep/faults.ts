/** What `orthrus check` finds, in words. */

export interface Fault {
  /** The record, as `principal web@demo.example`. */
  readonly about: string
  readonly fault: string
  /** What to do, or to type. */
  readonly hint: string
}

/** What to do about a record that cannot be read, or says what cannot be. */
export const FROM_BACKUP =
  'restore a backup made before: orthrus restore FILE --data NEW-DIR, after orthrus check FILE'

/** Faults that are kept; what is beyond is only counted. */
const KEPT = 1_000

export class Faults {
  readonly kept: Fault[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  add(about: string, fault: string, hint: string = FROM_BACKUP): void {
    this.#count++
    if (this.kept.length < KEPT) this.kept.push({ about, fault, hint })
  }
}
