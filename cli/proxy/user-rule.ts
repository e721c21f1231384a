import type { Socket } from 'node:net'
import { OrthrusError } from '../../shared/errors.js'
import type { Fault } from './faults.js'
import { KNOWS_PEERS, userOfPeer } from './peer.js'

/**
 * Lets only these users of the machine use connections over the loopback.
 * @param lookUp whose a connection is
 * @throws OrthrusError `unavailable` where that cannot be known
 */
export function userRule(
  users: readonly number[],
  lookUp: (socket: Socket) => Promise<number | undefined> = userOfPeer,
): (socket: Socket) => Promise<Fault | undefined> {
  if (!KNOWS_PEERS) {
    throw new OrthrusError('unavailable', 'this system does not say which user has a connection', {
      final: true,
      hint: 'listen on a Unix socket (--listen unix:PATH), or add --allow-every-local-user',
    })
  }
  const allowed = new Set(users)
  return async socket => {
    const user = await lookUp(socket).catch(() => undefined)
    if (user !== undefined && allowed.has(user)) return undefined
    return {
      ...REFUSED,
      text: `${user === undefined ? 'nobody can tell which user' : `user ${user}`} ${REFUSED.text}`,
    }
  }
}

const REFUSED: Fault = {
  status: 403,
  word: 'user_refused',
  text: 'of this machine has the connection, and this proxy is for others: start it with --only-user UID for each that may use it',
}
