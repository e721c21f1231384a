import { channelBinding } from '../../shared/channel/records.js'
import { bindHeads, type CoveredBody } from '../../shared/http/binding.js'
import { COVERED_REQUEST_HEADERS } from '../../shared/http/header-names.js'
import { localPart, type Principal } from '../../shared/principal.js'
import { quoted } from '../../shared/shown-text.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import { type RewrittenTarget, rewrittenTargets } from './rewritten-targets.js'

/**
 * Why a binding does not hold, for the service's log. The binding is a hash, so what the client sent cannot be read from
 * it. But what the usual rewrites would have made of it can be tried, one at a time: if one of them makes the binding
 * hold, the client sent that.
 */

/** A request as it arrived. */
export interface ArrivedRequest {
  readonly method: string
  readonly target: string
  /** Values of covered headers, as `coveredRequestValues` gives them. */
  readonly covered: readonly string[]
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: CoveredBody
  readonly service: Principal
}

/** What the log says. Texts are cut to a bounded length, and have no query. */
export interface Mismatch {
  /** What arrived: method, path and the covered headers that were there. */
  readonly actual: string
  /** What the client bound, if a usual rewrite explains the difference. */
  readonly expected?: string
  readonly hint: string
}

export type IsBound = (binding: Uint8Array) => boolean

interface Candidate {
  readonly method?: string
  readonly target?: string
  readonly covered?: readonly string[]
  readonly body?: CoveredBody
  readonly expected: string
  readonly hint: string
}

/** The longest target that candidates are made of, characters: a longer one would make many long ones. */
const TARGET_MAX = 2048

export function explainMismatch(arrived: ArrivedRequest, isBound: IsBound): Mismatch {
  const actual = shownRequest(arrived)
  const found = arrived.target.length > TARGET_MAX ? undefined : search(arrived, isBound)
  if (found === undefined) return { actual, hint: UNEXPLAINED }
  return { actual, expected: found.expected, hint: found.hint }
}

/** The same for the opening of a channel, which is bound to nothing but its target. */
export function explainOpening(target: string, service: Principal, isBound: IsBound): Mismatch {
  const actual = `a channel at ${shownPath(target)}`
  const candidates = target.length > TARGET_MAX ? [] : rewrittenTargets(target, [], localPart(service))
  for (const rewritten of candidates) {
    if (!isBound(channelBinding(rewritten.target))) continue
    const expected = `a channel at ${shownPath(rewritten.target)}`
    return { actual, expected, hint: hintForTarget(rewritten, target, 'acceptChannels') }
  }
  return { actual, hint: OPENING_UNEXPLAINED }
}

const OPENING_UNEXPLAINED =
  'the client opened it at another path or query, and something on the way changed them in none of the usual ways: have it pass them on unchanged'

const UNEXPLAINED =
  'a proxy or framework on the way changed the method, the path, the query, a covered header or the body, and in none of the usual ways: compare what arrived with what the client sent, and have it passed on unchanged'

function search(arrived: ArrivedRequest, isBound: IsBound): Candidate | undefined {
  const bind = bindHeads(arrived.body)
  const { method, target, covered } = arrived
  for (const candidate of candidatesFor(arrived)) {
    const bindThis = candidate.body === undefined ? bind : bindHeads(candidate.body)
    const head = [
      candidate.method ?? method,
      candidate.target ?? target,
      candidate.covered ?? covered,
    ] as const
    if (isBound(bindThis(...head))) return candidate
  }
  return undefined
}

function* candidatesFor(arrived: ArrivedRequest): Generator<Candidate> {
  const { method, target, headers, service } = arrived
  for (const rewritten of rewrittenTargets(target, headers, localPart(service))) {
    yield {
      target: rewritten.target,
      expected: `${method} ${shownPath(rewritten.target)}`,
      hint: hintForTarget(rewritten, target),
    }
  }
  for (const other of METHODS) {
    if (other === method) continue
    const hint = `the client sent ${other}, and something on the way made ${quoted(method)} of it: have it pass methods on unchanged`
    yield { method: other, expected: `${other} ${shownPath(target)}`, hint }
  }
  yield* otherHeaders(arrived)
  yield {
    body: new Uint8Array(),
    expected: 'no body',
    hint: 'the client sent no body, and something on the way added one: have it pass bodies on unchanged',
  }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

function* otherHeaders({ covered }: ArrivedRequest): Generator<Candidate> {
  for (const [at, name] of COVERED_REQUEST_HEADERS.entries()) {
    const value = covered[at] ?? ''
    for (const other of name === 'content-type' ? otherTypes(value) : value === '' ? [] : ['']) {
      const sent = other === '' ? `no ${name}` : `${name}: ${quoted(other)}`
      const hint = `the client sent ${sent}, and something on the way ${other === '' ? 'added' : 'changed'} that header: have it pass ${name} on unchanged`
      yield { covered: covered.with(at, other), expected: sent, hint }
    }
  }
}

/** What a value of content-type may have been before a proxy or framework completed it. */
function otherTypes(value: string): ReadonlySet<string> {
  const [type = ''] = value.split(';')
  const others = ['', type.trim(), value.toLowerCase()]
  if (type !== '') others.push(`${type}; charset=utf-8`, `${type};charset=utf-8`, `${type};charset=UTF-8`)
  return new Set(others.filter(other => other !== value))
}

function hintForTarget(
  { target, prefix, added }: RewrittenTarget,
  arrived: string,
  taker = 'requireTicket',
): string {
  const asked = `the client asked for ${shownPath(target)}, and ${shownPath(arrived)} arrived`
  if (prefix !== undefined) {
    return `${asked}: something on the way takes ${quoted(prefix)} from the path: ${taker}({ pathPrefix: ${literal(prefix)} })`
  }
  if (added !== undefined) {
    return `${asked}: something on the way puts ${quoted(added)} before the path: have it pass paths on unchanged, or give ${taker}({ externalUrl }) a function that takes it off again`
  }
  return `${asked}: something on the way rewrites paths: have it pass them on unchanged, or say with ${taker}({ externalUrl }) what they were`
}

function literal(text: string): string {
  return `'${quoted(text).slice(1, -1)}'`
}

/** Characters. */
const PATH_SHOWN = 256

/** Without the query, which may hold what a log should not. */
function shownPath(target: string): string {
  return quoted(pathOf(target) ?? target.split('?', 1)[0] ?? '', PATH_SHOWN).slice(1, -1)
}

function shownRequest({ method, target, covered, body }: ArrivedRequest): string {
  const query = target.indexOf('?')
  const parts = [`${quoted(method).slice(1, -1)} ${shownPath(target)}`]
  if (query >= 0) parts.push(`a query of ${target.length - query - 1} characters`)
  for (const [at, name] of COVERED_REQUEST_HEADERS.entries()) {
    const value = covered[at] ?? ''
    if (value !== '') parts.push(SHOWN_IN_FULL.has(name) ? `${name} ${quoted(value)}` : name)
  }
  const further = covered[COVERED_REQUEST_HEADERS.length]
  if (further !== undefined) parts.push(`covered: ${quoted(further)}`)
  parts.push(body instanceof Uint8Array ? `a body of ${body.length} bytes` : 'a body in records')
  return parts.join(', ')
}

/** The others are shown by name alone. */
const SHOWN_IN_FULL: ReadonlySet<string> = new Set(['content-type', 'content-encoding'])
