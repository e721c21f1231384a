import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { fromBase64url } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'
import { COVERED_REQUEST_HEADERS, CREDENTIAL_HEADER } from '../../shared/http/binding.js'
import { type Credential, formatCredential, openHandOff } from '../../shared/ticket/credential.js'

/** What `ticket.onBehalf` needs of a realm: `orthrus/client` has it. */
export interface DelegateRealm<Caller> {
  /** @throws OrthrusError `credential_invalid` */
  onBehalf(credential: string): Caller
}

/** A request with the credential that its client sent along, as it came: sealed, and covered by the binding. */
export interface HandOff {
  readonly verified: VerifiedRequest
  /** Base64url. */
  readonly sealed: string | undefined
}

const PLACE = COVERED_REQUEST_HEADERS.indexOf(CREDENTIAL_HEADER)

/** The sealed credential among the values of a request's covered headers. */
export function sealedCredential(covered: readonly string[]): string | undefined {
  return covered[PLACE] || undefined
}

/**
 * Opens what was sealed to this service and this request (docs/protocol.md section 8, "Hand-off") and makes the
 * realm a caller of it.
 * @throws OrthrusError `credential_invalid` where the request brought none, or one that is of no use; and as the
 * realm's `onBehalf`
 */
export function actOnBehalf<Caller>(handOff: HandOff, realm: DelegateRealm<Caller>): Caller {
  return realm.onBehalf(formatCredential(openCredential(handOff)))
}

function openCredential({ verified, sealed }: HandOff): Credential {
  if (sealed === undefined) throw noCredential()
  const credential = openHandOff(verified.key, verified.request.nonce, bytesFrom(sealed))
  // A handler that acts for the client of a request must not be made to act for another.
  if (credential.client === verified.client) return credential
  throw new OrthrusError(
    'credential_invalid',
    'the credential sent along is not of the client of the request',
    {
      final: true,
      expected: verified.client,
      actual: credential.client,
    },
  )
}

function bytesFrom(sealed: string): Uint8Array {
  try {
    return fromBase64url(sealed)
  } catch (cause) {
    throw new OrthrusError('credential_invalid', 'the credential sent along is no base64url', {
      final: true,
      cause,
    })
  }
}

function noCredential(): OrthrusError {
  return new OrthrusError('credential_invalid', 'the client sent no credential along with its request', {
    final: true,
    hint: 'the client sends one with: realm.fetch(url, { handOff: ticket.attenuate({ to, expires }) })',
  })
}
