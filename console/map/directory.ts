import { type Signal, signal } from '@preact/signals'
import { failureOf } from '../parts/act.js'
import type { Session } from '../session/session.js'

/** What a principal is, as far as it changes how it is drawn. */
export type PrincipalKind = 'person' | 'service' | 'machine' | 'unknown'

interface Entry {
  readonly passwordBased: boolean
  readonly groups: readonly string[]
}

/** Which principals there are, with their groups: read once, and again when somebody changed one. */
export class Directory {
  /** Grows with each reading that is done. */
  readonly version: Signal<number> = signal(0)
  readonly failure: Signal<string | undefined> = signal(undefined)
  #entries: ReadonlyMap<string, Entry> = new Map()
  #isWhole = false
  #reading: Promise<void> | undefined

  /** Reads all of them, page by page. Never rejects; what it knew stays if that fails. */
  read(session: Session): Promise<void> {
    this.#reading ??= this.#read(session).finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  groupsOf(name: string): readonly string[] {
    return this.#entries.get(name)?.groups ?? NONE
  }

  /** @param isAsked whether somebody asks for tickets for it */
  kindOf(name: string, isAsked: boolean): PrincipalKind {
    const entry = this.#entries.get(name)
    if (entry?.passwordBased === true) return 'person'
    if (entry === undefined && this.#isWhole && !/^k(?:dc|rbtgt)@/.test(name)) return 'unknown'
    return isAsked ? 'service' : 'machine'
  }

  async #read(session: Session): Promise<void> {
    const found = new Map<string, Entry>()
    try {
      for await (const { principal, passwordBased, groups } of session.administration.list())
        found.set(principal, { passwordBased, groups })
      this.#entries = found
      this.#isWhole = true
      this.failure.value = undefined
    } catch (cause) {
      this.failure.value = failureOf(cause).message
    }
    this.version.value++
  }
}

const NONE: readonly string[] = []
