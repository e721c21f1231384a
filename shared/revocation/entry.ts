import { SIZE } from '../constants.js'
import type { Value } from '../encoding/encoding.js'
import { bytesOf, fields, kvnoOf, nullable, numberOf, oneOf, principalOf } from '../encoding/fields.js'
import { malformed } from '../errors.js'
import type { Principal } from '../principal.js'

/** The entries of the revocation log (docs/protocol.md section 10). */

/** What an entry revokes. */
export type Revoked =
  /** Every ticket that bears this `clientId8`. */
  | { readonly kind: 'client'; readonly by: Uint8Array }
  /** The one ticket that has this `ticketId16`. */
  | { readonly kind: 'ticket'; readonly by: Uint8Array }
  /** Every ticket for the principal under this kvno or a lower one. */
  | { readonly kind: 'key'; readonly by: number }

export type RevocationEntry = Revoked & {
  /** From 1, without gaps. */
  readonly seq: number
  /** 8 random bytes, by which a follower knows whether its entry is of this log. */
  readonly mark: Uint8Array
  /** The client of the tickets, or for a key its owner; null if the KDC does not know it, or does not tell it. */
  readonly principal: Principal | null
  /** Milliseconds; for people only. */
  readonly time: number
  /** When everything that it revokes has ended, milliseconds. */
  readonly keepUntil: number
}

export function encodeEntry({ seq, mark, kind, principal, by, time, keepUntil }: RevocationEntry): Value[] {
  return [seq, mark, kind, principal, by, time, keepUntil]
}

/** Copies what it keeps. @throws OrthrusError `malformed` */
export function decodeEntry(list: readonly Value[]): RevocationEntry {
  const [number, mark, kind, principal, by, time, keepUntil] = fields(list, 7)
  return {
    seq: entryNumberOf(number),
    mark: bytesOf(mark, SIZE.MARK).slice(),
    principal: nullable(principal, principalOf),
    ...revokedOf(kind, by),
    time: numberOf(time),
    keepUntil: numberOf(keepUntil),
  }
}

/** Entries are numbered from 1. @throws OrthrusError `malformed` */
export function entryNumberOf(value: Value | undefined): number {
  const number = numberOf(value)
  if (number === 0) throw malformed('an entry numbered 0')
  return number
}

function revokedOf(kindValue: Value | undefined, by: Value | undefined): Revoked {
  const kind = oneOf(kindValue, ['client', 'ticket', 'key'])
  switch (kind) {
    case 'client':
      return { kind, by: bytesOf(by, SIZE.CLIENT_ID).slice() }
    case 'ticket':
      return { kind, by: bytesOf(by, SIZE.TICKET_ID).slice() }
    case 'key':
      return { kind, by: kvnoOf(by) }
  }
}
