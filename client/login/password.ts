import { hintFrom } from '#hints'
import { requireBytes, toHex } from '../../shared/bytes.js'
import { derivePasswordKey } from '../../shared/crypto/derive.js'
import { isError, openUnauthenticatedError } from '../../shared/encoding/error.js'
import { OrthrusError } from '../../shared/errors.js'
import {
  createParamsRequest,
  decodeParamsReply,
  type PasswordParameters,
  requireSoundParameters,
} from '../../shared/exchange/params.js'
import type { Principal } from '../../shared/principal.js'
import { explainingKdcErrors } from '../kdc-link/explained-answer.js'
import { kdcRefusal } from '../kdc-link/refusals.js'
import type { Exchanged } from '../kdc-link/waiting.js'
import type { Identity, LoginKey } from './identity.js'

/**
 * Remembers salt and parameters of the first login, so that a change is noticed (docs/protocol.md section 8,
 * "Passwords"). A `Map` will do. To remember them across runs, keep them in a file. They are not secret.
 */
export interface ParametersCache {
  get(principal: string): PasswordParameters | undefined | Promise<PasswordParameters | undefined>
  set(principal: string, parameters: PasswordParameters): unknown
}

export interface PasswordOptions {
  readonly client: Principal
  readonly password: string
  readonly parametersCache: ParametersCache
  readonly onProgress?: ((done: number) => void) | undefined
  /** Sends a message to the KDC. */
  readonly exchange: (message: Uint8Array) => Promise<Pick<Exchanged, 'bytes' | 'kdc'>>
}

interface MadeKey extends LoginKey {
  readonly parameters: PasswordParameters
}

/** Derives the key from the password when it is first needed. This takes much of a second, on purpose. */
export function passwordIdentity(options: PasswordOptions): Identity {
  const { client, parametersCache } = options
  let current: Promise<MadeKey> | undefined
  let last: MadeKey | undefined
  const make = async (): Promise<MadeKey> => {
    try {
      last = await makeKey(options, last)
      return last
    } catch (cause) {
      // The next call tries again, as the KDC may have been away.
      current = undefined
      throw cause
    }
  }
  return {
    client,
    passwordBased: true,
    loginKey: () => {
      current ??= make()
      return current
    },
    loggedIn: async () => {
      if (current !== undefined) await parametersCache.set(client, (await current).parameters)
    },
    keyRefused: async () => {
      // Salt and parameters may have been forged or changed, so the next login asks for them again.
      current = undefined
      return undefined
    },
  }
}

/** @param last returned if the parameters are the same, so that a forged refusal costs one request but no scrypt */
async function makeKey(options: PasswordOptions, last: MadeKey | undefined): Promise<MadeKey> {
  const { client, password, parametersCache, onProgress } = options
  const parameters = await askParameters(options)
  requireSoundParameters(parameters)
  await requireUnchanged(client, await parametersCache.get(client), parameters)
  if (last !== undefined && isSame(last.parameters, parameters)) return last
  const key = await derivePasswordKey(password, client, parameters.salt, parameters, onProgress)
  // The salt is copied, as a view of it would keep the whole message in memory.
  return { kvno: 0, key, parameters: { ...parameters, salt: parameters.salt.slice() } }
}

async function askParameters({ client, exchange }: PasswordOptions): Promise<PasswordParameters> {
  const { bytes, kdc } = await exchange(createParamsRequest(client))
  if (explainingKdcErrors(kdc, () => isError(bytes))) {
    const error = explainingKdcErrors(kdc, () => openUnauthenticatedError(bytes))
    throw await kdcRefusal(error, { client, passwordBased: true }, { kdc })
  }
  return explainingKdcErrors(kdc, () => decodeParamsReply(bytes))
}

/** The parameters are not proved, so a change may be an attempt to make guessing the password easier. */
async function requireUnchanged(
  client: Principal,
  known: PasswordParameters | undefined,
  given: PasswordParameters,
): Promise<void> {
  if (known === undefined) return
  requireBytes(known.salt, 'the salt that parametersCache kept')
  if (isSame(known, given)) return
  throw new OrthrusError(
    'refused_unproved',
    `the salt or parameters of ${client} have changed since the first login`,
    {
      final: true,
      principal: client,
      hint: await hintFrom(hints => hints.changedParametersHint(client)),
    },
  )
}

function isSame(one: PasswordParameters, other: PasswordParameters): boolean {
  const { log2N, r, p, salt } = one
  return log2N === other.log2N && r === other.r && p === other.p && toHex(salt) === toHex(other.salt)
}

/** Whether data sent to the URL stays on this machine or is protected by TLS. */
export function isPrivateUrl(url: URL): boolean {
  if (url.protocol === 'wss:') return true
  const host = url.hostname
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
