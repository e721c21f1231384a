import { type LongTermKey, revealKey } from '../crypto/keys.js'
import type { Value } from '../encoding/encoding.js'
import {
  booleanOf,
  fields,
  kvnoOf,
  lifetimeOf,
  longTermKeyOf,
  nullable,
  numberOf,
  patternOf,
  principalOf,
  textOf,
} from '../encoding/fields.js'
import type { KeytabEntry } from '../keytab/keytab.js'
import type { Pattern } from '../pattern.js'
import type { Principal } from '../principal.js'

/** What the methods for invitations send (docs/protocol.md section 12). Times are milliseconds since the epoch. */

/** The arguments of `invite`. */
export interface NewInvitation {
  /** One principal, which need not exist yet, or every instance of a name (`orders/*`). */
  readonly target: Pattern
  /** How many hosts it is for; 1 for one principal. */
  readonly uses: number
  readonly endsAt: number
  /** How long the principals that it makes exist, milliseconds; null for no end, as for one principal. */
  readonly principalsLife: number | null
}

export function encodeNewInvitation({ target, uses, endsAt, principalsLife }: NewInvitation): Value[] {
  return [target, uses, endsAt, principalsLife]
}

/** @throws OrthrusError `malformed` */
export function decodeNewInvitation(args: readonly Value[]): NewInvitation {
  const [target, uses, endsAt, principalsLife] = fields(args, 4)
  return {
    target: patternOf(target),
    uses: numberOf(uses),
    endsAt: numberOf(endsAt),
    principalsLife: nullable(principalsLife, lifetimeOf),
  }
}

/** The result of `invite`: what a join code is made of, and a secret. */
export interface MadeInvitation {
  readonly invitation: KeytabEntry
  readonly endsAt: number
}

export function encodeMadeInvitation({ invitation, endsAt }: MadeInvitation): Value[] {
  return [invitation.principal, invitation.kvno, revealKey(invitation.key), endsAt]
}

/** @throws OrthrusError `malformed` */
export function decodeMadeInvitation(results: readonly Value[]): MadeInvitation {
  const [principal, kvno, key, endsAt] = fields(results, 4)
  const invitation = { principal: principalOf(principal), kvno: kvnoOf(kvno), key: longTermKeyOf(key) }
  return { invitation, endsAt: numberOf(endsAt) }
}

/** Each row of `invitations`. */
export interface InvitationSummary extends NewInvitation {
  readonly invitation: Principal
  readonly createdAt: number
  /** How many hosts have joined with it. */
  readonly used: number
  /** How many keys were handed out with which no host has logged in yet. */
  readonly staged: number
  readonly withdrawn: boolean
  readonly lastUsedAt: number | null
  /** The address that last used it. */
  readonly lastUsedFrom: string | null
}

export function encodeInvitationSummary(summary: InvitationSummary): Value[] {
  const { invitation, target, uses, endsAt, principalsLife, createdAt, used, staged } = summary
  const { withdrawn, lastUsedAt, lastUsedFrom } = summary
  const wanted = [target, uses, endsAt, principalsLife]
  return [invitation, ...wanted, createdAt, used, staged, withdrawn, lastUsedAt, lastUsedFrom]
}

/** @throws OrthrusError `malformed` */
export function decodeInvitationSummary(value: Value | undefined): InvitationSummary {
  const list = fields(value, 11)
  return {
    invitation: principalOf(list[0]),
    ...decodeNewInvitation(list.slice(1, 5)),
    createdAt: numberOf(list[5]),
    used: numberOf(list[6]),
    staged: numberOf(list[7]),
    withdrawn: booleanOf(list[8]),
    lastUsedAt: nullable(list[9], numberOf),
    lastUsedFrom: nullable(list[10], textOf),
  }
}

/** The argument of `enrol`: the instance of the name that the host is to be, or nil for one drawn at random. */
export function decodeInstance(args: readonly Value[]): string | null {
  const [instance] = fields(args, 1)
  return nullable(instance, textOf)
}

/** The result of `enrol`: the key becomes the principal's with the first login under it. */
export interface Enrolled {
  readonly principal: Principal
  readonly kvno: number
  readonly key: LongTermKey
}

export function encodeEnrolled({ principal, kvno, key }: Enrolled): Value[] {
  return [principal, kvno, revealKey(key)]
}

/** @throws OrthrusError `malformed` */
export function decodeEnrolled(results: readonly Value[]): Enrolled {
  const [principal, kvno, key] = fields(results, 3)
  return { principal: principalOf(principal), kvno: kvnoOf(kvno), key: longTermKeyOf(key) }
}
