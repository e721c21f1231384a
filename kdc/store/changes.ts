import { OrthrusError } from '../../shared/errors.js'
import { quoted } from '../../shared/shown-text.js'
import {
  type Change,
  type Page,
  RECORD_KIND,
  type RecordKind,
  StoreConflict,
  type WatchListener,
} from './store.js'

/** What every store checks and does in the same way. */

const KINDS: ReadonlySet<string> = new Set(Object.values(RECORD_KIND))
// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL ends the kind in a key, every other ASCII is free.
const NAME = /^[\u0001-\u007f]+$/

/** @throws TypeError if the kind or name is not one that a store accepts */
export function requireName(kind: RecordKind, name: string): void {
  if (!KINDS.has(kind)) throw new TypeError(`no kind of record: ${quoted(kind)}`)
  if (!NAME.test(name)) throw new TypeError('the name of a record is ASCII without NUL, and not empty')
}

/** @throws TypeError */
export function requirePage(kind: RecordKind, { after, limit }: Page): void {
  requireName(kind, after ?? 'any')
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new TypeError('the limit of a list is whole and 1 or more')
}

/** @throws TypeError for a change that cannot be meant: no version, a record twice, or deleting what must not exist */
export function requireChanges(changes: readonly Change[]): void {
  const seen = new Set<string>()
  for (const { kind, name, expected, value } of changes) {
    requireName(kind, name)
    if (!Number.isSafeInteger(expected) || expected < 0 || expected >= 2 ** 48 - 1) {
      throw new TypeError('the version expected is whole and 0 or more')
    }
    if (value === undefined && expected === 0) throw new TypeError('what must not exist cannot be deleted')
    const key = `${kind}\0${name}`
    if (seen.has(key)) throw new TypeError('a record is changed once in a commit')
    seen.add(key)
  }
}

/** @throws StoreConflict if the current version, 0 for none, is not the expected one */
export function requireVersion({ kind, name, expected }: Change, actual: number): void {
  if (actual !== expected) throw new StoreConflict(kind, name, expected, actual)
}

/** What a change writes. */
export function bytesOf(value: Change['value'], version: number): Uint8Array | undefined {
  return typeof value === 'function' ? value(version) : value
}

export function storeClosed(): OrthrusError {
  return new OrthrusError('unavailable', 'the store has been closed')
}

export function snapshotClosed(): OrthrusError {
  return new OrthrusError('unavailable', 'the snapshot of the database was closed', {
    hint: 'begin again: the database was compacted or opened again meanwhile, or is being closed',
  })
}

/** What a watcher is told of: a record, or without a name all of a kind. */
export interface Noticed {
  readonly kind: RecordKind
  readonly name: string | undefined
}

/** Every record of every kind. */
export const EVERYTHING_CHANGED: readonly Noticed[] = Object.values(RECORD_KIND).map(kind => ({
  kind,
  name: undefined,
}))

export class Watchers {
  readonly #listeners = new Set<{ readonly listener: WatchListener }>()

  /** A listener that is given twice is called twice, and each returned function removes one. */
  add(listener: WatchListener): () => void {
    const entry = { listener }
    this.#listeners.add(entry)
    return () => this.#listeners.delete(entry)
  }

  clear(): void {
    this.#listeners.clear()
  }

  notify(changes: readonly Noticed[]): void {
    this.apply(changes)?.catch(() => {})
  }

  /**
   * As `notify`.
   * @returns a promise that resolves when every listener knows what there is now, and rejects if one cannot find out;
   * `undefined` if all of them know already
   */
  apply(changes: readonly Noticed[]): Promise<void> | undefined {
    let reading: Promise<void>[] | undefined
    for (const { kind, name } of changes) {
      for (const { listener } of [...this.#listeners]) {
        const done = this.#call(listener, kind, name)
        if (done === undefined) continue
        reading ??= []
        reading.push(done)
      }
    }
    return reading && Promise.all(reading).then(() => undefined)
  }

  /** The commit is done: a fault of one listener must neither fail it nor keep the others from being called. */
  #call(listener: WatchListener, kind: RecordKind, name: string | undefined): Promise<void> | undefined {
    try {
      return listener(kind, name) ?? undefined
    } catch (fault) {
      queueMicrotask(() => {
        throw fault
      })
      return undefined
    }
  }
}
