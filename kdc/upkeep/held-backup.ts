import { malformed } from '../../shared/errors.js'
import type { Vault } from '../vault/vault.js'
import { BackupStream } from './backup-stream.js'

const NOTHING = new Uint8Array()

/** The one backup that a channel, or the owner of a KDC, makes at a time. */
export class HeldBackup {
  #stream: BackupStream | undefined
  #isOver = false
  /** One piece after another: of two backups that begin at the same time the snapshot of the first would stay open. */
  #last: Promise<unknown> = Promise.resolve()

  /**
   * The next piece; empty at the end.
   * @param position how many bytes came before; 0 begins another backup
   * @param now KDC time, milliseconds
   * @throws OrthrusError `malformed` if the backup is elsewhere, `unavailable`
   */
  next(vault: Vault, position: number, now: number): Promise<Uint8Array> {
    const next = this.#last.then(() => this.#next(vault, position, now))
    this.#last = next.catch(() => undefined)
    return next
  }

  async #next(vault: Vault, position: number, now: number): Promise<Uint8Array> {
    if (position === 0) await this.#begin(vault, now)
    const stream = this.#stream
    if (stream === undefined || stream.position !== position) {
      throw malformed(`no backup goes on at byte ${position}`)
    }
    try {
      const piece = await stream.next()
      if (piece === undefined) await this.#end()
      return piece ?? NOTHING
    } catch (cause) {
      await this.#end()
      throw cause
    }
  }

  /** Lets go of what the store keeps for it. Nothing begins any more. */
  async close(): Promise<void> {
    this.#isOver = true
    await this.#end()
  }

  async #begin(vault: Vault, now: number): Promise<void> {
    await this.#end()
    this.#stream = await BackupStream.begin(vault, now)
    // The channel may have ended meanwhile.
    if (this.#isOver) await this.#end()
  }

  async #end(): Promise<void> {
    const stream = this.#stream
    this.#stream = undefined
    await stream?.close()
  }
}
