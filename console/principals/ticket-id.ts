import { SIZE } from '../../shared/constants.js'

/** @throws TypeError unless it is 32 hexadecimal digits */
export function ticketIdIn(text: string): Uint8Array {
  const digits = text.trim().toLowerCase()
  if (!/^[0-9a-f]+$/.test(digits) || digits.length !== 2 * SIZE.TICKET_ID)
    throw new TypeError('write the id of a ticket as 32 hexadecimal digits, as the logs have it')
  const bytes = digits.match(/../g) ?? []
  return Uint8Array.from(bytes, byte => Number.parseInt(byte, 16))
}
