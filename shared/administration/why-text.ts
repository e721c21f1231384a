import { localPart, type RealmName, realmOf } from '../principal.js'
import { caveatTexts } from '../ticket/caveat-text.js'
import { formatDuration, formatTime, MINUTE, SECOND } from '../time.js'
import { writeRate } from './policy-text.js'
import { ruleCells, typedClaim } from './rule-text.js'
import type { LifeLimit, WeighedRule, Why, WhyParty, WhyQuestion, WhyRate, WhyTicket } from './why.js'
import { nextSteps } from './why-steps.js'

/** What the KDC's answer to `why` is in words: pure functions of the answer. The command line and the console say the same. */

/** An answer for people. */
export interface AnswerText {
  /** The answer itself, in a sentence. */
  readonly verdict: string
  /** What it comes from: the name of a fact, empty for a further line of the one before, and the fact. */
  readonly facts: readonly (readonly [name: string, text: string])[]
  /** What to do to change it: commands, mostly. */
  readonly steps: readonly string[]
}

export function whyAnswer(question: WhyQuestion, why: Why): AnswerText {
  return { verdict: verdict(question, why), facts: factRows(question, why), steps: nextSteps(question, why) }
}

function verdict(question: WhyQuestion, { code, reason, scope, ticket }: Why): string {
  const [client, service] = [question.client, question.service].map(localPart)
  if (code !== null) return `${client} gets no ticket for ${service}: ${code}, ${reason}`
  // Owners are not told which clients there are.
  const condition = scope === 'service' ? ', if it can log in' : ''
  const granted = `${client} gets a ticket for ${service}${condition}`
  const request = requestText(question)
  if (request === '' || ticket === null) return granted
  const { refusal } = ticket
  if (refusal === null) return `${granted}, and its caveats let ${request} pass`
  return `${granted}, but not for ${request}: ${refusal.reason}`
}

/** `GET /orders`; empty if no request was asked about. */
export function requestText({ method, path }: WhyQuestion): string {
  return [method, path].filter(part => part !== null).join(' ')
}

type Fact = readonly [name: string, text: string]

function factRows(question: WhyQuestion, why: Why): Fact[] {
  const { at, scope, client, service, ticket } = why
  const realm = realmOf(question.client)
  const nobody = 'there is no such principal'
  return [
    ['decided for', formatTime(at)],
    ...lines('client', client !== null ? partyLines(client, at) : [scope === 'service' ? WITHHELD : nobody]),
    ...lines(
      'service',
      service !== null ? partyLines(service, at) : [scope === 'client' ? WITHHELD : nobody],
    ),
    ...lines('rules', ruleLines(realm, why)),
    ...lines('rate', why.rate === null ? [] : [rateText(why.rate)]),
    ...(ticket === null ? [] : ticketRows(ticket, why)),
    ...lines('followers', scope === 'client' ? [] : followerLines(why)),
  ]
}

function ruleLines(realm: RealmName, { rules, endedSince }: Why): string[] {
  const isDecided = rules.some(({ fate }) => fate === 'decides')
  const told = rules.map(
    weighed => `${ruleCells(realm, weighed.rule).join(' ').trim()} (${fateText(weighed)})`,
  )
  return [
    ...(told.length === 0 ? ['none'] : told),
    ...(isDecided || endedSince === null
      ? []
      : [`rules that ended before ${formatTime(endedSince)} may have been cleared away`]),
  ]
}

function fateText({ rule: { until }, fate }: WeighedRule): string {
  return fate === 'ended' && until !== null ? `ended at ${formatTime(until)}` : fate
}

function rateText({ left, wait, ...rate }: WhyRate): string {
  const most = `at most ${writeRate(rate)} for each client by this rule`
  if (left === null || wait === null) return most
  return left > 0 ? `${most}: ${left} left now` : `${most}: none left for ${Math.ceil(wait / SECOND)} s`
}

const WITHHELD = 'only administrators are told more about it'

function lines(name: string, texts: readonly string[]): Fact[] {
  return texts.map((text, i): Fact => [i === 0 ? name : '', text])
}

function partyLines(party: WhyParty, now: number): string[] {
  const { keys, due, passwordBased, disabled, expiresAt, revokedAt, revokedKvno } = party
  const expiry =
    expiresAt === null ? '' : `${expiresAt <= now ? 'expired' : 'expires'} ${formatTime(expiresAt)}`
  const [current] = keys.filter(({ state }) => state === 'current')
  return [
    disabled ? 'disabled' : expiry || 'enabled',
    ...(current === undefined ? ['it has no key'] : []),
    ...keys.map(({ kvno, state, createdAt }) => {
      const source = passwordBased && state === 'current' ? ', from a password' : ''
      return `key: kvno ${kvno}, ${state}, since ${formatTime(createdAt)}${source}`
    }),
    ...(due === null
      ? []
      : [`the key ${due <= now ? 'has been due to change since' : 'is due to change'} ${formatTime(due)}`]),
    ...(revokedAt === null ? [] : [`its tickets from before ${formatTime(revokedAt)} are revoked`]),
    ...(revokedKvno === null ? [] : [`tickets for it under kvno ${revokedKvno} and older are revoked`]),
  ]
}

function ticketRows(ticket: WhyTicket, { at }: Why): Fact[] {
  const { endTime, limits, claims, caveats, delegable, passwordBased } = ticket
  const [shortest, ...others] = limits.map(([limit]) => LIMIT_TEXTS[limit])
  const bounds = limits.map(([limit, life]) => `${LIMIT_TEXTS[limit]} ${formatDuration(life)}`)
  return [
    ['life', `at most ${formatDuration(endTime - at)}, until ${formatTime(endTime)}: ${shortest}`],
    ...lines('', others.length === 0 ? [] : [`all bounds: ${bounds.join('; ')}`]),
    ['claims', claims.map(([name, value]) => typedClaim(name, value)).join(', ') || 'none'],
    ...lines('caveats', caveats.length === 0 ? ['none'] : caveatTexts(caveats)),
    ['delegable', delegable ? 'yes' : 'no'],
    ...lines('login', passwordBased ? ['by a password, which the service can refuse'] : []),
  ]
}

const LIMIT_TEXTS: Readonly<Record<LifeLimit, string>> = {
  client: "the client's longest ticket",
  service: "the service's longest ticket",
  realm: "the realm's longest ticket for a service",
  rule: "the rule's longest ticket",
  tgt: 'the end of the TGT',
  caveat: 'a caveat',
  'client expires': 'the end of the client',
  'service expires': 'the end of the service',
  'rule ends': 'the end of the rule',
}

/** As long as a service without an answer accepts tickets, unless its owner chose another time (`maxStaleness`). */
const STALENESS = 10 * MINUTE

function followerLines({ followers, service }: Why): string[] {
  if (service === null) return []
  if (followers.length === 0)
    return ['no process of the service follows what is revoked, as far as this KDC knows']
  return followers.map(({ address, connected, seen, sent, silentFor }) => {
    const silent =
      silentFor > STALENESS ? ', so unless its owner allows more it refuses every ticket (unavailable)' : ''
    const state = connected
      ? seen < sent
        ? `has yet to apply ${sent - seen} revocations`
        : 'up to date'
      : 'gone'
    return `${address}: ${state}, last heard ${formatDuration(silentFor)} ago${silent}`
  })
}
