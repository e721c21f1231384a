import { SIZE } from '../constants.js'
import type { Value } from '../encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  fields,
  kvnoOf,
  listOf,
  nullable,
  numberOf,
  principalOf,
  textOf,
} from '../encoding/fields.js'
import { malformed } from '../errors.js'
import type { Principal } from '../principal.js'
import { MINUTE } from '../time.js'

/** What the methods of administration say about revocations (docs/protocol.md section 10). Times in milliseconds. */

/** The result of a method that revokes: the number of its last entry in the log. */
export function encodeRevoked(seq: number): Value[] {
  return [seq]
}

export function decodeRevoked(results: readonly Value[]): number {
  const [seq] = fields(results, 1)
  return numberOf(seq)
}

/** `revoke-ticket`: which ticket, and whose it is if the administrator knows. */
export interface TicketRevocation {
  readonly ticketId: Uint8Array
  readonly principal: Principal | null
}

export function encodeTicketRevocation({ ticketId, principal }: TicketRevocation): Value[] {
  return [ticketId, principal]
}

export function decodeTicketRevocation(args: readonly Value[]): TicketRevocation {
  const [ticketId, principal] = fields(args, 2)
  return {
    ticketId: bytesOf(ticketId, SIZE.TICKET_ID).slice(),
    principal: nullable(principal, principalOf),
  }
}

/** The result of `revoke-key`: the newest kvno that it ended, and the number of its last entry in the log. */
export interface KeyRevoked {
  readonly kvno: number
  readonly seq: number
}

export function encodeKeyRevoked({ kvno, seq }: KeyRevoked): Value[] {
  return [kvno, seq]
}

export function decodeKeyRevoked(results: readonly Value[]): KeyRevoked {
  const [kvno, seq] = fields(results, 2)
  return { kvno: kvnoOf(kvno), seq: numberOf(seq) }
}

/** The longest time that `followers` waits. */
export const FOLLOWERS_WAIT_MAX = MINUTE

/** The most rows that `followers` returns. */
export const FOLLOWER_ROWS = 1_000

/** `followers`: for which entry, and how long the answer may wait for all that are connected to apply it. */
export interface FollowersQuestion {
  readonly seq: number
  readonly wait: number
}

export function encodeFollowersQuestion({ seq, wait }: FollowersQuestion): Value[] {
  return [seq, wait]
}

export function decodeFollowersQuestion(args: readonly Value[]): FollowersQuestion {
  const [seq, wait] = fields(args, 2)
  const milliseconds = numberOf(wait)
  if (milliseconds > FOLLOWERS_WAIT_MAX) throw malformed(`a wait of more than ${FOLLOWERS_WAIT_MAX} ms`)
  return { seq: numberOf(seq), wait: milliseconds }
}

/** A follower of the revocation log, or one that was. */
export interface FollowerRow {
  readonly principal: Principal
  readonly address: string
  /** The last entry that it said it applied; 0 for none. */
  readonly seen: number
  /** The last entry that it was sent. */
  readonly sent: number
  readonly connected: boolean
  /** How long ago it last said anything. */
  readonly silentFor: number
}

/** The result of `followers`. */
export interface Followers {
  /** Those that have not applied the entry come first. At most `FOLLOWER_ROWS`. */
  readonly rows: readonly FollowerRow[]
  /** How many followers there are in all that have applied the entry, and that have not. */
  readonly applied: number
  readonly silent: number
  /** For how long this KDC has kept the list: it does not know who followed before. */
  readonly keptFor: number
}

export function encodeFollowers({ rows, applied, silent, keptFor }: Followers): Value[] {
  return [rows.map(encodeFollowerRow), applied, silent, keptFor]
}

export function decodeFollowers(results: readonly Value[]): Followers {
  const [rows, applied, silent, keptFor] = fields(results, 4)
  return {
    rows: listOf(rows, FOLLOWER_ROWS).map(decodeFollowerRow),
    applied: numberOf(applied),
    silent: numberOf(silent),
    keptFor: numberOf(keptFor),
  }
}

export function encodeFollowerRow({
  principal,
  address,
  seen,
  sent,
  connected,
  silentFor,
}: FollowerRow): Value[] {
  return [principal, address, seen, sent, connected, silentFor]
}

export function decodeFollowerRow(value: Value): FollowerRow {
  const [principal, address, seen, sent, connected, silentFor] = fields(value, 6)
  return {
    principal: principalOf(principal),
    address: textOf(address),
    seen: numberOf(seen),
    sent: numberOf(sent),
    connected: booleanOf(connected),
    silentFor: numberOf(silentFor),
  }
}
