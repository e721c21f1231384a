import { readFile, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '../../shared/bytes.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import { lockName } from '../../shared/crypto/lock.js'
import { machineFolder } from '../lock/machine-folder.js'

/**
 * Which process served last under a key on this machine: a file for each key in the folder of this user, beside no
 * state, so that a state that was put back, or that somebody else served after, is not taken for the last one.
 */
export class LastRun {
  readonly #parent: string

  /** @param parent the system's folder for temporary files */
  constructor(parent = tmpdir()) {
    this.#parent = parent
  }

  /** Whether this run was the last one under the key. */
  async is(key: LongTermKey, run: Uint8Array): Promise<boolean> {
    const path = join(await machineFolder(this.#parent), nameOf(key))
    return (await readFile(path, 'utf8').catch(() => '')) === toHex(run)
  }

  /** This run begins. @throws the system's error if that cannot be written down */
  async begin(key: LongTermKey, run: Uint8Array): Promise<void> {
    const path = join(await machineFolder(this.#parent), nameOf(key))
    await writeFile(path, toHex(run), { mode: 0o600 })
  }

  /** A run begins that leaves no state. */
  async forget(key: LongTermKey): Promise<void> {
    const folder = join(this.#parent, `orthrus-${process.getuid?.() ?? 'user'}`)
    await unlink(join(folder, nameOf(key))).catch(() => {})
  }
}

function nameOf(key: LongTermKey): string {
  return `${lockName(key)}.run`
}
