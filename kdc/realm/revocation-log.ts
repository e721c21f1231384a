import { REVOCATIONS_CLEARED } from '../limits/defaults.js'
import { RECORD_KIND } from '../store/store.js'
import {
  decodeRevocationRecord,
  encodeRevocationRecord,
  type RevocationRecord,
  type RevocationSubject,
} from '../vault/records.js'
import type { Vault, VaultChange } from '../vault/vault.js'

/** An entry before it has a number. Times in milliseconds. */
export type Revocation = RevocationSubject & Pick<RevocationRecord, 'time' | 'extra' | 'keepUntil'>

const PAGE = 256
/** Digits of the largest number. All names are padded to it, so that they sort as the numbers do. */
const DIGITS = 16

/**
 * The log of what was revoked (docs/protocol.md section 10), in numbered entries. Outdated entries are deleted only
 * when a new one is written, so that the newest always stays and numbers never start again.
 */
export class RevocationLog {
  readonly #vault: Vault
  #last: number

  private constructor(vault: Vault, last: number) {
    this.#vault = vault
    this.#last = last
  }

  static async open(vault: Vault): Promise<RevocationLog> {
    return new RevocationLog(vault, await lastAfter(vault, 0))
  }

  /** The changes that write the entry and delete some entries that are outdated at `now`. */
  async append(revocation: Revocation, now: number): Promise<VaultChange[]> {
    const seq = (await this.#catchUp()) + 1
    const fields = encodeRevocationRecord({ ...revocation, seq })
    const entry = { kind: RECORD_KIND.REVOCATION, name: nameOf(seq), expected: 0, fields }
    return [entry, ...(await this.#outdated(now))]
  }

  /** Finds entries that another process has written since. */
  async #catchUp(): Promise<number> {
    this.#last = await lastAfter(this.#vault, this.#last)
    return this.#last
  }

  async #outdated(now: number): Promise<VaultChange[]> {
    const oldest = await this.#vault.list(RECORD_KIND.REVOCATION, { limit: REVOCATIONS_CLEARED })
    return oldest
      .filter(({ fields }) => decodeRevocationRecord(fields).keepUntil < now)
      .map(({ name, version }) => ({
        kind: RECORD_KIND.REVOCATION,
        name,
        expected: version,
        fields: undefined,
      }))
  }
}

async function lastAfter(vault: Vault, last: number): Promise<number> {
  for (let newest = last; ; ) {
    const page = await vault.list(RECORD_KIND.REVOCATION, { after: nameOf(newest), limit: PAGE })
    const tail = page.at(-1)
    if (tail === undefined) return newest
    newest = decodeRevocationRecord(tail.fields).seq
    if (page.length < PAGE) return newest
  }
}

function nameOf(seq: number): string {
  return String(seq).padStart(DIGITS, '0')
}
