import type {
  LifeLimit,
  WeighedRule,
  Why,
  WhyParty,
  WhyQuestion,
  WhyRate,
  WhyTicket,
} from '../shared/administration/why.js'
import { localPart, type RealmName, realmOf } from '../shared/principal.js'
import { formatTime, MINUTE, SECOND } from '../shared/time.js'
import { formatDuration, typedRate } from './arguments.js'
import { caveatFacts } from './caveat-facts.js'
import { ruleCells, ruleObject, typedClaim } from './rule-text.js'
import { table } from './terminal.js'
import { nextSteps } from './why-steps.js'

/** What `orthrus admin why` prints: pure functions of the KDC's answer. */

/** For people. */
export function whyText(question: WhyQuestion, why: Why): string {
  const steps = nextSteps(question, why).map((step, i) => [i === 0 ? 'to change it' : '', step])
  return `${verdict(question, why)}\n${table([...factRows(question, why), ...steps])}`
}

/** For `--json`. */
export function whyObject(question: WhyQuestion, why: Why): object {
  const { at, code, reason, scope, client, service, rules, ticket, followers, rate, endedSince } = why
  return {
    client: question.client,
    service: question.service,
    at: formatTime(at),
    granted: code === null,
    ...(code === null ? {} : { code, reason }),
    scope,
    parties: { client: client && partyObject(client), service: service && partyObject(service) },
    rules: rules.map(({ rule, fate }) => ({ ...ruleObject(rule), fate })),
    rulesKnownSince: endedSince === null ? null : formatTime(endedSince),
    rate,
    ticket: ticket && ticketObject(ticket),
    ...requestObject(question, why),
    followers,
    next: nextSteps(question, why),
  }
}

function partyObject({ expiresAt, revokedAt, due, keys, ...party }: WhyParty): object {
  return {
    ...party,
    keys: keys.map(key => ({ ...key, createdAt: formatTime(key.createdAt) })),
    due: due === null ? null : formatTime(due),
    expiresAt: expiresAt === null ? null : formatTime(expiresAt),
    revokedAt: revokedAt === null ? null : formatTime(revokedAt),
  }
}

function ticketObject({ endTime, limits, claims, caveats, delegable, passwordBased }: WhyTicket): object {
  return {
    endsAtMost: formatTime(endTime),
    limits: Object.fromEntries(limits),
    claims: Object.fromEntries(claims),
    caveats: caveatFacts(caveats).value,
    delegable,
    passwordBased,
  }
}

function requestObject({ method, path }: WhyQuestion, { ticket }: Why): object {
  if (method === null && path === null) return {}
  const passes = ticket !== null && ticket.refusal === null
  return { request: { method, path, passes, refusal: ticket?.refusal ?? null } }
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
function requestText({ method, path }: WhyQuestion): string {
  return [method, path].filter(part => part !== null).join(' ')
}

function factRows(question: WhyQuestion, why: Why): string[][] {
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
    ...(why.rate === null ? [] : [['rate', rateText(why.rate)]]),
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
  const most = `at most ${typedRate(rate)} for each client by this rule`
  if (left === null || wait === null) return most
  return left > 0 ? `${most}: ${left} left now` : `${most}: none left for ${Math.ceil(wait / SECOND)} s`
}

const WITHHELD = 'only administrators are told more about it'

function lines(name: string, texts: readonly string[]): string[][] {
  return texts.map((text, i) => [i === 0 ? name : '', text])
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

function ticketRows(ticket: WhyTicket, { at }: Why): string[][] {
  const { endTime, limits, claims, caveats, delegable, passwordBased } = ticket
  const [shortest, ...others] = limits.map(([limit]) => LIMIT_TEXTS[limit])
  const bounds = limits.map(([limit, life]) => `${LIMIT_TEXTS[limit]} ${formatDuration(life)}`)
  return [
    ['life', `at most ${formatDuration(endTime - at)}, until ${formatTime(endTime)}: ${shortest}`],
    ...lines('', others.length === 0 ? [] : [`all bounds: ${bounds.join('; ')}`]),
    ['claims', claims.map(([name, value]) => typedClaim(name, value)).join(', ') || 'none'],
    ...lines('caveats', linesOf(caveatFacts(caveats).text)),
    ['delegable', delegable ? 'yes' : 'no'],
    ...(passwordBased ? [['login', 'by a password, which the service can refuse']] : []),
  ]
}

function linesOf(text: ReturnType<typeof caveatFacts>['text']): string[] {
  const texts = Array.isArray(text) ? (text as readonly string[]) : [String(text)]
  return texts.length === 0 ? ['none'] : [...texts]
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
