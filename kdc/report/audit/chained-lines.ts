import type { AuditKey } from './chain.js'
import { type AuditEntry, lineText } from './line-text.js'
import type { Mark } from './mark.js'

/** Lines that were made together. */
export interface MadeLines {
  /** In memory that the next ones are made in. */
  readonly bytes: Buffer
  readonly last: Mark
}

const ROOM_BYTES = 64 * 1024
/** `,"mac":"`, the MAC as text, `"}` and the end of the line. */
const SEAL_BYTES = 33
/** The most bytes of one character. */
const CHARACTER_BYTES = 3

/** Makes lines, each chained to the one before. */
export class ChainedLines {
  readonly #key: AuditKey
  /** What every line has behind what it says. */
  readonly #replica: string
  #room = Buffer.allocUnsafeSlow(ROOM_BYTES)
  #length = 0
  readonly #mac: Buffer = Buffer.alloc(16)

  /** @param replica the KDC that writes, in hexadecimal digits, where several share the realm */
  constructor(key: AuditKey, replica?: string) {
    this.#key = key
    this.#replica = replica === undefined ? '' : `,"replica":"${replica}"`
  }

  /** @param previous what the first of them is chained to. @param isCut whether they follow half a line */
  make({ n, mac }: Mark, entries: readonly AuditEntry[], isCut: boolean): MadeLines {
    this.#length = 0
    this.#mac.set(mac)
    let last = n
    let before = isCut ? '\n' : ''
    for (const entry of entries) {
      last += 1
      before = this.#add(before, lineText(last, entry) + this.#replica)
    }
    this.#length += this.#room.write(before, this.#length, 'latin1')
    return {
      bytes: this.#room.subarray(0, this.#length),
      last: { n: last, mac: new Uint8Array(this.#mac) },
    }
  }

  /** Writes a line up to its MAC, and before it the end of the line before. @returns the end of the line */
  #add(before: string, text: string): string {
    this.#makeRoom(CHARACTER_BYTES * text.length + 2 * SEAL_BYTES)
    const start = this.#length + before.length
    this.#length += this.#room.write(before + text, this.#length)
    this.#mac.set(this.#key.link(this.#mac, this.#room.subarray(start, this.#length)))
    return `,"mac":"${this.#mac.toString('base64url')}"}\n`
  }

  #makeRoom(bytes: number): void {
    if (this.#length + bytes <= this.#room.length) return
    const room = Buffer.allocUnsafeSlow(2 * (this.#length + bytes))
    room.set(this.#room.subarray(0, this.#length))
    this.#room = room
  }
}
