import { OrthrusError } from './errors.js'
import { quoted } from './shown-text.js'

/** `name@realm` or `name/instance@realm`, checked against the grammar of docs/protocol.md section 1. */
export type Principal = string & { readonly __principal: true }
export type RealmName = string & { readonly __realm: true }

const COMPONENT = '[a-z0-9][a-z0-9._-]{0,62}'
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const LABELS = `${LABEL}(?:\\.${LABEL})*`
const REALM = new RegExp(`^${LABELS}$`)
const PRINCIPAL = new RegExp(`^${COMPONENT}(?:/${COMPONENT})?@${LABELS}$`)
const REALM_LENGTH_MAX = 253
/** 63 + `/` + 63 + `@` + 253: anything longer cannot match. */
const PRINCIPAL_LENGTH_MAX = 381

export function isRealm(text: string): text is RealmName {
  return text.length <= REALM_LENGTH_MAX && REALM.test(text)
}

export function isPrincipal(text: string): text is Principal {
  if (text.length > PRINCIPAL_LENGTH_MAX || !PRINCIPAL.test(text)) return false
  return text.length - text.indexOf('@') - 1 <= REALM_LENGTH_MAX
}

/** Nothing is folded or trimmed. @throws TypeError if `text` is not a principal. */
export function parsePrincipal(text: string): Principal {
  if (isPrincipal(text)) return text
  throw new TypeError(
    `not a principal: ${quoted(text)}; write name@realm or name/instance@realm in lower case`,
  )
}

/** @throws TypeError if `text` is not a realm. */
export function parseRealm(text: string): RealmName {
  if (isRealm(text)) return text
  throw new TypeError(`not a realm: ${quoted(text)}; write lower-case labels joined by dots, as demo.example`)
}

/** The part after the `@`. */
export function realmOf(principal: Principal): RealmName {
  return principal.slice(principal.indexOf('@') + 1) as RealmName
}

/** The part before the `@`: `name` or `name/instance`. */
export function localPart(principal: Principal): string {
  return principal.slice(0, principal.indexOf('@'))
}

/** Adds the realm to a name that has none; a full name stays as it is. @throws TypeError outside the grammar. */
export function principalIn(realm: RealmName, name: string): Principal {
  return parsePrincipal(name.includes('@') ? name : `${name}@${realm}`)
}

/** The ticket-granting service of a realm. */
export function ticketGrantingService(realm: RealmName): Principal {
  return `krbtgt@${realm}` as Principal
}

/** The service that the KDC itself hosts. */
export function kdcService(realm: RealmName): Principal {
  return `kdc@${realm}` as Principal
}

/** Whether the name is reserved for the KDC, and so can be neither registered nor removed. */
export function isReserved(principal: Principal): boolean {
  const name = localPart(principal)
  return name === 'krbtgt' || name === 'kdc'
}

/** Names of invitations: no other principal has one (docs/protocol.md section 12). */
const INVITATION = /^invite-[0-9a-f]{16}@/

/** Whether the name is that of an invitation, which can do nothing but enrol a host. */
export function isInvitation(principal: Principal): boolean {
  return INVITATION.test(principal)
}

/** @throws OrthrusError `realm_mismatch` if the principal belongs to another realm. */
export function requireSameRealm(realm: RealmName, principal: Principal): void {
  const actual = realmOf(principal)
  if (actual === realm) return
  throw new OrthrusError('realm_mismatch', `${principal} is not of the realm ${realm}`, {
    final: true,
    principal,
    expected: realm,
    actual,
  })
}
