import { SIZE } from '../../shared/constants.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { OrthrusError } from '../../shared/errors.js'
import { invalidFile, MASTER_KEY_FILE } from '../../shared/keytab/private-file.js'
import { readPrivateBytes, writePrivateFile } from '../../shared/keytab/private-file.node.js'
import { requireKnownOptions } from '../../shared/options.js'
import { formatMasterKeyText, keyOfFile } from './master-key-text.js'

/** The bytes of a master key, only for the vault and the key's file. */
export let revealMasterKey: (key: MasterKey) => Uint8Array

/** The key that seals the KDC's records. Its bytes never appear in text, JSON or an inspection. */
export class MasterKey {
  #bytes: Uint8Array | undefined

  /** Takes ownership: the caller must not keep or change the bytes. @throws TypeError unless there are 32. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== SIZE.KEY)
      throw new TypeError(`a master key has ${SIZE.KEY} bytes, not ${bytes.length}`)
    this.#bytes = bytes
  }

  static {
    revealMasterKey = key => {
      if (key.#bytes === undefined) throw new TypeError('the master key was erased, and is still in use')
      return key.#bytes
    }
  }

  /**
   * Overwrites the bytes in memory, when what used the key is closed. Copies that the platform's cryptography made are
   * out of reach.
   */
  erase(): void {
    this.#bytes?.fill(0)
    this.#bytes = undefined
  }

  toString(): string {
    return '[MasterKey]'
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

export interface MasterKeyFileOptions {
  /** Accepts a file that others can read, or one reached by a symbolic link, which is how containers mount secrets. */
  readonly allowReadableMasterKey?: boolean
}

/**
 * Draws a key and writes it to a new file of mode 0600. When it resolves, file and name are on stable storage.
 * @throws OrthrusError `keytab_invalid` if the file exists already or cannot be written
 */
export async function createMasterKey(path: string, random: RandomSource): Promise<MasterKey> {
  const key = new MasterKey(random(SIZE.KEY))
  await writePrivateFile(MASTER_KEY_FILE, path, formatMasterKeyText(revealMasterKey(key)))
  return key
}

/**
 * Reads the master key from a file, which must be private by the rule for all files with keys
 * (`shared/keytab/private-file.ts`).
 * @throws OrthrusError `keytab_invalid` if the file is missing, not private, cut off or edited, or not a master key
 */
export async function readMasterKey(path: string, options: MasterKeyFileOptions = {}): Promise<MasterKey> {
  requireKnownOptions<MasterKeyFileOptions>('readMasterKey', options, { allowReadableMasterKey: true })
  const allowReadable = options.allowReadableMasterKey === true
  const { bytes } = await readPrivateBytes(MASTER_KEY_FILE, path, { allowReadable })
  const key = keyOfFile(bytes)
  bytes.fill(0)
  if (key === undefined) throw altered(path)
  return new MasterKey(key)
}

function altered(path: string): OrthrusError {
  return invalidFile(
    MASTER_KEY_FILE,
    path,
    'is not a master key, or was cut off or edited',
    'restore it from a backup',
  )
}
