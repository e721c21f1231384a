import { equalBytes } from '#primitives'
import { base64urlBytes, concatBytes, toBase64url } from '../bytes.js'
import { LABEL, SIZE } from '../constants.js'
import { checkOf } from '../crypto/check.js'
import { AuthKey, ChainKey, revealKey } from '../crypto/keys.js'
import type { RandomSource } from '../crypto/random.js'
import { open, seal } from '../crypto/seal.js'
import { decode, encode } from '../encoding/encoding.js'
import {
  booleanOf,
  bytesOf,
  caveatListOf,
  fields,
  numberOf,
  principalOf,
  ticketBytesOf,
} from '../encoding/fields.js'
import { OrthrusError } from '../errors.js'
import type { Principal } from '../principal.js'
import { decodeInnerTicket, type SealedTicket } from './ticket.js'

/** A ticket as handed to a delegate (docs/protocol.md section 8, "Hand-off"). It contains the key to use it with. */
export interface Credential {
  readonly ticket: SealedTicket
  readonly caveats: readonly Uint8Array[]
  /** `K_n`, with which caveats can be added, or `A_n` of a closed credential, with which they cannot. */
  readonly key: ChainKey | AuthKey
  readonly service: Principal
  readonly client: Principal
  /** Milliseconds, KDC time. */
  readonly endTime: number
}

const PREFIX = 'orthrus1_'

function encodeCredential({ ticket, caveats, key, service, client, endTime }: Credential): Uint8Array {
  return encode([
    ticket.bytes,
    [...caveats],
    revealKey(key),
    key instanceof AuthKey,
    service,
    client,
    endTime,
  ])
}

function decodeCredential(array: Uint8Array): Credential {
  try {
    const list = fields(decode(array), 7)
    const key = bytesOf(list[2], SIZE.KEY).slice()
    return {
      ticket: decodeInnerTicket(ticketBytesOf(list[0])),
      caveats: caveatListOf(list[1]),
      key: booleanOf(list[3]) ? new AuthKey(key) : new ChainKey(key),
      service: principalOf(list[4]),
      client: principalOf(list[5]),
      endTime: numberOf(list[6]),
    }
  } catch (cause) {
    if (cause instanceof OrthrusError) throw invalid('is not a credential of this version')
    throw cause
  }
}

/** The text form, a secret: `orthrus1_...` with a checksum that distinguishes a truncated text from a wrong one. */
export function formatCredential(credential: Credential): string {
  const array = encodeCredential(credential)
  return PREFIX + toBase64url(concatBytes(array, checkOf(array)))
}

/** @throws OrthrusError `credential_invalid` if the text is cut off, altered or not a credential */
export function parseCredential(text: string): Credential {
  if (!text.startsWith(PREFIX)) throw invalid(`does not begin with ${PREFIX}`)
  const bytes = base64urlBytes(text.slice(PREFIX.length))
  if (bytes === undefined) throw damaged()
  const array = bytes.subarray(0, Math.max(0, bytes.length - SIZE.CHECK))
  if (!equalBytes(checkOf(array), bytes.subarray(array.length))) throw damaged()
  return decodeCredential(array)
}

function damaged(): OrthrusError {
  return invalid('was cut off or altered on its way')
}

function invalid(reason: string): OrthrusError {
  return new OrthrusError('credential_invalid', `the credential ${reason}`, {
    final: true,
    hint: 'copy all of it again from where it was made',
  })
}

/** Seals the credential to the service of the request that has this key and nonce. */
export function sealHandOff(
  key: AuthKey,
  nonce: Uint8Array,
  credential: Credential,
  random: RandomSource,
): Uint8Array {
  return seal(key, 'hand-off', handOffAad(nonce), encodeCredential(credential), random)
}

/** @throws OrthrusError `credential_invalid` */
export function openHandOff(key: AuthKey, nonce: Uint8Array, box: Uint8Array): Credential {
  const array = open(key, 'hand-off', handOffAad(nonce), box)
  if (array === undefined) throw invalid('was not sealed for this request')
  return decodeCredential(array)
}

const handOffLabel = new TextEncoder().encode(LABEL.HAND_OFF)

function handOffAad(nonce: Uint8Array): Uint8Array {
  return concatBytes(handOffLabel, nonce)
}
