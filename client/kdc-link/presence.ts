import type { ClientReport } from '../report/events.js'

/** Tells when the connection to the KDC is lost and found: each only after the other, or at another KDC. */
export class KdcPresence {
  readonly #report: ClientReport
  #found: string | undefined
  #isLost = false

  constructor(report: ClientReport) {
    this.#report = report
  }

  /** @param kdc its URL, for people */
  found(kdc: string): void {
    if (kdc === this.#found) return
    this.#found = kdc
    this.#isLost = false
    this.#report({ kind: 'kdc_found', kdc })
  }

  /** This KDC is used no more, and another one is asked. */
  left(kdc: string, cause: unknown): void {
    if (kdc !== this.#found) return
    this.#found = undefined
    this.#report({ kind: 'kdc_left', kdc, cause })
  }

  lost(cause: unknown): void {
    if (this.#isLost) return
    this.#found = undefined
    this.#isLost = true
    this.#report({ kind: 'kdc_lost', cause })
  }
}
