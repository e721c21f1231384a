import type { Clock } from '../time.js'
import type { Timers } from '../timers.js'
import { requirePath } from './keytab-path.js'

/** For platforms without files. `keytab-file.node.ts` has the same functions. */

export interface KeytabFileOptions {
  /** Accepts a file that others can read, or that a symbolic link leads to, which is how containers mount secrets. */
  readonly allowReadableKeytab?: boolean
}

/** A keytab file that this process may change, and others too (docs/protocol.md section 12). */
export interface ChangingKeytab {
  readonly path: string
  /**
   * Finds what would keep the keytab from being changed, before anything depends on it.
   * @throws OrthrusError `keytab_invalid` if it is not private, a symbolic link, or in a folder that cannot be written
   */
  requireChangeable(): Promise<void>
  /**
   * Changes the keytab while no other process does: it is locked from before it is read until its new text has its
   * place on stable storage.
   * @param change gets the present text. @returns the new one, if there is one, and what `change` answers
   * @throws OrthrusError `keytab_invalid` if it cannot be read or written; `unavailable` if others keep the lock, or
   * took it over; and whatever `change` throws
   */
  change<T>(change: (text: string) => Promise<KeytabChange<T>>): Promise<T>
}

export interface KeytabChange<T> {
  /** `undefined` leaves the keytab as it is. */
  readonly text: string | undefined
  readonly result: T
}

export interface ChangingKeytabOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly signal?: AbortSignal
}

/** @throws TypeError always: a browser has no files */
export async function readKeytabFile(path: string, _options?: KeytabFileOptions): Promise<string> {
  requirePath(path)
  throw new TypeError('there are no files here: pass the text of the keytab, { keytab: { text } }')
}

/** @throws TypeError always: a browser has no files */
export function changingKeytab(_path: string, _options: ChangingKeytabOptions): ChangingKeytab {
  throw new TypeError('there are no files here, so no key can be changed in one')
}

/** @throws TypeError always: a browser has no files */
export async function createKeytabFile(path: string, _text: string): Promise<void> {
  requirePath(path)
  throw new TypeError('there are no files here, so no keytab can be written')
}

/** @throws TypeError always: a browser has no files */
export async function isKeytabThere(path: string): Promise<boolean> {
  requirePath(path)
  throw new TypeError('there are no files here: pass the text of the keytab, { keytab: { text } }')
}
