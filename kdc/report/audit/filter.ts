import type { AuditFilter } from '../../../shared/administration/audit.js'
import { type AuditLine, decodeAuditLine } from '../../../shared/administration/audit-line.js'
import { OrthrusError } from '../../../shared/errors.js'
import { EVERYONE, type Pattern, patternsOf } from '../../../shared/pattern.js'
import { isPrincipal } from '../../../shared/principal.js'

/** The line, if it passes the filter. What is no line passes none: `orthrus audit verify` is for that. */
export function passing(filter: AuditFilter, text: string): AuditLine | undefined {
  if (!mayPass(filter, text)) return undefined
  const line = lineIn(text)
  if (line === undefined) return undefined
  const { client, service, outcome, since } = filter
  if (since !== null && Date.parse(line.at) < since) return undefined
  if (outcome !== null && line.outcome !== outcome) return undefined
  if (client !== null && ![line.client, line.via].some(name => matches(client, name))) return undefined
  if (service !== null && ![line.service, ...(line.on ?? [])].some(name => matches(service, name)))
    return undefined
  return line
}

/** Most lines need not be taken apart to see that they do not pass. */
function mayPass({ client, service, outcome }: AuditFilter, text: string): boolean {
  // Every line of a KDC begins so. A file of very many others must not cost an error for each of them.
  if (!text.startsWith('{"n":')) return false
  if (outcome !== null && !text.includes(`"outcome":"${outcome}"`)) return false
  return [client, service].every(
    pattern => pattern === null || !isPrincipal(pattern) || text.includes(`"${pattern}"`),
  )
}

function lineIn(text: string): AuditLine | undefined {
  try {
    return decodeAuditLine(text)
  } catch (cause) {
    if (cause instanceof OrthrusError) return undefined
    throw cause
  }
}

function matches(pattern: Pattern, name: string | undefined): boolean {
  if (name === undefined) return false
  if (pattern === EVERYONE || pattern === name) return true
  return isPrincipal(name) && patternsOf(name).includes(pattern)
}
