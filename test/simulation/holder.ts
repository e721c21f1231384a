import type { Realm } from '../../client/realm.js'
import { partsOf, whenClosed } from '../../client/realm.js'
import { KeyKeeper } from '../../client/rotation/key-keeper.js'
import { rotateKey } from '../../client/rotation/rotate.js'
import { formatKeytab, type KeytabEntry, parseKeytab } from '../../shared/keytab/keytab.js'
import type { ChangingKeytab, KeytabChange } from '../../shared/keytab/keytab-file.js'
import { silentLogger } from '../../shared/logger.js'
import type { Random } from '../support/random.js'
import type { MachineClock } from './timeline.js'

/** Whoever has a key: its keytab, on a disk that keeps what is written, and what changes the key in it. */
export class Holder implements ChangingKeytab {
  readonly name: string
  #text: string
  #lock: Promise<unknown> = Promise.resolve()

  constructor(name: string, entry: KeytabEntry) {
    this.name = name
    this.#text = formatKeytab([entry])
  }

  get path(): string {
    return `the keytab of ${this.name}`
  }

  get text(): string {
    return this.#text
  }

  /** The highest kvno first. */
  get entries(): KeytabEntry[] {
    return parseKeytab(this.#text).sort((one, other) => other.kvno - one.kvno)
  }

  /** Somebody brings it another keytab. */
  bring(entries: readonly KeytabEntry[]): void {
    this.#text = formatKeytab([...entries])
  }

  async requireChangeable(): Promise<void> {}

  change<T>(change: (text: string) => Promise<KeytabChange<T>>): Promise<T> {
    const changed = this.#lock.then(async () => {
      const { text, result } = await change(this.#text)
      if (text !== undefined) this.#text = text
      return result
    })
    this.#lock = changed.catch(() => {})
    return changed
  }
}

/** A day of a keeper lasts this part of a day: runs are short. */
const SHORTENED = 1 / 144

function describe({ cause, again }: { readonly cause?: unknown; readonly again?: number }): string {
  return `again in ${again} ms: ${cause instanceof Error ? cause.message : String(cause)}`
}

/** As `rotation: 'automatic'` does, but in a keytab in memory. @param onKeys called before any of the keys is used */
export function keepKey(
  realm: Realm,
  keytab: Holder,
  clock: MachineClock,
  random: Random,
  note: (line: string) => void,
  onKeys: (entries: readonly KeytabEntry[]) => void = () => {},
): KeyKeeper {
  const keeper = new KeyKeeper({
    rotate: () => rotateKey(realm, { keytab, wanted: false, onKeys }),
    now: partsOf(realm).now,
    timers: clock,
    fraction: () => random.between(0, 1_000_000) * 1e-6 * SHORTENED,
    logger: {
      ...silentLogger,
      info: (fields, message) => note(`${keytab.name}: ${message}, ${JSON.stringify(fields)}`),
      warn: (fields, message) => note(`${keytab.name}: ${message}, ${describe(fields)}`),
    },
  })
  whenClosed(realm, () => keeper.close())
  return keeper
}
