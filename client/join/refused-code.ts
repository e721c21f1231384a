import { type InvitationEnd, OrthrusError } from '../../shared/errors.js'
import type { JoinCode } from '../../shared/keytab/join-code.js'
import { realmOf } from '../../shared/principal.js'
import { shownUrl } from '../../shared/shown-url.js'
import { DAY, formatTime } from '../../shared/time.js'

/** For how long after its end a KDC says how a code ended, milliseconds (docs/protocol.md section 12). */
const ANSWERED = DAY

export interface RefusedCode {
  readonly code: JoinCode
  /** The KDCs, one of which refused it. */
  readonly kdc: readonly string[]
}

/** The error for whoever has the code, with what to do now. Anything but a refusal of the code is returned unchanged. */
export function explained(cause: unknown, { code, kdc }: RefusedCode): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  const { facts } = cause
  if (facts.invitation !== undefined) return ended(cause, facts.invitation)
  if (facts.claimed !== 'auth_failed') return cause
  const { reason, hint } = unknownCode(code, kdc, facts.time ?? code.endsAt)
  return new OrthrusError('auth_failed', reason, { ...facts, cause, hint })
}

/**
 * A KDC of its realm knows a code until a day after its end. One that does not is of another realm, or the code is older.
 * @param now as the KDC told it, which nothing proves
 */
function unknownCode(
  { invitation, endsAt }: JoinCode,
  kdc: readonly string[],
  now: number,
): { readonly reason: string; readonly hint: string } {
  if (now >= endsAt + ANSWERED) {
    return {
      reason: `the join code ended at ${formatTime(endsAt)}, and the KDC does not know it any more; ${UNPROVED}`,
      hint: `${NOT_KEPT}; ask an administrator for another one: orthrus admin invite NAME`,
    }
  }
  const realm = realmOf(invitation.principal)
  return {
    reason: `the join code is for the realm ${realm}, and the KDC at ${kdc.map(shownUrl).join(', ')} does not know it; ${UNPROVED}`,
    hint: `it is the KDC of another realm, or was reset or restored since: name a KDC of ${realm} (--kdc URL, or the option kdc), or ask an administrator for another code: orthrus admin invite NAME`,
  }
}

const UNPROVED = 'nothing proves that it was the KDC'

/** The error for a code that has ended, as a proved answer says. */
export function ended(cause: OrthrusError, { how, at, from }: InvitationEnd): OrthrusError {
  const told = {
    used: `was used at ${formatTime(at)}${from === null ? '' : ` from ${from}`}`,
    withdrawn: `was withdrawn at ${formatTime(at)}`,
    expired: `ended at ${formatTime(at)}`,
  }
  const hint =
    how === 'used'
      ? `${NOT_KEPT}; if another did, the key is in other hands: orthrus admin revoke key NAME. Then: orthrus admin invite NAME`
      : 'ask an administrator for another one: orthrus admin invite NAME'
  return new OrthrusError('revoked', `the join code ${told[how]}`, {
    ...cause.facts,
    final: true,
    cause,
    hint,
  })
}

const NOT_KEPT =
  'if this host used it, its key is in the keytab that it wrote then: a container keeps it only on a volume'
