/**
 * What docs/protocol.md (sections 5, 7 and 8) says of caveats and delegation, written again in plain values. It shares
 * nothing with the code that it is compared with. Times are milliseconds.
 */

export type Argument = string | number | readonly (string | number)[]
/** A caveat as the table of section 5 writes it, right or wrong: `['methods', ['GET']]`. */
export type PlainCaveat = readonly Argument[]
export type PlainClaims = readonly (readonly [name: string, value: string | number])[]

export interface PlainTicket {
  readonly service: string
  readonly client: string
  readonly delegable: boolean
  readonly start: number
  readonly end: number
  readonly renewTill: number | null
  readonly claims: PlainClaims
  /** Those in it. */
  readonly caveats: readonly PlainCaveat[]
}

/** A ticket and what was added to it: as somebody presents it, or as a key really stands for. */
export interface Chain {
  readonly ticket: PlainTicket
  readonly caveats: readonly PlainCaveat[]
}

/** What keys stand for, in order; `undefined` is a key that nobody ever made of a ticket. */
export type Proved = readonly (Chain | undefined)[]

export interface Presentation {
  readonly own: Chain
  readonly delegated: (Chain & { readonly client: string }) | undefined
  readonly proved: Proved
}

export interface RequestFacts {
  readonly service: string
  readonly now: number
  readonly method: string | undefined
  readonly target: string | undefined
}

export type Verdict =
  | { readonly code: string }
  | {
      readonly code: 'accepted'
      readonly client: string
      readonly via: string | undefined
      readonly claims: PlainClaims
    }

/** What the services' own checkers accept. */
export const TENANT = 'acme'
const START_ALLOWANCE = 60_000
const CAVEATS_MAX = 16

export function serviceVerdict({ own, delegated, proved }: Presentation, facts: RequestFacts): Verdict {
  const legs = delegated === undefined ? [own] : [own, delegated]
  const refused = (code: string): Verdict => ({ code })
  if (legs.some(({ caveats }) => caveats.length > CAVEATS_MAX)) return refused('malformed')
  if (legs.some(({ ticket }) => ticket.service !== facts.service)) return refused('ticket_invalid')
  if (!isProved(legs, proved)) return refused('auth_failed')
  for (const { ticket } of legs) {
    if (facts.now < ticket.start - START_ALLOWANCE) return refused('ticket_not_yet_valid')
    if (facts.now >= ticket.end) return refused('ticket_expired')
  }
  if (delegated !== undefined && !mayBeDelegated(delegated)) return refused('delegation_invalid')
  if (!allHold(own, facts, undefined)) return refused('caveat_failed')
  if (delegated !== undefined && !allHold(delegated, facts, own.ticket.client))
    return refused('caveat_failed')
  const speaking = delegated ?? own
  return {
    code: 'accepted',
    client: speaking.ticket.client,
    via: delegated === undefined ? undefined : own.ticket.client,
    claims: visible(speaking),
  }
}

/** The key stands for exactly what is presented: the same tickets, with the same caveats in the same order. */
function isProved(legs: readonly Chain[], proved: Proved): boolean {
  return (
    legs.length === proved.length &&
    legs.every((leg, i) => {
      const chain = proved[i]
      return chain !== undefined && isSame(leg, chain)
    })
  )
}

export function isSame(one: Chain, other: Chain): boolean {
  return one.ticket === other.ticket && JSON.stringify(one.caveats) === JSON.stringify(other.caveats)
}

function everyCaveat({ ticket, caveats }: Chain): PlainCaveat[] {
  return [...ticket.caveats, ...caveats]
}

function mayBeDelegated(chain: Chain & { readonly client: string }): boolean {
  const named = everyCaveat(chain).filter(caveat => caveat[0] === 'holder' && isWellFormed(caveat))
  return chain.ticket.delegable && named.length > 0 && chain.client === chain.ticket.client
}

/** @param presenter of a delegated ticket. */
export function allHold(chain: Chain, facts: RequestFacts, presenter: string | undefined): boolean {
  for (const caveat of everyCaveat(chain)) if (!holds(caveat, facts, presenter)) return false
  return true
}

function holds(caveat: PlainCaveat, facts: RequestFacts, presenter: string | undefined): boolean {
  if (!isWellFormed(caveat)) return false
  const [name, argument, value] = caveat
  const among = (wanted: string | undefined) => wanted !== undefined && listed(argument).includes(wanted)
  if (name === 'expires') return facts.now < Number(argument)
  if (name === 'services') return among(facts.service)
  if (name === 'methods') return among(facts.method)
  if (name === 'paths') return listed(argument).some(prefix => covers(String(prefix), facts.target))
  if (name === 'claims') return true
  if (name === 'holder') return presenter !== undefined && presenter === argument
  return argument === 'tenant' && value === TENANT
}

function listed(argument: Argument | undefined): readonly (string | number)[] {
  return typeof argument === 'object' ? argument : []
}

/** Its name is known, and it has the arguments of that name, whole. */
export function isWellFormed(caveat: PlainCaveat): boolean {
  const [name, argument] = caveat
  if (name === 'app') return caveat.length === 3 && typeof argument === 'string'
  if (caveat.length !== 2) return false
  if (name === 'expires') return typeof argument === 'number'
  if (name === 'holder') return isName(argument)
  if (typeof argument !== 'object') return false
  if (name === 'services') return argument.every(isName)
  if (name === 'paths')
    return argument.every(path => typeof path === 'string' && segmentsOf(path) !== undefined)
  return (name === 'methods' || name === 'claims') && argument.every(text => typeof text === 'string')
}

const NAME_CHARACTERS = 'abcdefghijklmnopqrstuvwxyz'

/** Names here are short: letters, `@`, and a realm of labels. */
function isName(text: Argument | undefined): boolean {
  if (typeof text !== 'string') return false
  const [name = '', realm = '', more] = text.split('@')
  const labels = [name, ...realm.split('.')]
  return (
    more === undefined &&
    labels.every(label => label !== '' && [...label].every(one => NAME_CHARACTERS.includes(one)))
  )
}

function visible(chain: Chain): PlainClaims {
  const lists = everyCaveat(chain).filter(caveat => caveat[0] === 'claims')
  return chain.ticket.claims.filter(([name]) => lists.every(([, names]) => listed(names).includes(name)))
}

function covers(prefix: string, target: string | undefined): boolean {
  if (target === undefined) return false
  const question = target.indexOf('?')
  const there = segmentsOf(question < 0 ? target : target.slice(0, question))
  const wanted = segmentsOf(prefix)
  if (there === undefined || wanted === undefined) return false
  if (wanted.at(-1) === '') wanted.pop()
  return wanted.every((segment, i) => there[i] === segment)
}

/** What stands between the `/` of a path with one meaning; only the last may be empty. */
function segmentsOf(path: string): string[] | undefined {
  const [before, ...segments] = path.split('/')
  if (before !== '' || segments.length === 0) return undefined
  const odd = segments.some((segment, i) => !isPlain(segment) || (segment === '' && i < segments.length - 1))
  return odd ? undefined : segments
}

const PCHAR = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@"
const HEX = '0123456789ABCDEFabcdef'

function isPlain(segment: string): boolean {
  let rest = segment
  while (rest !== '') {
    const [first = '', second = '', third = ''] = rest
    if (first !== '%') {
      if (!PCHAR.includes(first)) return false
      rest = rest.slice(1)
      continue
    }
    if (second === '' || third === '' || !HEX.includes(second) || !HEX.includes(third)) return false
    if ('%00 %25 %2E %2F %5C'.includes(`%${second}${third}`.toUpperCase())) return false
    rest = rest.slice(3)
  }
  const [bare] = segment.split(';')
  return bare !== '.' && bare !== '..'
}

/** What policy grants. */
export interface PlainRule {
  readonly delegable: boolean
  readonly claims: PlainClaims
  readonly caveats: readonly PlainCaveat[]
  /** Milliseconds. */
  readonly maxLife: number | null
  /** When the rule ends, and what it granted with it. */
  readonly until?: number | null
}

export interface PlainPolicy {
  readonly tgs: string
  /** The service that the KDC hosts. */
  readonly kdc: string
  /** By `client service`. */
  readonly rules: Readonly<Record<string, PlainRule>>
  readonly services: readonly string[]
}

export interface TgsQuestionFacts {
  readonly now: number
  readonly services: readonly string[]
  /** 0 for the most allowed. */
  readonly lifetime: number
  readonly renew: boolean
}

/** A service ticket that the KDC grants: what must be in it. Its end may be earlier. */
export interface Granted {
  readonly service: string
  readonly ticket: PlainTicket
}

export type TgsVerdict =
  | { readonly code: string }
  | {
      readonly code: 'reply'
      readonly renewed: boolean
      readonly granted: readonly Granted[]
      readonly denied: readonly (readonly [service: string, code: string])[]
    }

export function tgsVerdict(
  chain: Chain,
  proved: Chain | undefined,
  facts: TgsQuestionFacts,
  policy: PlainPolicy,
): TgsVerdict {
  const { ticket } = chain
  const caveats = everyCaveat(chain)
  const { now, renew } = facts
  if (chain.caveats.length > CAVEATS_MAX) return { code: 'malformed' }
  if (ticket.service !== policy.tgs) return { code: 'ticket_invalid' }
  if (!isProved([chain], [proved])) return { code: 'auth_failed' }
  if (now < ticket.start - START_ALLOWANCE) return { code: 'ticket_not_yet_valid' }
  if (now >= ticket.end) return { code: 'ticket_expired' }
  if (!caveats.every(isWellFormed)) return { code: 'caveat_failed' }
  if (expiries(caveats).some(end => now >= end)) return { code: 'caveat_failed' }
  const renewable = ticket.renewTill !== null && now < ticket.renewTill && caveats.length === 0
  if (renew && !renewable) return { code: 'not_renewable' }
  const granted: Granted[] = []
  const denied: [string, string][] = []
  for (const service of facts.services) {
    const decided = decide(chain, service, facts, policy)
    if (typeof decided === 'string') denied.push([service, decided])
    else granted.push({ service, ticket: decided })
  }
  return { code: 'reply', renewed: renew, granted, denied }
}

function decide(
  chain: Chain,
  service: string,
  { now, lifetime }: TgsQuestionFacts,
  { rules, services, kdc }: PlainPolicy,
): PlainTicket | string {
  const { ticket } = chain
  const caveats = everyCaveat(chain)
  const rule = rules[`${ticket.client} ${service}`]
  if (rule === undefined) return 'policy_denied'
  if (!services.includes(service)) return 'unknown_service'
  const lists = caveats.filter(caveat => caveat[0] === 'services')
  if (!lists.every(([, names]) => listed(names).includes(service))) return 'caveat_failed'
  // The KDC has to see that whoever comes to it has only a part of a TGT: nobody changes a key with that.
  const carried = service === kdc ? caveats : caveats.filter(caveat => caveat[0] !== 'services')
  const within = [...carried, ...rule.caveats]
  if (within.length > CAVEATS_MAX) return 'too_large'
  const lives = [lifetime === 0 ? null : lifetime, rule.maxLife].filter(life => life !== null)
  const until = rule.until ?? Number.POSITIVE_INFINITY
  const end = Math.min(ticket.end, until, ...expiries(caveats), ...lives.map(life => now + life))
  const { client } = ticket
  const { delegable, claims } = rule
  return { service, client, delegable, start: now, end, renewTill: null, claims, caveats: within }
}

function expiries(caveats: readonly PlainCaveat[]): number[] {
  return caveats.filter(caveat => caveat[0] === 'expires').map(([, time]) => Number(time))
}
