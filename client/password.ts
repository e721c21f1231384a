import { toHex } from '../shared/bytes.js'
import { derivePasswordKey } from '../shared/crypto/derive.js'
import { OrthrusError } from '../shared/errors.js'
import { localPart, type Principal } from '../shared/principal.js'
import { isError, openUnauthenticatedError } from '../shared/protocol/error.js'
import {
  createParamsRequest,
  decodeParamsReply,
  type PasswordParameters,
  requireSoundParameters,
} from '../shared/protocol/params.js'
import type { Identity, LoginKey } from './identity.js'
import type { Exchanged } from './kdc-connection.js'
import { judged, kdcRefusal } from './refusals.js'

/**
 * Keeps salt and parameters from the first login on, so that a change shows (docs/protocol.md section 8,
 * "Passwords"). A `Map` is one; to remember across runs, keep them in a file. None of it is secret.
 */
export interface ParametersCache {
  get(principal: string): PasswordParameters | undefined | Promise<PasswordParameters | undefined>
  set(principal: string, parameters: PasswordParameters): unknown
}

export interface PasswordOptions {
  readonly client: Principal
  readonly password: string
  readonly parametersCache: ParametersCache
  /** Asks the KDC. */
  readonly exchange: (message: Uint8Array) => Promise<Pick<Exchanged, 'bytes'>>
}

/** The key of a password is made when it is first needed; it takes a good part of a second, on purpose. */
export function passwordIdentity(options: PasswordOptions): Identity {
  const { client, parametersCache } = options
  let made: Promise<LoginKey & { readonly parameters: PasswordParameters }> | undefined
  return {
    client,
    passwordBased: true,
    loginKey: () => {
      made ??= makeKey(options)
      // What failed is tried again: the KDC may have been away.
      made.catch(() => {
        made = undefined
      })
      return made
    },
    loggedIn: async () => {
      if (made !== undefined) await parametersCache.set(client, (await made).parameters)
    },
  }
}

async function makeKey(
  options: PasswordOptions,
): Promise<LoginKey & { readonly parameters: PasswordParameters }> {
  const { client, password, parametersCache, exchange } = options
  const { bytes } = await exchange(createParamsRequest(client))
  if (judged(() => isError(bytes))) {
    throw kdcRefusal(
      judged(() => openUnauthenticatedError(bytes)),
      { client, passwordBased: true },
    )
  }
  const parameters = judged(() => decodeParamsReply(bytes))
  requireSoundParameters(parameters)
  requireUnchanged(client, await parametersCache.get(client), parameters)
  const key = await derivePasswordKey(password, client, parameters.salt, parameters)
  // A copy: the bytes of the message would be kept for the sake of its salt.
  return { kvno: 0, key, parameters: { ...parameters, salt: parameters.salt.slice() } }
}

/** Nobody has proved the parameters, so a change may be an attempt to have the password guessed elsewhere. */
function requireUnchanged(
  client: Principal,
  known: PasswordParameters | undefined,
  given: PasswordParameters,
): void {
  if (known === undefined) return
  const { log2N, r, p, salt } = known
  const same = log2N === given.log2N && r === given.r && p === given.p && toHex(salt) === toHex(given.salt)
  if (same) return
  throw new OrthrusError(
    'refused_unproved',
    `the salt or parameters of ${client} are not those of the first login`,
    {
      final: true,
      principal: client,
      hint: `if the password of ${localPart(client)} was set anew, forget what is kept of the old one; if not, somebody may be answering in the KDC's place`,
    },
  )
}

/** Whether what is sent to the URL stays on this machine or is under TLS. */
export function isPrivateUrl(url: URL): boolean {
  if (url.protocol === 'wss:') return true
  const host = url.hostname
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
