import type { Etcd, KeyValue } from './etcd.js'

/** Keys in one question. etcd takes 128 operations in a transaction, and an answer of so many records is small. */
const TOGETHER = 100

interface Wanted {
  readonly key: string
  readonly resolve: (found: KeyValue | undefined) => void
  readonly reject: (cause: unknown) => void
}

/**
 * Reads keys of etcd: all that are asked for in one turn by one question, as many are when a KDC takes its place again, and
 * looks at what each open channel was opened with.
 */
export class GatheredReads {
  readonly #etcd: Pick<Etcd, 'range' | 'transact'>
  #wanted: Wanted[] = []

  constructor(etcd: Pick<Etcd, 'range' | 'transact'>) {
    this.#etcd = etcd
  }

  /** What the key has, no earlier than at the call. @throws OrthrusError `unavailable` */
  read(key: string): Promise<KeyValue | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#wanted.length === 0) queueMicrotask(() => this.#ask())
      this.#wanted.push({ key, resolve, reject })
    })
  }

  #ask(): void {
    const wanted = this.#wanted
    this.#wanted = []
    for (let i = 0; i < wanted.length; i += TOGETHER) void this.#askFor(wanted.slice(i, i + TOGETHER))
  }

  async #askFor(wanted: readonly Wanted[]): Promise<void> {
    try {
      const found = await this.#find(wanted.map(({ key }) => key))
      for (const [i, { resolve }] of wanted.entries()) resolve(found[i])
    } catch (cause) {
      for (const { reject } of wanted) reject(cause)
    }
  }

  async #find(keys: readonly string[]): Promise<readonly (KeyValue | undefined)[]> {
    const [key] = keys
    if (keys.length === 1 && key !== undefined) return (await this.#etcd.range({ key })).found
    const operations = keys.map(each => ({ kind: 'range', key: each }) as const)
    const { answers } = await this.#etcd.transact({ compares: [], operations })
    return answers.map(answer => answer?.found[0])
  }
}
