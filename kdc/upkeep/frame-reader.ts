import { concatBytes } from '../../shared/bytes.js'
import { decode, type Value } from '../../shared/encoding/encoding.js'
import {
  BACKUP_KINDS,
  countsOf,
  END,
  FIRST_LINE,
  LENGTH_BYTES,
  type Manifest,
  manifestOf,
  type RecordCounts,
} from './backup-form.js'

/**
 * Reads the line and the frames of a backup as they come, and counts the records. What it says is only claimed until the
 * proof was checked.
 */
export class FrameReader {
  #waiting: Uint8Array = new Uint8Array()
  #isBegun = false
  #manifest: Manifest | undefined
  #last: readonly Value[] = []
  readonly #counts = new Map<string, number>(BACKUP_KINDS.map(kind => [kind, 0]))

  /** @throws OrthrusError `malformed` */
  add(bytes: Uint8Array): void {
    let body = concatBytes(this.#waiting, bytes)
    if (!this.#isBegun) {
      if (body.length < FIRST_LINE.length) {
        this.#waiting = body
        return
      }
      this.#isBegun = true
      body = body.subarray(FIRST_LINE.length)
    }
    const used = this.#readFrames(body)
    this.#waiting = body.slice(used)
  }

  /** `undefined` if the end is missing. */
  end(): { readonly manifest: Manifest; readonly counts: RecordCounts } | undefined {
    const manifest = this.#manifest
    if (manifest === undefined || this.#waiting.length > 0 || this.#last[0] !== END) return undefined
    const told = countsOf(this.#last)
    const isRight = BACKUP_KINDS.every(kind => (told.get(kind) ?? 0) === this.#counts.get(kind))
    return isRight ? { manifest, counts: Object.fromEntries(this.#counts) as RecordCounts } : undefined
  }

  /** @returns how many bytes were whole frames */
  #readFrames(body: Uint8Array): number {
    const view = new DataView(body.buffer, body.byteOffset, body.length)
    let at = 0
    while (at + LENGTH_BYTES <= body.length) {
      const from = at + LENGTH_BYTES
      const to = from + view.getUint32(at)
      if (to > body.length) break
      this.#note(decode(body.subarray(from, to)))
      at = to
    }
    return at
  }

  #note(list: readonly Value[]): void {
    this.#last = list
    const [kind] = list
    if (this.#manifest === undefined) this.#manifest = manifestOf(list)
    else if (typeof kind === 'string' && this.#counts.has(kind)) {
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    }
  }
}
