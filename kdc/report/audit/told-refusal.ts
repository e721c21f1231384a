import type { AuditLine } from '../../../shared/administration/audit-line.js'
import { type KeptRefusal, REFUSED_EXCHANGES } from '../../../shared/administration/refusals.js'
import type { DecidingRule } from '../../../shared/administration/rule.js'
import { errorCodeOf, oneOf, patternOf, principalOf } from '../../../shared/encoding/fields.js'
import { OrthrusError } from '../../../shared/errors.js'

/**
 * The refusal that a line of the audit log tells of, as the KDC that refused it would have remembered it; `undefined` if
 * the line is of something else. What was only for the person who asked, a hint, is not in the log.
 */
export function toldRefusal(line: AuditLine): KeptRefusal | undefined {
  const { id, kind, outcome } = line
  const isDenial = kind === 'ticket' && outcome === 'denied'
  if (id === undefined || !(isDenial || (kind === 'request' && outcome === 'refused'))) return undefined
  try {
    return { id, ...(isDenial ? deniedIn(line) : refusedIn(line)) }
  } catch (cause) {
    if (cause instanceof OrthrusError) return undefined
    throw cause
  }
}

type Told = Omit<KeptRefusal, 'id'>

function deniedIn(line: AuditLine): Told {
  const { client, service, rule, reason = '' } = line
  const named = { client: principalOf(client), claimed: null, service: principalOf(service) }
  return { ...alwaysIn(line), ...named, reason, rule: rule === undefined ? null : ruleIn(rule) }
}

/** Of a request that proved no key, who it claims to be is among the details. */
function refusedIn(line: AuditLine): Told {
  const { client, via, code, reason = '', details } = line
  const prover = via ?? client
  const proved = prover === undefined ? null : principalOf(prover)
  const claimed = proved === null ? claimedIn(details) : null
  // Whether a password is right that may have been guessed is for the log alone.
  const told = proved === null && code === 'rate_limited' ? 'too many requests' : reason
  return { ...alwaysIn(line), client: proved, claimed, service: null, reason: told, rule: null }
}

function alwaysIn({ at, exchange, code }: AuditLine): Pick<Told, 'at' | 'exchange' | 'code' | 'hint'> {
  return {
    at: Date.parse(at),
    exchange: exchange === undefined ? null : oneOf(exchange, REFUSED_EXCHANGES),
    code: errorCodeOf(code),
    hint: null,
  }
}

function claimedIn(details: unknown): string | null {
  const principal = typeof details === 'object' && details !== null && Reflect.get(details, 'principal')
  return typeof principal === 'string' ? principal : null
}

/** As an administrator types it: `deny web@demo.example orders@demo.example`. */
function ruleIn(text: string): DecidingRule {
  const [effect, client, service] = text.split(' ')
  return { effect: oneOf(effect, ['allow', 'deny']), client: patternOf(client), service: patternOf(service) }
}
