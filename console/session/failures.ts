import { endsTgt } from '../../client/login/session.js'
import { type ErrorCode, OrthrusError } from '../../shared/errors.js'
import { SECOND } from '../../shared/time.js'
import { type Failure, failureOf } from '../parts/act.js'

/** What failures of a login and of its end mean for a person, and what to do. */

const ENDED: ReadonlySet<ErrorCode> = new Set([
  'login_invalid',
  'ticket_expired',
  'ticket_not_yet_valid',
  'revoked',
  'principal_disabled',
])

/** Whether only another login helps. */
export function endsLogin(cause: unknown): cause is OrthrusError {
  return cause instanceof OrthrusError && (ENDED.has(cause.code) || endsTgt(cause))
}

/** Whether the KDC did not answer, so that it may later. */
export function isOutage(cause: unknown): boolean {
  return cause instanceof OrthrusError && (cause.code === 'unavailable' || cause.code === 'channel_broken')
}

/** Why a login ended, and what to do. */
export function endOfLogin({ code }: OrthrusError): Failure {
  if (code === 'revoked')
    return {
      message: 'An administrator has revoked your login.',
      hint: 'Ask why before you log in again: it may have been done because somebody else has your password.',
    }
  if (code === 'principal_disabled')
    return {
      message: 'An administrator has disabled your account.',
      hint: 'Nobody can log in with it until it is enabled again: orthrus admin enable NAME',
    }
  return {
    message: 'Your login has ended.',
    hint: 'It lasts some hours, however much is done with it. Nothing that you see is lost.',
  }
}

/** Why somebody could not log in, and what to do. */
export function failedLogin(cause: unknown): Failure {
  if (!(cause instanceof OrthrusError)) return failureOf(cause)
  const { code, facts } = cause
  switch (facts.claimed ?? code) {
    case 'password_wrong':
    case 'auth_failed':
      return {
        message: 'The name or the password is wrong.',
        hint: 'The KDC does not say which. Another administrator replaces a forgotten password: orthrus admin reset-password NAME',
      }
    case 'rate_limited':
      return {
        message: 'Too many logins have failed.',
        hint: `Wait ${waitOf(facts.retryAfter)}, then try again.`,
      }
    case 'principal_disabled':
      return endOfLogin(cause)
    case 'unavailable':
      return {
        message: 'The KDC does not answer.',
        hint: 'Look whether it runs, and at its log; then try again. Where something stands before it: that has to pass on WebSockets (/kdc), and the KDC has to know the name in the address of this page (--console-host).',
      }
    case 'clock_skew':
      return { message: 'The clocks of this machine and of the KDC differ.', hint: facts.hint }
    default:
      return failureOf(cause)
  }
}

function waitOf(milliseconds: number | undefined): string {
  return milliseconds === undefined ? 'a little' : `${Math.ceil(milliseconds / SECOND)} s`
}
