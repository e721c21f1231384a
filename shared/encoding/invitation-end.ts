import type { InvitationEnd } from '../errors.js'
import { formatTime } from '../time.js'

/**
 * The message of an ERROR `revoked` that says how an invitation ended: `invitation used 2026-01-31T00:00:00.000Z from
 * 192.0.2.1` (docs/protocol.md section 12).
 */
export function formatInvitationEnd({ how, at, from }: InvitationEnd): string {
  return `invitation ${how} ${formatTime(at)}${from === null ? '' : ` from ${from}`}`
}

const MESSAGE =
  /^invitation (used|withdrawn|expired) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)(?: from ([!-~]{1,64}))?$/

/** `undefined` if the message does not say it. */
export function parseInvitationEnd(message: string): InvitationEnd | undefined {
  const [, how, time = '', from = null] = MESSAGE.exec(message) ?? []
  const at = Date.parse(time)
  if (how === undefined || Number.isNaN(at)) return undefined
  return { how: how as InvitationEnd['how'], at, from }
}
