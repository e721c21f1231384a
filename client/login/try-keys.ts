import type { LongTermKey } from '../../shared/crypto/keys.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Identity, LoginKey } from './identity.js'

/**
 * How many keys one login tries at most: the one that worked before, the newest in the keytab, and the next lower one.
 * The KDC limits how many wrong ones an address may try.
 */
const KEYS_TRIED = 3

/**
 * Logs in with the key that should be the right one and, while a key changes, with the others that may be (section 12).
 * @throws whatever the last attempt throws
 */
export async function tryKeys<T>(
  identity: Pick<Identity, 'loginKey' | 'keyRefused'>,
  attempt: (key: LoginKey) => Promise<T>,
): Promise<T> {
  const tried = new Set<LongTermKey>()
  for (let next: LoginKey | undefined = await identity.loginKey(); ; ) {
    const login = next
    try {
      return await attempt(login)
    } catch (cause) {
      if (!isKeyRefused(cause)) throw cause
      tried.add(login.key)
      next = await identity.keyRefused(login, tried)
      if (next === undefined || tried.size === KEYS_TRIED) throw cause
    }
  }
}

/** Whether a login failed because of its key, proved or not. */
function isKeyRefused(cause: unknown): boolean {
  if (!(cause instanceof OrthrusError)) return false
  return cause.code === 'auth_failed' || cause.code === 'password_wrong'
}
