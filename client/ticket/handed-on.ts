import { toHex } from '../../shared/bytes.js'

/** The largest number of handed-on chains of one ticket that are remembered. Tuning, not protocol. */
const REMEMBERED_MAX = 1_000

/**
 * Remembers which keys of one ticket other parties know. Whoever was given a chain of caveats knows the key of that
 * chain and of every longer one that begins with it (docs/protocol.md section 5). This holds across `Ticket` objects:
 * two tickets that were cut down in the same way have the same key.
 */
export class HandedOn {
  readonly #chains = new Set<string>()
  #tooMany = false

  add(caveats: readonly Uint8Array[]): void {
    if (this.#chains.size < REMEMBERED_MAX) this.#chains.add(chainText(caveats))
    // From now on any chain is treated as handed on.
    else this.#tooMany = true
  }

  /** Whether another party may know the key of this chain. The whole ticket itself is never handed on. */
  covers(caveats: readonly Uint8Array[]): boolean {
    if (this.#chains.size === 0 || caveats.length === 0) return false
    return this.#tooMany || caveats.some((_, i) => this.#chains.has(chainText(caveats.slice(0, i + 1))))
  }
}

function chainText(caveats: readonly Uint8Array[]): string {
  return caveats.map(toHex).join(',')
}
