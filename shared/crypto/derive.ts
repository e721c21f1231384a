import { equalBytes, hmacSha256, scrypt, sha256 } from '#primitives'
import { LABEL, SIZE, type Usage } from '../constants.js'
import type { Principal } from '../principal.js'
import {
  rememberBareChain,
  rememberExpansion,
  rememberedChain,
  rememberedCombination,
  rememberedExpansion,
} from './derived-keys.js'
import {
  type AnyKey,
  AuthKey,
  ChainKey,
  ChannelKey,
  LongTermKey,
  revealKey,
  type SessionKey,
} from './keys.js'
import type { OnProgress, ScryptParameters } from './primitives.js'

const text = new TextEncoder()
const ZERO = new Uint8Array(1)
const ONE = new Uint8Array([1])
const CAVEAT = text.encode(LABEL.CAVEAT)
const BOTH = text.encode(LABEL.BOTH)
const SALT = text.encode(LABEL.SALT)
const NEXT_KEY = text.encode(LABEL.NEXT_KEY)

const infos = new Map<Usage, Uint8Array>()

function infoOf(usage: Usage): Uint8Array {
  let info = infos.get(usage)
  if (info === undefined) {
    info = text.encode(LABEL.EXPAND + usage)
    infos.set(usage, info)
  }
  return info
}

/**
 * `expand(K, usage)`: HKDF-Expand-SHA-256 to 32 bytes (docs/protocol.md section 2), computed once for each key and
 * usage. The compiler allows only the usages of the key's role.
 */
export function expand<K extends AnyKey>(key: K, usage: K['usage']): Uint8Array {
  const known = rememberedExpansion(key, usage)
  if (known !== undefined) return known
  const bytes = expandOnce(key, usage)
  rememberExpansion(key, usage, bytes)
  return bytes
}

/** As `expand`, for what is used once: neither key nor result is remembered. */
function expandOnce<K extends AnyKey>(key: K, usage: K['usage']): Uint8Array {
  return hmacSha256(revealKey(key), infoOf(usage), ONE)
}

/**
 * The key that follows a long-term key (section 12). Holder and KDC derive it each for itself from the salt that the
 * KDC drew: it is never sent, and whoever learns it later can open nothing that was sent under the key before.
 */
export function deriveNextKey(key: LongTermKey, salt: Uint8Array): LongTermKey {
  return new LongTermKey(hmacSha256(expand(key, 'ratchet'), NEXT_KEY, ZERO, salt))
}

/** A MAC over the parts, under the key expanded for `usage` (section 3). */
export function createMac<K extends AnyKey>(key: K, usage: K['usage'], ...parts: Uint8Array[]): Uint8Array {
  return hmacSha256(expand(key, usage), ...parts)
}

/** Whether `mac` is the MAC of the parts, compared in constant time. */
export function isMac<K extends AnyKey>(
  key: K,
  usage: K['usage'],
  mac: Uint8Array,
  ...parts: Uint8Array[]
): boolean {
  return equalBytes(createMac(key, usage, ...parts), mac)
}

/** `K_0` of a ticket's caveat chain (section 5). */
export function startChain(key: SessionKey): ChainKey {
  return new ChainKey(expand(key, 'chain'))
}

/** `K_(i+1)`: the chain extended by one caveat (section 5). It cannot be undone. */
export function extendChain(key: ChainKey, caveat: Uint8Array): ChainKey {
  return new ChainKey(hmacSha256(revealKey(key), CAVEAT, ZERO, caveat))
}

/** `A_n`: what requests under the chain are MAC'd with (section 5). */
export function finishChain(key: ChainKey): AuthKey {
  return new AuthKey(expand(key, 'auth'))
}

/** `A_n` of a ticket presented with these caveats. */
export function deriveAuthKey(key: SessionKey, caveats: readonly Uint8Array[]): AuthKey {
  const known = rememberedChain(key, caveats)
  if (known !== undefined) return known
  if (caveats.length > 0) return finishChain(caveats.reduce(extendChain, startChain(key)))
  // Its end is remembered, and nobody asks for what lies between: a service sees most tickets without caveats alone.
  const authKey = new AuthKey(expandOnce(new ChainKey(expandOnce(key, 'chain')), 'auth'))
  rememberBareChain(key, authKey)
  return authKey
}

/** The key of a delegated presentation: computing it takes the keys of both sides (section 8). */
export function combineAuthKeys(own: AuthKey, delegated: AuthKey): AuthKey {
  const known = rememberedCombination(own, delegated)
  if (known !== undefined) return known
  return new AuthKey(hmacSha256(revealKey(own), BOTH, ZERO, revealKey(delegated)))
}

/**
 * `C` of a channel (section 9), or of a sealed body (section 8).
 * @param transcript of a channel AP-OPEN and AP-ACCEPT; of a body AP-REQ, of a response's AP-REP too, and its salt
 */
export function deriveChannelKey(key: AuthKey, ...transcript: readonly Uint8Array[]): ChannelKey {
  return new ChannelKey(hmacSha256(expand(key, 'channel'), sha256(...transcript)))
}

/**
 * The long-term key of a password (section 2). By design this takes a good part of a second and 128 MiB.
 * @param salt 16 bytes, drawn when the password was set.
 * @param onProgress told how much of it is done, from 0 to 1, as far as the platform says
 */
export async function derivePasswordKey(
  password: string,
  principal: Principal,
  salt: Uint8Array,
  parameters: ScryptParameters,
  onProgress?: OnProgress,
): Promise<LongTermKey> {
  const salted = sha256(SALT, ZERO, text.encode(principal), ZERO, salt)
  const bytes = text.encode(password.normalize('NFC'))
  return new LongTermKey(await scrypt(bytes, salted, parameters, SIZE.KEY, onProgress))
}
