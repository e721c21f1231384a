import { toHex } from '../bytes.js'
import { SIZE, TYPE } from '../constants.js'

/**
 * The id of a refusal (docs/protocol.md section 11): the first bytes of the MAC of the request that was refused. Whoever
 * sent the request and whoever refused it know it, so it needs no place in the answer. It is no secret.
 */

/** Bytes. */
const ID = 6

/** As hex digits. @param mac of the request */
export function refusalId(mac: Uint8Array): string {
  return toHex(mac.subarray(0, ID))
}

/** That of a whole message, proved or not; null if such a message has no MAC. */
export function refusalIdOf(message: Uint8Array): string | null {
  const hasMac = MAC_TYPES.has(message[1] ?? 0) && message.length > SIZE.MAC
  return hasMac ? refusalId(message.subarray(-SIZE.MAC)) : null
}

const MAC_TYPES: ReadonlySet<number> = new Set([TYPE.AS_REQ, TYPE.TGS_REQ, TYPE.AP_REQ, TYPE.AP_OPEN])

/** Whether the text can be the id of a refusal. */
export function isRefusalId(text: string): boolean {
  return /^[0-9a-f]{12}$/.test(text)
}
