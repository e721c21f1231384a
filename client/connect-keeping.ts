import { type FoundLogin, keepLogin, requireKeeping } from '#kept-login'
import type { KeptLogin, PasswordLogin } from './connect-options.js'
import { urlsFrom } from './connect-urls.js'
import { partsOf, type Realm } from './realm.js'

/** Connects with a password, or with a login that was found. */
export type Open = (options: PasswordLogin | KeptLogin, found?: FoundLogin) => Promise<Realm>

/**
 * Logs in, keeps the login, and goes on with it: the key of the password is needed no more.
 * @throws OrthrusError `password_wrong`; `login_invalid` if the login cannot be kept; as `connect` does
 */
export async function connectKeeping(
  options: PasswordLogin,
  where: 'tabs' | 'storage',
  open: Open,
): Promise<Realm> {
  await requireKeeping(where)
  const first = await open(options)
  try {
    const { login } = partsOf(first).source
    if (login === undefined) throw new TypeError('there is no password')
    const made = { client: first.client, kdc: urlsFrom(options), tgt: await login.renewableTgt(0) }
    const found = await keepLogin(made, where)
    return await open({ ...withoutPassword(options), kdc: made.kdc, login: first.client }, found)
  } finally {
    first.close()
  }
}

function withoutPassword({
  principal,
  password,
  keepLogin,
  onProgress,
  parametersCache,
  allowPasswordOverPlainWebSocket,
  ...rest
}: PasswordLogin): Omit<KeptLogin, 'login' | 'kdc' | 'loginFolder'> {
  return rest
}
