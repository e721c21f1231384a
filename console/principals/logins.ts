import type { AuditLine } from '../../shared/administration/audit-line.js'

/** A TGT that a principal got, as the audit log tells it. */
export interface Login {
  /** The id of the TGT, hexadecimal digits. */
  readonly ticket: string
  /** Milliseconds. */
  readonly at: number
  readonly ends: number | undefined
  readonly from: string
  /** How many tickets for services were granted under it. */
  readonly granted: number
}

/**
 * The TGTs of a client that are still good, the newest first, with what was granted under each.
 * @param now milliseconds
 * @param revokedAt when its tickets of that time were revoked, if they ever were: by a new password too
 */
export function loginsIn(lines: readonly AuditLine[], now: number, revokedAt: number | null): Login[] {
  const logins = new Map<string, Login>()
  for (const line of lines) {
    const { kind, outcome, ticket, tgt, at, from = '', service = '', ends } = line
    if (kind !== 'ticket' || outcome !== 'granted') continue
    if (ticket !== undefined && service.startsWith('krbtgt@')) {
      const until = ends === undefined ? undefined : Date.parse(ends)
      logins.set(ticket, { ticket, at: Date.parse(at), ends: until, from, granted: 0 })
    } else if (tgt !== undefined) {
      const login = logins.get(tgt)
      if (login !== undefined) logins.set(tgt, { ...login, granted: login.granted + 1 })
    }
  }
  const isAlive = ({ at, ends = Infinity }: Login) => ends > now && (revokedAt === null || at >= revokedAt)
  const alive = [...logins.values()].filter(isAlive)
  return alive.sort((a, b) => b.at - a.at)
}
