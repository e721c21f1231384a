import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { base64urlBytes } from '../../shared/bytes.js'
import { type ErrorFacts, OrthrusError } from '../../shared/errors.js'
import { COVERED_REQUEST_HEADERS, CREDENTIAL_HEADER } from '../../shared/http/header-names.js'
import type { Principal } from '../../shared/principal.js'
import { decodeCaveat } from '../../shared/ticket/caveats.js'
import { type Credential, formatCredential, openHandOff } from '../../shared/ticket/credential.js'

/** What `ticket.onBehalf` needs of a realm; `orthrus/client` has it. */
export interface DelegateRealm<Caller> {
  /** The principal that presents credentials: the only one that may be their `holder`. */
  readonly client: Principal
  /** @throws OrthrusError `credential_invalid` */
  onBehalf(credential: string): Caller
}

/** A verified request, and the credential that its client sent along, as it came: sealed, and covered by the binding. */
export interface HandOff {
  readonly verified: VerifiedRequest
  /** Base64url. */
  readonly sealed: string | undefined
  /** The names of the further headers that the binding covers. */
  readonly further: readonly string[]
  /** Whether the body is sealed, and so still to be opened. */
  readonly isSealed: boolean
}

const PLACE = COVERED_REQUEST_HEADERS.indexOf(CREDENTIAL_HEADER)

/** Finds the sealed credential among the values of a request's covered headers. */
export function sealedCredential(covered: readonly string[]): string | undefined {
  return covered[PLACE] || undefined
}

/**
 * Opens what was sealed to this service and this request (docs/protocol.md section 8, "Hand-off") and lets the realm
 * act on it.
 * @throws OrthrusError `credential_invalid` if the request brought none, or one that is invalid, names no holder, or
 * names another one; and as the realm's `onBehalf`
 */
export function actOnBehalf<Caller>(handOff: HandOff, realm: DelegateRealm<Caller>): Caller {
  if (!isDelegateRealm(realm)) throw new TypeError('onBehalf takes a realm: await connect({ kdc, keytab })')
  const credential = openCredential(handOff)
  requireHolder(credential, realm.client)
  return realm.onBehalf(formatCredential(credential))
}

/** A realm that does not say which principal it acts as could present a credential as anybody. */
function isDelegateRealm(realm: unknown): boolean {
  if (typeof realm !== 'object' || realm === null) return false
  const { client, onBehalf } = realm as { readonly client?: unknown; readonly onBehalf?: unknown }
  return typeof client === 'string' && typeof onBehalf === 'function'
}

function openCredential({ verified, sealed }: HandOff): Credential {
  if (sealed === undefined) throw noCredential()
  const box = base64urlBytes(sealed)
  if (box === undefined) throw unusable('the credential sent along is no base64url', {})
  const credential = openHandOff(verified.key, verified.request.nonce, box)
  // A handler that acts for the client of a request must not be made to act for another client.
  if (credential.client === verified.client) return credential
  throw unusable('the credential sent along is not of the client of the request', {
    expected: verified.client,
    actual: credential.client,
  })
}

/**
 * The client chose everything in the credential. Without a `holder` it is presented without the holder's own ticket
 * beside it, so whoever chose its key could answer in the next service's place.
 */
function requireHolder({ caveats }: Credential, holder: Principal): void {
  const holders = caveats.map(holderIn).filter(name => name !== undefined)
  const other = holders.find(name => name !== holder)
  if (other !== undefined) {
    throw unusable('the credential sent along was made for another delegate', {
      expected: other,
      actual: holder,
    })
  }
  if (holders.length > 0) return
  throw unusable('the credential sent along names no holder, so anyone may have made it', {
    expected: holder,
    hint: 'the client names the delegate: ticket.attenuate({ to, expires })',
  })
}

/** A caveat of unknown form names nobody: the next service will refuse it. */
function holderIn(bytes: Uint8Array): Principal | undefined {
  try {
    const caveat = decodeCaveat(bytes)
    return caveat.name === 'holder' ? caveat.holder : undefined
  } catch (cause) {
    if (cause instanceof OrthrusError) return undefined
    throw cause
  }
}

function unusable(reason: string, facts: ErrorFacts): OrthrusError {
  return new OrthrusError('credential_invalid', reason, { final: true, ...facts })
}

function noCredential(): OrthrusError {
  return unusable('the client sent no credential along with its request', {
    hint: 'the client sends one with: realm.fetch(url, { handOff: ticket.attenuate({ to, expires }) })',
  })
}
