import { type AcceptedRequest, acceptRequest, refuse, requireBinding } from '../../shared/accept/accept.js'
import { refuseUnproved } from '../../shared/accept/refusal.js'
import { TYPE, WINDOW } from '../../shared/constants.js'
import { isWireCode, OrthrusError } from '../../shared/errors.js'
import { bindRequest } from '../../shared/http/binding.js'
import type { CaveatChecker } from '../../shared/ticket/caveats.js'
import type { Clock } from '../../shared/time.js'
import { type HandOff, sealedCredential } from './handed-off.js'
import type { RequestMessage } from './message.js'
import { type PresentedRequest, readPresentedRequest } from './presented-request.js'
import type { ServiceParts } from './service.js'

const NO_BODY = new Uint8Array()

export interface VerifyOptions {
  /** Checkers of `app` caveats by name. */
  readonly checkers: ReadonlyMap<string, CaveatChecker>
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
  { checkers, maxBody }: VerifyOptions,
): Promise<HandOff | undefined> {
  const presented = presentedBy(message, service)
  if (presented === undefined) return undefined
  const { method, target, covered } = presented
  // Started before step 4, so that the body has at most its 60 s, however long a shared replay cache takes.
  const elapsed = presented.body && stopwatch(service.clock)
  const accepted = await acceptRequest(presented.bytes, {
    type: TYPE.AP_REQ,
    service: service.principal,
    tickets: service.tickets,
    replayCache: service.replayCache,
    clock: service.clock,
    method,
    target,
    checkers,
  })
  const body = elapsed ? await readBody(presented, accepted, maxBody, elapsed) : NO_BODY
  const verified = requireBinding(accepted, bindRequest(method, target, covered, body))
  return { verified, sealed: sealedCredential(covered) }
}

function presentedBy(message: RequestMessage, { clock }: ServiceParts): PresentedRequest | undefined {
  try {
    return readPresentedRequest(message)
  } catch (cause) {
    throw refuseUnproved(cause, clock.now())
  }
}

async function readBody(
  { body }: PresentedRequest,
  accepted: AcceptedRequest,
  maxBody: number,
  elapsed: () => number,
): Promise<Uint8Array> {
  try {
    const timeout = Math.max(0, WINDOW.BODY - elapsed())
    const bytes = (await body?.read({ maxBody, timeout })) ?? NO_BODY
    // A timer can be late itself, and stands still while a machine sleeps.
    if (elapsed() > WINDOW.BODY) throw late()
    return bytes
  } catch (cause) {
    if (!(cause instanceof OrthrusError) || !isWireCode(cause.code)) throw cause
    throw refuse(accepted, cause.code, cause.reason, cause.facts.hint)
  }
}

/** The rest of the body did not come in time. */
export function late(): OrthrusError {
  return new OrthrusError('binding_mismatch', 'the body did not arrive in time', { final: true })
}

/** Milliseconds from now, by the clock that says more. */
function stopwatch(clock: Clock): () => number {
  const now = clock.now()
  const monotonic = clock.monotonic()
  return () => Math.max(clock.now() - now, clock.monotonic() - monotonic)
}
