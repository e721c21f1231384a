import { isPattern, type Pattern, patternIn } from '../../shared/pattern.js'
import { kdcService, type RealmName } from '../../shared/principal.js'
import type { Claims } from '../../shared/ticket/claims.js'
import { type Loaded, useLoaded } from '../parts/loaded.js'
import type { Session } from '../session/session.js'

/** What the person may do here. It decides what is shown; what is done is decided by the KDC. */
export interface Access {
  readonly isAdministrator: boolean
  /** Services that the person owns: names, `orders/*` and `@backend`. */
  readonly owns: readonly Pattern[]
}

/** @param claims those of a ticket of the person for `kdc@realm` */
export function accessOf(realm: RealmName, claims: Claims): Access {
  const values = (name: string): readonly string[] =>
    claims.filter(([claim]) => claim === name).flatMap(([, value]) => textsIn(value))
  return {
    isAdministrator: values('role').includes('admin'),
    owns: values('owner').flatMap(text => patternsIn(realm, text)),
  }
}

function textsIn(value: Claims[number][1]): readonly string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' ? value : []
}

function patternsIn(realm: RealmName, text: string): Pattern[] {
  try {
    const pattern = patternIn(realm, text)
    return isPattern(pattern) ? [pattern] : []
  } catch {
    return []
  }
}

/** Asks what the KDC would put into a ticket of the person. */
export async function readAccess({ administration, realm, me }: Session): Promise<Access> {
  const question = { client: me, service: kdcService(realm), at: null, method: null, path: null }
  const { ticket } = await administration.why(question)
  return accessOf(realm, ticket?.claims ?? [])
}

export function useAccess(session: Session): Loaded<Access> {
  return useLoaded(() => readAccess(session), [session.changed.policy], [session])
}
