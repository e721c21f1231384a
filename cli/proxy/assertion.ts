import { createHmac } from 'node:crypto'
import { OrthrusError } from '../../shared/errors.js'
import type { PrivateFileKind } from '../../shared/keytab/private-file.js'
import { readPrivateBytes } from '../../shared/keytab/private-file.node.js'
import { type Clock, SECOND } from '../../shared/time.js'
import type { HeaderPair } from './header-rules.js'
import { IDENTITY_NAMES, identityOf, type Sender } from './identity-headers.js'

/**
 * Says under a key that the program behind the proxy has too: the proxy let this request through, now. So headers that
 * anybody on the network between the two could write are believed of nobody else (docs/unchanged-programs.md).
 */
export class Assertions {
  readonly #key: Uint8Array
  readonly #clock: Clock

  constructor(key: Uint8Array, clock: Clock) {
    this.#key = key
    this.#clock = clock
  }

  /** @param target as on the request line that the program gets */
  headerFor(prefix: string, sender: Sender, method: string, target: string): HeaderPair {
    const identity = identityOf(sender)
    const time = String(Math.floor(this.#clock.now() / SECOND))
    // No line can have a line break in it, so that no two requests have the same text.
    const lines = [LABEL, time, method, target, ...IDENTITY_NAMES.map(name => identity[name])]
    const mac = createHmac('sha256', this.#key).update(lines.join('\n'), 'latin1').digest('base64url')
    return [`${prefix}assertion`, `${VERSION}.${time}.${mac}`]
  }
}

const VERSION = 'v1'
const LABEL = 'orthrus-assertion-1'

const KEY_FILE: PrivateFileKind = {
  name: 'assertion key',
  wayOut: { flag: '--allow-readable-assertion-key' },
  hintIfMissing: 'make one with: (umask 077; openssl rand -hex 32 > assertion.key)',
  hintIfTaken: 'name another file',
  sizeMax: 1024,
}

/** 256 bits, as `openssl rand -hex 32` writes them. */
const KEY = /^[0-9a-f]{64}\r?\n?$/i

/** @throws OrthrusError `keytab_invalid` if it is not a private file with such a key */
export async function assertionKeyFrom(path: string, allowReadable: boolean): Promise<Uint8Array> {
  const { bytes } = await readPrivateBytes(KEY_FILE, path, { allowReadable })
  const text = bytes.toString('latin1')
  bytes.fill(0)
  if (KEY.test(text)) return Buffer.from(text.slice(0, 64), 'hex')
  throw new OrthrusError(
    'keytab_invalid',
    `the assertion key ${path} does not have 64 hex digits, and nothing else`,
    {
      final: true,
      hint: KEY_FILE.hintIfMissing,
    },
  )
}
