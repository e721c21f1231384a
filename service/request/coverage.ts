import { type AcceptedRequest, refuse } from '../../shared/accept/accept.js'

/**
 * Part of step 9 of docs/protocol.md section 8, before the body is read: what the handler's owner requires to be bound.
 * @param further the names of the further headers that the request covers
 * @throws Refusal `binding_mismatch`
 */
export function requireCoverage(
  accepted: AcceptedRequest,
  further: readonly string[],
  required: readonly string[],
): void {
  const missing = required.filter(name => !further.includes(name))
  if (missing.length === 0) return
  const names = missing.map(name => `'${name}'`).join(', ')
  throw refuse(
    accepted,
    'binding_mismatch',
    `the request does not cover ${missing.join(', ')}`,
    `the client covers it with realm.fetch(url, { cover: [${names}] }); if it does, something on the way removes or changes the header orthrus-covered`,
  )
}
