import { base64urlBytes, toBase64url } from '../../shared/bytes.js'
import type { RandomSource } from '../../shared/crypto/random.js'
import { openWith, sealWith } from '../../shared/crypto/seal.js'
import { encode } from '../../shared/encoding/encoding.js'
import { fields, principalOf, textOf } from '../../shared/encoding/fields.js'
import { malformed, OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { arrayOf, damagedLogin, FIRST_LINE, lineOf } from './kept-login.js'

/**
 * The text of a login, sealed under a key that is in no file. What is in clear is whose login it is, and which key opens it:
 * `orthrus logout` must be able to erase that key where nothing can be opened any more.
 */
export interface SealedLogin {
  readonly client: Principal
  /** 32 hex digits, drawn with the key. */
  readonly keyId: string
  readonly box: Uint8Array
}

/** An orthrus that knows nothing of it says that it begins with another version. */
const SEALED = `${FIRST_LINE}2`
const NAME_PREFIX = 'orthrussealed1_'
const BOX_PREFIX = 'orthrusbox1_'

export function isSealedLogin(text: string): boolean {
  return text.startsWith(`${SEALED}\n`)
}

/** The name under which the key is kept. */
export function keyNameOf({ client, keyId }: Pick<SealedLogin, 'client' | 'keyId'>): string {
  return `orthrus:${client}:${keyId}`
}

/** @param text as `formatLogin` gives it. @param key 32 bytes that seal nothing else */
export function sealLogin(
  text: string,
  { client, keyId }: Pick<SealedLogin, 'client' | 'keyId'>,
  key: Uint8Array,
  random: RandomSource,
): string {
  const about = [client, keyId]
  const box = sealWith(key, encode(about), Buffer.from(text), random)
  return `${SEALED}\n${lineOf(NAME_PREFIX, about)}\n${BOX_PREFIX}${toBase64url(box)}\n`
}

/** @throws OrthrusError `login_invalid`, which quotes nothing of it */
export function parseSealedLogin(text: string, path: string): SealedLogin {
  const [first, name = '', box = '', ...more] = text.split('\n', 5)
  try {
    if (first !== SEALED || more.length !== 1 || more[0] !== '') throw malformed('it was cut off')
    const [client, keyId] = fields(arrayOf(name, NAME_PREFIX), 2)
    const login = { client: principalOf(client), keyId: textOf(keyId) }
    if (!/^[0-9a-f]{32}$/.test(login.keyId)) throw malformed('the name of its key is none')
    const bytes = box.startsWith(BOX_PREFIX) ? base64urlBytes(box.slice(BOX_PREFIX.length)) : undefined
    if (bytes === undefined) throw malformed('a line was cut off')
    return { ...login, box: bytes }
  } catch (cause) {
    if (!(cause instanceof OrthrusError)) throw cause
    throw damagedLogin(path, cause.reason)
  }
}

/** @returns the text that was sealed. @throws OrthrusError `login_invalid` */
export function openSealedLogin({ client, keyId, box }: SealedLogin, key: Uint8Array, path: string): string {
  const text = openWith(key, encode([client, keyId]), box)
  if (text === undefined) throw damagedLogin(path, 'it was edited, or sealed under another key')
  return Buffer.from(text).toString('utf8')
}
