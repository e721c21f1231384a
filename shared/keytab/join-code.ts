import { equalBytes } from '#primitives'
import { base64urlBytes, concatBytes, toBase64url } from '../bytes.js'
import { SIZE } from '../constants.js'
import { checkOf } from '../crypto/check.js'
import { revealKey } from '../crypto/keys.js'
import { decode, encode } from '../encoding/encoding.js'
import { fields, kvnoOf, longTermKeyOf, numberOf, principalOf, textsOf } from '../encoding/fields.js'
import { malformed, OrthrusError } from '../errors.js'
import { isInvitation } from '../principal.js'
import type { KeytabEntry } from './keytab.js'

/** An invitation as it is handed to a new host (docs/protocol.md section 12, "Invitations"). It contains a key. */
export interface JoinCode {
  /** The invitation's name, kvno and key. */
  readonly invitation: KeytabEntry
  /** Milliseconds, KDC time. */
  readonly endsAt: number
  /** Where the KDCs of the realm are. */
  readonly kdc: readonly string[]
}

const PREFIX = 'orthrusjoin1_'

/** The text form, a secret. Its checksum distinguishes a text that was cut off or mistyped from one that has ended. */
export function formatJoinCode({ invitation, endsAt, kdc }: JoinCode): string {
  const { principal, kvno, key } = invitation
  const array = encode([principal, kvno, revealKey(key), endsAt, [...kdc]])
  return PREFIX + toBase64url(concatBytes(array, checkOf(array)))
}

/** Whether the text is a join code or a part of one, even if it is damaged. */
export function looksLikeJoinCode(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** @throws OrthrusError `credential_invalid` if the text is cut off, altered or not a join code. It is not quoted */
export function parseJoinCode(text: string): JoinCode {
  if (typeof text !== 'string') throw new TypeError(`a join code is a string, not ${typeof text}`)
  if (!looksLikeJoinCode(text)) throw invalid(`does not begin with ${PREFIX}`)
  const bytes = base64urlBytes(text.slice(PREFIX.length))
  if (bytes === undefined) throw damaged()
  const array = bytes.subarray(0, Math.max(0, bytes.length - SIZE.CHECK))
  if (!equalBytes(checkOf(array), bytes.subarray(array.length))) throw damaged()
  return decodeJoinCode(array)
}

function decodeJoinCode(array: Uint8Array): JoinCode {
  try {
    const [name, kvno, key, endsAt, kdc] = fields(decode(array), 5)
    const principal = principalOf(name)
    if (!isInvitation(principal)) throw malformed('the name is not that of an invitation')
    const invitation = { principal, kvno: kvnoOf(kvno), key: longTermKeyOf(key) }
    return { invitation, endsAt: numberOf(endsAt), kdc: textsOf(kdc) }
  } catch (cause) {
    if (cause instanceof OrthrusError) throw invalid('is not one of this version')
    throw cause
  }
}

function damaged(): OrthrusError {
  return invalid('was cut off or mistyped')
}

function invalid(reason: string): OrthrusError {
  return new OrthrusError('credential_invalid', `the join code ${reason}`, {
    final: true,
    hint: 'copy all of it again from where "orthrus admin invite" printed it',
  })
}
