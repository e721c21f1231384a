import { toHex } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'

/**
 * Which logs of revocations were followed. A realm that is restored has another one from then on, wherever it is asked.
 * Where one that was left comes back, two of the KDCs have different data, and neither confirms what the other revoked.
 */
export class LogChanges {
  readonly #left = new Set<string>()
  #followed: string | undefined

  /**
   * A KDC answers for this log.
   * @returns whether it is another one than before
   * @throws OrthrusError `realm_mismatch` if it was left for another
   */
  follow(logId: Uint8Array): boolean {
    const name = toHex(logId)
    if (this.#left.has(name)) throw cameBack()
    const before = this.#followed
    this.#followed = name
    if (before === undefined || before === name) return false
    this.#left.add(before)
    return true
  }
}

function cameBack(): OrthrusError {
  return new OrthrusError(
    'realm_mismatch',
    'two KDCs have different logs of revocations: this one was left for that of another KDC, and is not followed again',
    {
      hint: 'orthrus doctor with all URLs says which KDC has other data: stop that one, or take its URL out; then restart this service',
    },
  )
}
