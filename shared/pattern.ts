import { isPrincipal, isReserved, type Principal, type RealmName } from './principal.js'
import { quoted } from './shown-text.js'

/**
 * What a policy rule names: a principal, every instance of a name (`web/*@realm`), the members of a group (`@backend`),
 * or everyone (`*`).
 */
export type Pattern = string & { readonly __pattern: true }

export const EVERYONE = '*' as Pattern

/**
 * No principal begins with `@`, so no group has the name of a principal; and with a dot in it, it would look like a realm.
 * A group belongs to the realm of its KDC.
 */
const GROUP = /^@[a-z0-9][a-z0-9_-]{0,62}$/

/** Whether the pattern stands for the members of a group. */
export function isGroup(text: string): boolean {
  return GROUP.test(text)
}

/** `backend` and `@backend` both name the group. @throws TypeError if `text` is not a name for a group */
export function parseGroup(text: string): Pattern {
  const group = text.startsWith('@') ? text : `@${text}`
  if (isGroup(group)) return group as Pattern
  throw new TypeError(`not a name for a group: ${quoted(text)}; write it in lower case, as @backend`)
}

/** A name without a realm is completed with this realm. @throws TypeError if `text` is not a pattern */
export function patternIn(realm: RealmName, text: string): Pattern {
  if (text === EVERYONE) return EVERYONE
  const whole = text.includes('@') ? text : `${text}@${realm}`
  if (isPattern(whole)) return whole
  throw new TypeError(
    `neither a principal nor a pattern: ${quoted(text)}; write web, web/1, web/*, @backend or *`,
  )
}

/** Whether the text is a pattern in its canonical spelling. */
export function isPattern(text: string): text is Pattern {
  return text === EVERYONE || isGroup(text) || isPrincipal(text.replace('/*@', '/0@'))
}

/** Of a principal that is in none. */
export const NO_GROUPS: readonly Pattern[] = []

/**
 * The patterns that match a principal, the most specific first: itself, the instances of its name, its groups in the
 * order that they have, everyone. A reserved service is matched by its own name only, so that no general rule grants
 * access to the KDC.
 * @param groups those that the principal is in
 */
export function patternsOf(principal: Principal, groups: readonly Pattern[] = NO_GROUPS): Pattern[] {
  const exact = principal as string as Pattern
  if (isReserved(principal)) return [exact]
  const slash = principal.indexOf('/')
  if (slash === -1) return [exact, ...groups, EVERYONE]
  // Cut out of the name, as whoever asks for a ticket has this asked for every service.
  const instances = `${principal.slice(0, slash)}/*${principal.slice(principal.indexOf('@'))}` as Pattern
  return groups.length === 0 ? [exact, instances, EVERYONE] : [exact, instances, ...groups, EVERYONE]
}

/** The pattern as a person writes it within the realm. */
export function shortPattern(realm: RealmName, pattern: string): string {
  // A group may have the name of the realm.
  return pattern.endsWith(`@${realm}`) && !isGroup(pattern) ? pattern.slice(0, -(realm.length + 1)) : pattern
}
