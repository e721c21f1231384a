import {
  type AcceptedRequest,
  type AcceptOptions,
  acceptRequest,
  refuse,
  requireBinding,
} from '../../shared/accept/accept.js'
import { refuseUnproved } from '../../shared/accept/refusal.js'
import { TYPE, WINDOW } from '../../shared/constants.js'
import { OrthrusError } from '../../shared/errors.js'
import { bindRequest, type CoveredBody, RECORDS } from '../../shared/http/binding.js'
import type { CaveatChecker } from '../../shared/ticket/caveats.js'
import { type Clock, nowBy } from '../../shared/time.js'
import { explainMismatch } from './binding-mismatch.js'
import { requireCoverage } from './coverage.js'
import { type HandOff, sealedCredential } from './handed-off.js'
import { Ending, type RequestMessage } from './message.js'
import { type PresentedRequest, readPresentedRequest } from './presented-request.js'
import { type Revocation, refusalOf, requireStillValid } from './revocation.js'
import type { ServiceParts } from './service.js'

const NO_BODY = new Uint8Array()

export interface VerifyOptions {
  /** Checkers of `app` caveats by name. */
  readonly checkers: ReadonlyMap<string, CaveatChecker>
  /** Further headers that the request must cover. */
  readonly requireCovered: readonly string[]
  /** Bytes. */
  readonly maxBody: number
}

/**
 * Steps 1 to 9 of docs/protocol.md section 8. `undefined` if the request has no credentials.
 * @throws Refusal
 * @throws RequestAborted if the client went away
 * @throws TypeError if the body was read by somebody else
 */
export async function verifyRequest(
  message: RequestMessage,
  service: ServiceParts,
  { checkers, requireCovered, maxBody }: VerifyOptions,
): Promise<HandOff | undefined> {
  const { revocation } = service
  const presented = presentedBy(message, service)
  if (presented === undefined) return undefined
  const { method, target, covered, further, isSealed } = presented
  // Started before step 4, so that the body has at most its 60 s, however long a shared replay cache takes.
  const elapsed = presented.body && stopwatch(service.clock)
  const accepted = await acceptWithPresentKeys(presented.bytes, service, {
    type: TYPE.AP_REQ,
    service: service.principal,
    tickets: service.tickets,
    replayCache: service.replayCache,
    clock: service.clock,
    method,
    target,
    checkers,
    revocation,
  })
  requireCoverage(accepted, further, requireCovered)
  const body = isSealed
    ? requireUnsealable(presented, accepted)
    : elapsed
      ? await readBody(presented, accepted, { maxBody, elapsed, revocation })
      : NO_BODY
  if (elapsed && revocation) requireStillValid(revocation, accepted, nowBy(service.clock))
  const verified = requireBinding(accepted, bindRequest(method, target, covered, body), isBound =>
    explainMismatch(
      { method, target, covered, headers: message.headers, body, service: service.principal },
      isBound,
    ),
  )
  return { verified, sealed: sealedCredential(covered), further, isSealed }
}

/** A sealed body is not waited for: its records are checked while the handler reads them. @throws Refusal */
function requireUnsealable({ body }: PresentedRequest, accepted: AcceptedRequest): CoveredBody {
  if (body === undefined || body.isMissing) {
    const hint = 'look for a proxy or middleware that removes bodies'
    throw refuse(accepted, 'binding_mismatch', 'the sealed body is missing', hint)
  }
  if (body.unseal === undefined) {
    const hint = 'createVerifier takes none: every requireTicket does'
    throw refuse(accepted, 'malformed', 'this adapter takes no sealed bodies', hint)
  }
  return RECORDS
}

/** A key may have been changed by another process, which is known when a ticket under the new one comes (section 12). */
async function acceptWithPresentKeys(
  bytes: Uint8Array,
  { hasKeyFor }: ServiceParts,
  options: AcceptOptions,
): Promise<AcceptedRequest> {
  try {
    return await acceptRequest(bytes, options)
  } catch (cause) {
    if (!(await hasKeyFor(cause))) throw cause
    return acceptRequest(bytes, options)
  }
}

function presentedBy(
  message: RequestMessage,
  { clock, closing }: ServiceParts,
): PresentedRequest | undefined {
  try {
    const presented = readPresentedRequest(message)
    if (presented !== undefined && closing.isClosed) throw closed()
    return presented
  } catch (cause) {
    throw refuseUnproved(cause, clock.now())
  }
}

interface BodyOptions {
  /** Bytes. */
  readonly maxBody: number
  /** Milliseconds since the request came. */
  readonly elapsed: () => number
  readonly revocation: Revocation | undefined
}

async function readBody(
  { body }: PresentedRequest,
  accepted: AcceptedRequest,
  { maxBody, elapsed, revocation }: BodyOptions,
): Promise<Uint8Array> {
  const ending = revocation && new Ending()
  const watched = ending && { tickets: accepted.tickets, end: (cause: Error) => ending.end(cause) }
  if (watched !== undefined) revocation?.watch(watched)
  try {
    const timeout = Math.max(0, WINDOW.BODY - elapsed())
    const bytes = (await body?.read({ maxBody, timeout, ending })) ?? NO_BODY
    // A timer can be late itself, and stands still while a machine sleeps.
    if (elapsed() > WINDOW.BODY) throw late()
    return bytes
  } catch (cause) {
    throw refusalOf(accepted, cause)
  } finally {
    if (watched !== undefined) revocation?.forget(watched)
  }
}

export function closed(): OrthrusError {
  return new OrthrusError('unavailable', 'the service was closed', { hint: 'load it again: loadService' })
}

/** The rest of the body did not come in time. */
export function late(): OrthrusError {
  return new OrthrusError('binding_mismatch', 'the body did not arrive in time', { final: true })
}

/** A body of more than `maxBody` bytes. */
export function tooLarge(maxBody: number): OrthrusError {
  return new OrthrusError('too_large', `a body of more than ${maxBody} bytes`, {
    final: true,
    hint: `the service takes larger ones with requireTicket({ maxBody }), now ${maxBody}`,
  })
}

/** Milliseconds from now, by the clock that says more. */
function stopwatch(clock: Clock): () => number {
  const now = clock.now()
  const monotonic = clock.monotonic()
  return () => Math.max(clock.now() - now, clock.monotonic() - monotonic)
}
