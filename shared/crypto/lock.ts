import { sha256 } from '#primitives'
import { toHex } from '../bytes.js'
import { LABEL } from '../constants.js'
import type { Principal } from '../principal.js'
import { createMac, isMac } from './derive.js'
import type { LongTermKey } from './keys.js'

/** What the processes of one service on one machine have to do with each other (docs/protocol.md section 2, `lock`). */

const text = new TextEncoder()
const NAME = text.encode(LABEL.LOCK_NAME)
const STATE = text.encode(LABEL.STATE)
const SHARED_CACHE = text.encode(LABEL.SHARED_CACHE)

const ZERO = new Uint8Array(1)
const ONE = new Uint8Array([1])

/** Others on the machine can see names, so they are short and say nothing of the key. */
const NAME_BYTES = 16

/** How the lock of a key is named: the same for all who have the key, and known to nobody else until it is held. */
export function lockName(key: LongTermKey): string {
  return toHex(createMac(key, 'lock', NAME).subarray(0, NAME_BYTES))
}

/** A MAC over what a process leaves for the next one of the same service on the same machine. */
export function createStateMac(key: LongTermKey, state: string): Uint8Array {
  return createMac(key, 'lock', STATE, ZERO, text.encode(state))
}

export function isStateMac(key: LongTermKey, mac: Uint8Array, state: string): boolean {
  return isMac(key, 'lock', mac, STATE, ZERO, text.encode(state))
}

/** How the replay cache is named that all processes of a service on one machine share, whichever keys each has. */
export function sharedCacheName(service: Principal): string {
  return toHex(sha256(SHARED_CACHE, ZERO, text.encode(service)).subarray(0, NAME_BYTES))
}

/** A MAC over what a process says about that cache, to the one that has it or from that one. */
export function createSharedCacheMac(
  key: LongTermKey,
  nonces: Uint8Array,
  direction: 'to-cache' | 'from-cache',
  body: Uint8Array,
): Uint8Array {
  return createMac(key, 'lock', SHARED_CACHE, direction === 'to-cache' ? ZERO : ONE, nonces, body)
}

export function isSharedCacheMac(
  key: LongTermKey,
  mac: Uint8Array,
  nonces: Uint8Array,
  direction: 'to-cache' | 'from-cache',
  body: Uint8Array,
): boolean {
  return isMac(key, 'lock', mac, SHARED_CACHE, direction === 'to-cache' ? ZERO : ONE, nonces, body)
}
