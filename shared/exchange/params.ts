import { SCRYPT, SIZE, TYPE } from '../constants.js'
import type { ScryptParameters } from '../crypto/primitives.js'
import type { Value } from '../encoding/encoding.js'
import { bytesOf, fields, numberOf, principalOf, textOf } from '../encoding/fields.js'
import { createMessage, decodeMessage } from '../encoding/message.js'
import { malformed, OrthrusError } from '../errors.js'
import type { Principal } from '../principal.js'

/** How a password becomes a key. The KDC tells it in clear and unproved (docs/protocol.md section 8). */

export interface PasswordParameters extends ScryptParameters {
  readonly salt: Uint8Array
}

/** The parameters of every password that is set today. */
export function parametersWith(salt: Uint8Array): PasswordParameters {
  return { log2N: SCRYPT.LOG2N, r: SCRYPT.R, p: SCRYPT.P, salt }
}

const FUNCTION = 'scrypt'

export function createParamsRequest(client: Principal): Uint8Array {
  return createMessage(TYPE.PARAMS_REQ, [client])
}

/** @throws OrthrusError `malformed` */
export function decodeParamsRequest(bytes: Uint8Array): Principal {
  const [client] = fields(decodeMessage(bytes, TYPE.PARAMS_REQ), 1)
  return principalOf(client)
}

/** The parameters as they are encoded in messages and records, in this order. */
export function encodePasswordParameters({ log2N, r, p, salt }: PasswordParameters): Value[] {
  return [log2N, r, p, salt]
}

/** The salt is a copy. @throws OrthrusError `malformed` */
export function decodePasswordParameters(value: Value | readonly Value[] | undefined): PasswordParameters {
  const [log2N, r, p, salt] = fields(value, 4)
  return { log2N: numberOf(log2N), r: numberOf(r), p: numberOf(p), salt: bytesOf(salt, SIZE.SALT).slice() }
}

export function createParamsReply(parameters: PasswordParameters): Uint8Array {
  return createMessage(TYPE.PARAMS_REP, [FUNCTION, ...encodePasswordParameters(parameters)])
}

/** @throws OrthrusError `malformed` */
export function decodeParamsReply(bytes: Uint8Array): PasswordParameters {
  const [name, ...parameters] = fields(decodeMessage(bytes, TYPE.PARAMS_REP), 5)
  if (textOf(name) !== FUNCTION) throw malformed('an unknown password function')
  return decodePasswordParameters(parameters)
}

/**
 * Refuses parameters that are too weak, which would let a password be guessed from a recorded login, and those so heavy
 * that computing the key would be an attack in itself. Anybody may have sent them.
 * @throws OrthrusError `refused_unproved`
 */
export function requireSoundParameters({ log2N, r, p }: ScryptParameters): void {
  if (log2N >= SCRYPT.LOG2N && log2N <= SCRYPT.LOG2N_MAX && r === SCRYPT.R && p === SCRYPT.P) return
  throw new OrthrusError('refused_unproved', `scrypt parameters out of bounds: 2^${log2N}, ${r}, ${p}`, {
    final: true,
    expected: `2^${SCRYPT.LOG2N} to 2^${SCRYPT.LOG2N_MAX}, ${SCRYPT.R}, ${SCRYPT.P}`,
    hint: 'the KDC is misconfigured, or somebody answers in its place',
  })
}
