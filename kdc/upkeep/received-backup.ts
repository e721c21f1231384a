import { createHash } from 'node:crypto'
import { concatBytes } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'
import { isDigestOf, PROOF_BYTES } from '../vault/backup-mac.js'
import type { Manifest, RecordCounts } from './backup-form.js'
import { FrameReader } from './frame-reader.js'

export interface ReceivedSummary {
  readonly manifest: Manifest
  readonly counts: RecordCounts
}

/** Checks a backup while it is received, as far as that needs no key: nothing is missing, and nothing was changed. */
export class ReceivedBackup {
  readonly #digest = createHash('sha256')
  readonly #frames = new FrameReader()
  /** The last bytes, which may be the proof. */
  #rest: Uint8Array = new Uint8Array()

  add(piece: Uint8Array): void {
    const all = concatBytes(this.#rest, piece)
    const end = Math.max(0, all.length - PROOF_BYTES)
    const body = all.subarray(0, end)
    this.#digest.update(body)
    this.#frames.add(body)
    this.#rest = all.slice(end)
  }

  /** @throws OrthrusError `unavailable` if it is not whole */
  end(): ReceivedSummary {
    if (isDigestOf(this.#digest.digest(), this.#rest)) {
      const summary = this.#frames.end()
      if (summary !== undefined) return summary
    }
    throw new OrthrusError('unavailable', 'the backup did not arrive whole', { hint: 'make it again' })
  }
}
