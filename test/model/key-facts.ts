import { require } from './reference.js'

/** What is known of the keys of every name, by docs/protocol.md section 12. Keys are only kvnos here. */

interface Keys {
  /** The key that seals, and that its holder logs in with. */
  current: number | undefined
  /** The staged one. */
  next: number | undefined
  /** The highest that the name ever had. */
  last: number
  /** Those that an honest holder has in its keytab. */
  held: Set<number>
}

export class KeyFacts {
  readonly #names = new Map<string, Keys>()

  #of(name: string): Keys {
    let keys = this.#names.get(name)
    if (keys === undefined) {
      keys = { current: undefined, next: undefined, last: 0, held: new Set() }
      this.#names.set(name, keys)
    }
    return keys
  }

  current(name: string): number | undefined {
    return this.#of(name).current
  }

  /** Whether the honest holder has the key that the KDC takes for current: the one thing that must never be lost. */
  isShared(name: string): boolean {
    return this.isHeld(name, this.#of(name).current)
  }

  /** Whether the honest holder has a key of its own: not one that somebody drew by a stolen code. */
  isHeld(name: string, kvno: number | undefined): boolean {
    return kvno !== undefined && this.#of(name).held.has(kvno)
  }

  /** An administrator made it the only key, and gave it to the holder by hand. */
  replaced(name: string, kvno: number): void {
    this.renewed(name, kvno)
    this.hold(name, kvno)
  }

  /** It is the only key, and nobody knows yet whether the honest holder has it. */
  renewed(name: string, kvno: number): void {
    this.refreshed(name, kvno)
    Object.assign(this.#of(name), { next: undefined, held: new Set() })
  }

  /** It seals from now on; the ones before still open what they sealed. */
  refreshed(name: string, kvno: number): void {
    this.#draw(name, kvno)
    this.#of(name).current = kvno
  }

  removed(name: string): void {
    Object.assign(this.#of(name), { current: undefined, next: undefined })
  }

  /** What was staged before is dropped. */
  staged(name: string, kvno: number): void {
    this.#draw(name, kvno)
    this.#of(name).next = kvno
  }

  /** What was staged under this kvno is dropped, if it still was. */
  dropNext(name: string, kvno: number): void {
    const keys = this.#of(name)
    if (keys.next === kvno) keys.next = undefined
  }

  /** The honest holder has written it down. */
  hold(name: string, kvno: number): void {
    this.#of(name).held.add(kvno)
  }

  /** The KDC let somebody log in under this kvno: a staged key becomes the only one. */
  loggedIn(name: string, kvno: number): void {
    const keys = this.#of(name)
    const { current, next } = keys
    require(kvno === current || kvno === next, `the KDC let ${name} log in under its dead key ${kvno}`)
    if (kvno !== next) return
    keys.current = kvno
    keys.next = undefined
  }

  #draw(name: string, kvno: number): void {
    const { last } = this.#of(name)
    require(kvno > last, `the KDC gave ${name} the kvno ${kvno} after ${last}`)
    this.#of(name).last = kvno
  }
}
