import { type KeytabEntry, parseKeytab } from '../../shared/keytab/keytab.js'
import { type Principal, parsePrincipal } from '../../shared/principal.js'

/** The realm that the bench works in. */
export const REALM = 'bench.example'

/** What a KDC's process reports when it listens. */
export interface StartedKdc {
  readonly url: string
  /** The keytab of all that were registered, as text. */
  readonly keytab: string
}

export function clientName(instance: number): Principal {
  return parsePrincipal(`client/${instance}@${REALM}`)
}

export function serviceName(instance: number): Principal {
  return parsePrincipal(`service/${instance}@${REALM}`)
}

/** @throws Error if the keytab has no such principal */
export function entryOf(keytab: string, principal: Principal): KeytabEntry {
  const entry = parseKeytab(keytab).find(candidate => candidate.principal === principal)
  if (entry === undefined) throw new Error(`the bench has no key of ${principal}`)
  return entry
}
