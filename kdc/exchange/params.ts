import { hmacSha256 } from '#primitives'
import { SIZE } from '../../shared/constants.js'
import {
  createParamsReply,
  decodeParamsRequest,
  type PasswordParameters,
  parametersWith,
} from '../../shared/exchange/params.js'
import type { Principal } from '../../shared/principal.js'
import type { ExchangeContext, Incoming } from '../realm/context.js'
import { hasPassword } from '../realm/principal-keys.js'

/**
 * How a password becomes a key (docs/protocol.md section 8, "Passwords"). A name without a password also gets an
 * answer, always the same one, so that the answers do not tell which names exist.
 * @throws OrthrusError for what is answered with ERROR 05: `malformed` and other decoding errors, `rate_limited`
 */
export async function answerParams(
  { realm, rates }: ExchangeContext,
  { bytes, address }: Incoming,
): Promise<Uint8Array> {
  rates.requireParams(address)
  const client = decodeParamsRequest(bytes)
  const invented = inventParameters(client, realm.record.saltSecret)
  const record = await realm.directory.storedPrincipal(client)
  const known = record !== undefined && hasPassword(record) ? record.password : null
  return createParamsReply(known ?? invented)
}

/** Default parameters, and a salt that is a keyed function of the name. */
function inventParameters(client: Principal, secret: Uint8Array): PasswordParameters {
  const salt = hmacSha256(secret, new TextEncoder().encode(`salt\0${client}`)).subarray(0, SIZE.SALT)
  return parametersWith(salt)
}
