import { isPrincipal, isReserved, localPart, type Principal, type RealmName, realmOf } from './principal.js'
import { quoted } from './shown-text.js'

/** What a policy rule names: a principal, every instance of a name (`web/*@realm`), or everyone (`*`). */
export type Pattern = string & { readonly __pattern: true }

export const EVERYONE = '*' as Pattern

/** A name without a realm is completed with this realm. @throws TypeError if `text` is not a pattern */
export function patternIn(realm: RealmName, text: string): Pattern {
  if (text === EVERYONE) return EVERYONE
  const whole = text.includes('@') ? text : `${text}@${realm}`
  if (isPattern(whole)) return whole
  throw new TypeError(`neither a principal nor a pattern: ${quoted(text)}; write web, web/1, web/* or *`)
}

/** Whether the text is a pattern in its canonical spelling. */
export function isPattern(text: string): text is Pattern {
  return text === EVERYONE || isPrincipal(text.replace('/*@', '/0@'))
}

/**
 * The patterns that match a principal, the most specific first: itself, the instances of its name, everyone. A reserved
 * service is matched by its own name only, so that no general rule grants access to the KDC.
 */
export function patternsOf(principal: Principal): Pattern[] {
  const exact = principal as string as Pattern
  if (isReserved(principal)) return [exact]
  const [name, instance] = localPart(principal).split('/')
  return instance === undefined
    ? [exact, EVERYONE]
    : [exact, `${name}/*@${realmOf(principal)}` as Pattern, EVERYONE]
}

/** The pattern as a person writes it within the realm. */
export function shortPattern(realm: RealmName, pattern: Pattern): string {
  return pattern.endsWith(`@${realm}`) ? pattern.slice(0, -(realm.length + 1)) : pattern
}
