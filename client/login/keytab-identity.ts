import type { LongTermKey } from '../../shared/crypto/keys.js'
import { isSameEntry, type KeytabEntry } from '../../shared/keytab/keytab.js'
import { endsIn } from '../../shared/keytab/keytab-edit.js'
import type { Logger } from '../../shared/logger.js'
import type { Principal } from '../../shared/principal.js'
import { type Clock, SECOND } from '../../shared/time.js'
import type { Identity, LoginKey, OwnKeys } from './identity.js'

/** A keytab is read again at most this often, milliseconds (docs/protocol.md section 12). */
const READ_INTERVAL = SECOND

/**
 * The keys of one principal, without those that the KDC has called old, which only open tickets: anybody can forge the
 * refusal of a new key, and whoever has the old one could then answer a login with it in the KDC's place.
 * @param text the keytab
 * @param own the principal's keys in it
 */
export function loginKeys(text: string, own: readonly KeytabEntry[]): OwnKeys {
  const [first] = own
  const ends = first === undefined ? undefined : endsIn(text, first.principal)
  const good = own.filter(({ kvno }) => ends?.has(kvno) !== true)
  return (good.length > 0 ? good : own) as unknown as OwnKeys
}

export interface KeytabFileSource {
  /** Reads the keytab again. @throws OrthrusError `keytab_invalid` */
  read(): Promise<OwnKeys>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * A principal with the keys of a keytab. While a key changes, the keytab has two: the newest is tried first, and the
 * next lower one once, if the newest is refused (section 12).
 */
export class KeytabIdentity implements Identity {
  readonly client: Principal
  readonly passwordBased = false
  readonly #file: KeytabFileSource | undefined
  #keys: OwnKeys
  /** The key with which the last login succeeded. */
  #working: LoginKey | undefined
  #readAt = Number.NEGATIVE_INFINITY

  /** @param file where the keys are from, if they can change there */
  constructor(keys: OwnKeys, file?: KeytabFileSource) {
    this.client = keys[0].principal
    this.#keys = keys
    this.#file = file
  }

  async loginKey(): Promise<LoginKey> {
    return this.#keys.find(entry => entry === this.#working) ?? this.#keys[0]
  }

  async loggedIn(login: LoginKey): Promise<void> {
    this.#working = login
  }

  async keyRefused(login: LoginKey, tried: ReadonlySet<LongTermKey>): Promise<LoginKey | undefined> {
    if (login === this.#working) this.#working = undefined
    await this.#readAgain()
    const [newest, ...older] = this.#keys
    if (!tried.has(newest.key)) return newest
    // Those below the next lower one only open tickets.
    return older[0] !== undefined && !tried.has(older[0].key) ? older[0] : undefined
  }

  /** Those that it had before stay the same objects. */
  hold(keys: OwnKeys): void {
    const [newest, ...older] = keys.map(entry => this.#known(entry))
    if (newest !== undefined) this.#keys = [newest, ...older]
  }

  #known(entry: KeytabEntry): KeytabEntry {
    return this.#keys.find(each => isSameEntry(each, entry)) ?? entry
  }

  async #readAgain(): Promise<void> {
    if (this.#file === undefined) return
    const { clock, logger, read } = this.#file
    const now = clock.monotonic()
    if (now - this.#readAt < READ_INTERVAL) return
    this.#readAt = now
    try {
      this.hold(await read())
    } catch (cause) {
      logger.warn({ client: this.client, cause }, 'the keytab could not be read again; its old keys are used')
    }
  }
}
