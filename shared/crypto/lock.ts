import { toHex } from '../bytes.js'
import { LABEL } from '../constants.js'
import { createMac } from './derive.js'
import type { LongTermKey } from './keys.js'

/** What the processes of one service on one machine have to do with each other (docs/protocol.md section 2, `lock`). */

const text = new TextEncoder()
const NAME = text.encode(LABEL.LOCK_NAME)

/** Others on the machine can see names, so they are short and say nothing of the key. */
const NAME_BYTES = 16

/** How the lock of a key is named: the same for all who have the key, and known to nobody else until it is held. */
export function lockName(key: LongTermKey): string {
  return toHex(createMac(key, 'lock', NAME).subarray(0, NAME_BYTES))
}
