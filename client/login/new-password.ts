import type { PasswordKey } from '../../shared/administration/principals.js'
import { SIZE } from '../../shared/constants.js'
import { derivePasswordKey } from '../../shared/crypto/derive.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { parametersWith } from '../../shared/exchange/params.js'
import type { Principal } from '../../shared/principal.js'

/** What a new password must be, and the key that is made from it. The KDC is given the key, and never the password. */

/** Characters. Anyone who records a login can try passwords against it. Length is the only defence (docs/threat-model.md). */
export const NEW_PASSWORD_MIN = 12

/** @throws TypeError for one that is too short */
export function requireLongPassword(password: string, principal: Principal): void {
  if ([...password].length >= NEW_PASSWORD_MIN) return
  throw new TypeError(
    `a password has ${NEW_PASSWORD_MIN} characters at least, and that for ${principal} has fewer`,
  )
}

/** The key of a new password, with a salt of its own. It takes about a second, and holds up nothing else meanwhile. */
export async function newPasswordKey(password: string, principal: Principal): Promise<PasswordKey> {
  const parameters = parametersWith(systemRandom(SIZE.SALT))
  return { parameters, key: await derivePasswordKey(password, principal, parameters.salt, parameters) }
}
