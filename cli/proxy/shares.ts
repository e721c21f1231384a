/**
 * What each client may have of something at once, so that none has all of it. Whoever asks for more than its share waits
 * behind its own requests alone.
 */
export class Shares {
  readonly #share: number
  readonly #waitingMax: number
  readonly #clients = new Map<string, Client>()

  /** @param waiting how many more of one client may wait */
  constructor(share: number, waiting: number) {
    this.#share = share
    this.#waitingMax = waiting
  }

  /**
   * Calls `go` when it is its turn, perhaps at once.
   * @returns what gives its place back, taken or waited for; `undefined` if too many of this client wait
   */
  enter(name: string, go: () => void): (() => void) | undefined {
    const client = this.#clients.get(name) ?? { taken: 0, waiting: new Set() }
    if (client.taken >= this.#share && client.waiting.size >= this.#waitingMax) return undefined
    this.#clients.set(name, client)
    const entry: Entry = { go, state: 'waiting' }
    client.waiting.add(entry)
    this.#next(client)
    return () => this.#leave(name, client, entry)
  }

  #next(client: Client): void {
    const [entry] = client.waiting
    if (entry === undefined || client.taken >= this.#share) return
    client.waiting.delete(entry)
    client.taken += 1
    entry.state = 'taken'
    entry.go()
  }

  #leave(name: string, client: Client, entry: Entry): void {
    if (entry.state === 'taken') client.taken -= 1
    client.waiting.delete(entry)
    entry.state = 'left'
    this.#next(client)
    if (client.taken === 0 && client.waiting.size === 0) this.#clients.delete(name)
  }
}

interface Client {
  taken: number
  /** In the order in which they came. */
  readonly waiting: Set<Entry>
}

interface Entry {
  readonly go: () => void
  state: 'waiting' | 'taken' | 'left'
}
