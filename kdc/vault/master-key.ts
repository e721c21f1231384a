import { equalBytes } from '#primitives'
import { base64urlBytes, concatBytes, toBase64url } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { checkOf } from '../../shared/crypto/check.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import type { OrthrusError } from '../../shared/errors.js'
import { invalidFile, MASTER_KEY_FILE } from '../../shared/keytab/private-file.js'
import { readPrivateFile, writePrivateFile } from '../../shared/keytab/private-file.node.js'
import { requireKnownOptions } from '../../shared/options.js'

/** The bytes of a master key, only for the vault and the key's file. */
export let revealMasterKey: (key: MasterKey) => Uint8Array

/** The key that seals the KDC's records. Its bytes never appear in text, JSON or an inspection. */
export class MasterKey {
  readonly #bytes: Uint8Array

  /** Takes ownership: the caller must not keep or change the bytes. @throws TypeError unless there are 32. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== SIZE.KEY)
      throw new TypeError(`a master key has ${SIZE.KEY} bytes, not ${bytes.length}`)
    this.#bytes = bytes
  }

  static {
    revealMasterKey = key => key.#bytes
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

const FIRST_LINE = '# orthrus master key 1'
const PREFIX = 'orthrusmaster1_'

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
  await writePrivateFile(MASTER_KEY_FILE, path, formatMasterKey(key))
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
  return parseMasterKey(path, await readPrivateFile(MASTER_KEY_FILE, path, { allowReadable }))
}

function formatMasterKey(key: MasterKey): string {
  const bytes = revealMasterKey(key)
  return `${FIRST_LINE}\n${PREFIX}${toBase64url(concatBytes(bytes, checkOf(bytes)))}\n`
}

function parseMasterKey(path: string, text: string): MasterKey {
  const start = `${FIRST_LINE}\n${PREFIX}`
  if (!text.startsWith(start) || !text.endsWith('\n')) throw altered(path)
  const checked = base64urlBytes(text.slice(start.length, -1))
  if (checked === undefined) throw altered(path)
  const bytes = checked.slice(0, SIZE.KEY)
  if (!equalBytes(checked.subarray(SIZE.KEY), checkOf(bytes))) throw altered(path)
  return new MasterKey(bytes)
}

function altered(path: string): OrthrusError {
  return invalidFile(
    MASTER_KEY_FILE,
    path,
    'is not a master key, or was cut off or edited',
    'restore it from a backup',
  )
}
