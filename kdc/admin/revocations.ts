import {
  decodeFollowersQuestion,
  decodeTicketRevocation,
  encodeFollowers,
  encodeKeyRevoked,
  encodeRevoked,
  FOLLOWER_ROWS,
  type FollowerRow,
  type Followers,
  type FollowersQuestion,
  type KeyRevoked,
  type TicketRevocation,
} from '../../shared/administration/revocations.js'
import { SIZE } from '../../shared/constants.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { malformed } from '../../shared/errors.js'
import { isReserved, type Principal } from '../../shared/principal.js'
import { withOnlyKey, withoutKeys } from '../realm/key-changes.js'
import type { PrincipalRecord } from '../vault/records.js'
import { type AdminContext, changeRealm, requireDispensable, requirePrincipal, shortName } from './context.js'
import { decodePrincipal, type Method, method } from './method.js'
import { appendRevocations, revokeKeys, revokeSeries } from './series.js'

/** The methods that revoke, and the one that tells where it has arrived (docs/protocol.md section 10). */

/**
 * Ends all tickets that the principal has, those for `kdc@realm` included; it may log in again at once.
 * @returns the number of the entry in the log
 * @throws OrthrusError `malformed` `unknown_service` `not_authorized`
 */
export async function revokeClient(context: AdminContext, name: Principal): Promise<number> {
  if (isReserved(name)) throw malformed(`${name} has no tickets that could be revoked`)
  return revokeSeries(context, 'revoke-client', name, record => record)
}

/**
 * Ends this one ticket, and nothing that was granted under it.
 * @returns the number of the entry in the log, which is the same if the ticket was revoked before
 * @throws OrthrusError `unknown_service` `not_authorized`
 */
export async function revokeTicket(context: AdminContext, asked: TicketRevocation): Promise<number> {
  const { ticketId, principal } = asked
  const { revocations } = context.realm
  const seq = await changeRealm(context, async now => {
    // The entry of a name that is mistyped would not tell the client that its ticket is revoked.
    if (principal !== null) await requirePrincipal(context, principal)
    const reported = { method: 'revoke-ticket', ticketId, principal } as const
    await revocations.settle()
    const before = revocations.entryOfTicket(ticketId)
    if (before !== undefined) return { changes: [], effect: 'takes', result: before, reported: undefined }
    const revoked = { kind: 'ticket', principal, by: ticketId } as const
    const appended = await appendRevocations(context, [revoked], now)
    return { changes: appended.changes, effect: 'takes', result: appended.seq, reported }
  })
  // From the answer on, the KDC itself refuses the ticket too.
  await revocations.settle()
  return seq
}

/**
 * Ends all keys of the principal, staged ones and invitations for it included, and all tickets for it or of it. It then
 * has no key; but a principal of the KDC gets a fresh one.
 * @throws OrthrusError `malformed` `unknown_service` `not_authorized`
 */
export async function revokeKey(context: AdminContext, name: Principal): Promise<KeyRevoked> {
  if (!isReserved(name)) requireDispensable(context, name, 'left without a key')
  const { ended: kvno, seq } = await revokeKeys(context, 'revoke-key', name, (record, now, wasInvited) => {
    // One that has no key may still be invited, with a code that was stolen too.
    if (record.keys.length === 0 && !wasInvited) {
      const next = `orthrus admin rotate ${shortName(name)} --keytab FILE`
      throw malformed(`${name} has no key that could be revoked; to give it one, run: ${next}`)
    }
    return withoutOldKeys(record, context, now)
  })
  return { kvno, seq }
}

/** The KDC cannot do without its own keys. */
function withoutOldKeys(record: PrincipalRecord, { realm }: AdminContext, now: number): PrincipalRecord {
  if (!isReserved(record.name)) return withoutKeys(record, now)
  return withOnlyKey(record, new LongTermKey(realm.random(SIZE.KEY)), null, now)
}

/**
 * Who follows the log, once all that are connected have applied the entry or the wait is over.
 * @throws OrthrusError `malformed` for an entry that the log does not have
 */
export async function followers(context: AdminContext, { seq, wait }: FollowersQuestion): Promise<Followers> {
  const { feed, revocations } = context.realm
  await revocations.settle()
  if (seq > revocations.newest) throw malformed(`the revocation log has no entry ${seq}`)
  await feed.whenSeen(seq, wait)
  const { rows, keptFor } = feed.rows()
  const silent = rows.filter(row => row.seen < seq).sort(byName)
  const applied = rows.filter(row => row.seen >= seq).sort(byName)
  const first = [...silent, ...applied].slice(0, FOLLOWER_ROWS)
  return { rows: first, applied: applied.length, silent: silent.length, keptFor }
}

function byName(one: FollowerRow, other: FollowerRow): number {
  if (one.principal === other.principal) return one.address < other.address ? -1 : 1
  return one.principal < other.principal ? -1 : 1
}

export const REVOCATION_METHODS = {
  'revoke-client': method({
    callers: 'administrators',
    reads: false,
    decode: decodePrincipal,
    run: async (context, name) => encodeRevoked(await revokeClient(context, name)),
  }),
  'revoke-ticket': method({
    callers: 'administrators',
    reads: false,
    decode: decodeTicketRevocation,
    run: async (context, asked) => encodeRevoked(await revokeTicket(context, asked)),
  }),
  'revoke-key': method({
    callers: 'administrators',
    reads: false,
    decode: decodePrincipal,
    run: async (context, name) => encodeKeyRevoked(await revokeKey(context, name)),
  }),
  followers: method({
    callers: 'administrators',
    reads: true,
    decode: decodeFollowersQuestion,
    run: async (context, question) => encodeFollowers(await followers(context, question)),
  }),
} satisfies Record<string, Method>
