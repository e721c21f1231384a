import type { LongTermKey } from '../../shared/crypto/keys.js'
import { lockName } from '../../shared/crypto/lock.js'
import { holdersOf } from './key-lock.js'
import { hasNamedSockets } from './named-socket.js'

/** Which processes of this machine serve under a key, as they say themselves; undefined where the system has no names. */
export async function keyHolders(key: LongTermKey): Promise<readonly string[] | undefined> {
  return hasNamedSockets ? holdersOf(lockName(key)) : undefined
}
