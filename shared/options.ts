import { quoted } from './shown-text.js'

/** A misspelt option must not be ignored: it would leave undone what its caller believes is done. */

/** The keys of an options type; of a union, those of all its members. */
type OptionKeys<Options> = Options extends unknown ? Extract<keyof Options, string> : never

/** Every key that an options object may have. The compiler refuses a list with a key missing or one too many. */
export type KnownOptions<Options> = { readonly [Key in OptionKeys<Options>]: true }

/** How many keys are listed when none resembles the unknown one. */
const LISTED_MAX = 12

/** How much of an unknown key is shown, characters. */
const SHOWN_MAX = 40

/**
 * Refuses options that do not exist, and values that are not an options object.
 * @param name what takes the options, as the caller wrote it: `requireTicket`, or `timeouts of connect`.
 * @throws TypeError that names the most similar option
 */
export function requireKnownOptions<Options extends object>(
  name: string,
  options: Options,
  known: KnownOptions<Options>,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${name} takes an object of options: ${listed(known)}`)
  }
  for (const key of keysOf(options)) if (!Object.hasOwn(known, key)) throw unknownOption(name, key, known)
}

/** Inherited keys and hidden ones too, such as the getters of a class, because they are read like the object's own. */
function* keysOf(options: object): Generator<string> {
  for (const key in options) yield key
  let object = options
  // The last prototype of the chain is the one that all objects have.
  do {
    for (const key of Object.getOwnPropertyNames(object)) if (key !== 'constructor') yield key
    object = Object.getPrototypeOf(object)
  } while (object !== null && Object.getPrototypeOf(object) !== null)
}

/** A plain copy of options that were checked. A spread would lose inherited ones, which were accepted. */
export function copyOptions<Options extends object>(
  options: Options,
  known: KnownOptions<Options>,
): Partial<Options> {
  const copy: Partial<Options> = {}
  for (const key of Object.keys(known) as (keyof Options)[]) {
    const value = options[key]
    if (value !== undefined) copy[key] = value
  }
  return copy
}

function unknownOption(name: string, key: string, known: object): TypeError {
  const nearest = nearestOf(key, Object.keys(known))
  const advice = nearest === undefined ? `it takes ${listed(known)}` : `did you mean "${nearest}"?`
  return new TypeError(`${name} has no option ${quoted(key, SHOWN_MAX)}; ${advice}`)
}

function listed(known: object): string {
  const keys = Object.keys(known)
  return keys.length > LISTED_MAX ? `${keys.slice(0, LISTED_MAX).join(', ')} ...` : keys.join(', ')
}

/** The name that was probably meant, or `undefined` if none is similar. */
export function nearestOf(written: string, names: readonly string[]): string | undefined {
  const wanted = written.slice(0, SHOWN_MAX).toLowerCase()
  let nearest: string | undefined
  // A third of the letters may be wrong, but always at least one. More would match a short name to any other.
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const name of names) {
    const distance = editDistance(wanted, name.toLowerCase())
    if (distance < least) [nearest, least] = [name, distance]
  }
  return nearest
}

/** How many letters must be inserted, removed, replaced, or swapped with their neighbour. */
function editDistance(from: string, to: string): number {
  let before: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from.charAt(i - 1) === to.charAt(j - 1)
      const swapped = i > 1 && j > 1 && isSwapped(from.slice(i - 2, i), to.slice(j - 2, j))
      row[j] = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + (same ? 0 : 1),
        swapped ? at(before, j - 2) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    before = last
    last = row
  }
  return at(last, to.length)
}

function isSwapped(pair: string, other: string): boolean {
  return pair.charAt(0) === other.charAt(1) && pair.charAt(1) === other.charAt(0)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
