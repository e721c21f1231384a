import { type Principal, parseRealm, principalIn } from '../../shared/principal.js'

export const REALM = parseRealm('cluster.example')

/** Names in the history are without the realm; a group, such as `@admins`, has none. */
export function shortOf(name: string): string {
  return name.startsWith('@') ? name : (name.split('@')[0] as string)
}

export function whole(name: string): Principal {
  return principalIn(REALM, name)
}
