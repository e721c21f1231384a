import { type InvitationEnd, OrthrusError } from '../../shared/errors.js'
import { shownUrl } from '../../shared/shown-url.js'

/**
 * Errors of a host that has written its key down and could not log in with it. Anybody can forge the refusal of a key, and
 * an answer can be lost: so the key may be the host's own, and no error says otherwise.
 */

export interface Unfinished {
  /** The file with the key, which is kept. */
  readonly keytab: string
  readonly kdc: readonly string[]
}

/** Whether somebody, who need not be the KDC, said that the key is wrong. */
export function isUnprovedRefusal(cause: unknown): boolean {
  return cause instanceof OrthrusError && cause.facts.claimed === 'auth_failed'
}

/**
 * @param cause why the login failed
 * @param end how the join code has ended, by a proved answer, if it was asked and there is one
 */
export function unfinished(
  cause: unknown,
  end: OrthrusError | undefined,
  { keytab, kdc }: Unfinished,
): unknown {
  if (!(cause instanceof OrthrusError)) return cause
  const [url = ''] = kdc
  const kept = `the key is kept in ${keytab}, and may be good: a program tries it again at its next start; by hand, run: orthrus keytab show ${keytab} --kdc ${shownUrl(url)}`
  if (!isUnprovedRefusal(cause)) {
    const { hint, ...facts } = cause.facts
    return new OrthrusError(cause.code, cause.reason, {
      ...facts,
      cause,
      hint: hint === undefined ? kept : `${hint}; ${kept}`,
    })
  }
  if (end !== undefined) {
    const { facts, reason } = end
    const hint = `${kept}; if it is refused again, ${notThisHost(facts.invitation)}, to be used once ${keytab} is moved away`
    return new OrthrusError('revoked', reason, { ...facts, final: true, cause, hint })
  }
  return new OrthrusError(
    'auth_failed',
    'the key that the KDC handed out was refused twice; nothing proves that it was the KDC',
    {
      ...cause.facts,
      cause,
      hint: `${kept}; if it is refused again, another host has asked for a key with the same code: move ${keytab} away, and join again; if that host is none of yours, the code is in other hands: orthrus admin uninvite it`,
    },
  )
}

function notThisHost(end: InvitationEnd | undefined): string {
  return end?.how === 'used'
    ? 'others used the code: orthrus admin revoke key NAME ends the key of whoever did, and orthrus admin invite NAME makes another code'
    : 'the code ended before this host had logged in: orthrus admin invite NAME makes another'
}

/** The error of a host that has had its keytab since an earlier start. Anything but a refusal of the key is unchanged. */
export function refusedLater(cause: unknown, keytab: string): unknown {
  if (!(cause instanceof OrthrusError) || !isUnprovedRefusal(cause)) return cause
  const { hint = 'try again', ...facts } = cause.facts
  return new OrthrusError(cause.code, cause.reason, {
    ...facts,
    cause,
    hint: `${hint}; if this host has never logged in with ${keytab}, another has asked for a key with its code since: move the file away, and start again with a code that is still good`,
  })
}
