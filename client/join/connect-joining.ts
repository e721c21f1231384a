import { isKeytabThere } from '#keytab-file'
import { kdcsOfKeytab } from '../connect-identity.js'
import type { KeytabLogin } from '../connect-options.js'
import type { Realm } from '../realm.js'
import { type JoinLogin, joinOnce } from './join.js'

/** `connect` of a host that gets its key with the code, at its first start. @param open connects with a keytab */
export async function connectJoining(
  code: string,
  options: KeytabLogin,
  open: (login: KeytabLogin) => Promise<Realm>,
): Promise<Realm> {
  const { instance, allowJoinOverPlainWebSocket, ...rest } = options
  return joinOnce({
    code,
    // `requireJoin` has seen that it is a path.
    keytab: rest.keytab as string,
    instance,
    allowJoinOverPlainWebSocket,
    kdc: rest.kdc ?? (await kdcsIfThere(rest)),
    open: login => open({ ...withoutChanges(rest, login), ...login }),
  })
}

/** The KDCs that the keytab of a host that has joined names, if it names any. */
async function kdcsIfThere(login: KeytabLogin): Promise<readonly string[] | undefined> {
  const isThere = typeof login.keytab === 'string' && (await isKeytabThere(login.keytab))
  const named = isThere ? await kdcsOfKeytab(login) : []
  return named.length === 0 ? undefined : named
}

/** What concerns the host's own key does not concern that of its invitation. */
function withoutChanges({ principal, rotation, ...rest }: KeytabLogin, { keytab }: JoinLogin): KeytabLogin {
  if (keytab !== rest.keytab) return rest
  return {
    ...rest,
    ...(principal === undefined ? {} : { principal }),
    ...(rotation === undefined ? {} : { rotation }),
  }
}
