/**
 * How many logins the open pages of this origin have. Each is told by a lock that nobody waits for, which the browser takes back
 * when its page is gone, so that whoever asks the pages knows when the last one has answered.
 */
export class TabLocks {
  readonly #release = new Map<string, () => void>()

  /** This page has a login of that name. */
  hold(name: string): void {
    if (this.#release.has(name) || !hasLocks()) return
    const whenReleased = new Promise<void>(resolve => this.#release.set(name, resolve))
    // It fails in a page that is about to be gone.
    navigator.locks.request(LOCK, { mode: 'shared' }, () => whenReleased).catch(() => {})
  }

  release(name: string): void {
    this.#release.get(name)?.()
    this.#release.delete(name)
  }

  /** How many answers there are to wait for: as many as other pages have logins; infinitely many where nobody knows. */
  async others(): Promise<number> {
    if (!hasLocks()) return Number.POSITIVE_INFINITY
    const told = await navigator.locks.query().catch(() => undefined)
    // A page in a sandboxed frame is told nothing.
    if (told === undefined) return Number.POSITIVE_INFINITY
    const { held = [], pending = [] } = told
    const all = [...held, ...pending].filter(({ name }) => name === LOCK).length
    return Math.max(0, all - this.#release.size)
  }
}

const LOCK = 'orthrus login of a page'

/** Pages that came over plain HTTP from another machine have none. */
function hasLocks(): boolean {
  return typeof navigator !== 'undefined' && navigator.locks !== undefined
}
