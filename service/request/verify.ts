import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AcceptedRequest, acceptRequest, refuse, requireBinding } from '../../shared/accept/accept.js'
import { refuseUnproved } from '../../shared/accept/refusal.js'
import { TYPE, WINDOW } from '../../shared/constants.js'
import { isWireCode, OrthrusError } from '../../shared/errors.js'
import { bindRequest } from '../../shared/http/binding.js'
import type { CaveatChecker } from '../../shared/ticket/caveats.js'
import type { Clock } from '../../shared/time.js'
import { announcesBody, late, readBody, requireUnread } from './body.js'
import { type HandOff, sealedCredential } from './handed-off.js'
import { type Presentation, readPresentation } from './head.js'
import type { ServiceParts } from './service.js'

const NO_BODY = new Uint8Array()

export interface VerifyOptions {
  readonly checkers: ReadonlyMap<string, CaveatChecker>
  /** Bytes. */
  readonly maxBody: number
}

/**
 * Steps 1 to 9 of docs/protocol.md section 8 for a request over HTTP. `undefined` where it has no credentials.
 * @throws Refusal
 * @throws RequestAborted where the client went away
 * @throws TypeError where the body was read by somebody else
 */
export async function verifyRequest(
  req: IncomingMessage,
  res: ServerResponse,
  service: ServiceParts,
  options: VerifyOptions,
): Promise<HandOff | undefined> {
  const presentation = presentationOf(req, service)
  if (presentation === undefined) return undefined
  const hasBody = announcesBody(req)
  if (hasBody) requireUnread(req)
  // Before step 4, so that the body has its 60 s at most, however long a shared replay cache takes.
  const elapsed = hasBody ? stopwatch(service.clock) : undefined
  const accepted = await acceptRequest(presentation.bytes, {
    type: TYPE.AP_REQ,
    service: service.principal,
    tickets: service.tickets,
    replayCache: service.replayCache,
    clock: service.clock,
    method: presentation.method,
    target: presentation.target,
    checkers: options.checkers,
  })
  const body = elapsed ? await bodyOf(req, res, service, accepted, options.maxBody, elapsed) : NO_BODY
  const { method, target, covered } = presentation
  const binding = bindRequest(method, target, covered, body)
  const verified = requireBinding(accepted, binding)
  return { verified, sealed: sealedCredential(covered) }
}

function presentationOf(req: IncomingMessage, { clock }: ServiceParts): Presentation | undefined {
  try {
    return readPresentation(req)
  } catch (cause) {
    throw refuseUnproved(cause, clock.now())
  }
}

async function bodyOf(
  req: IncomingMessage,
  res: ServerResponse,
  { timers }: ServiceParts,
  accepted: AcceptedRequest,
  maxBody: number,
  elapsed: () => number,
): Promise<Uint8Array> {
  try {
    const timeout = Math.max(0, WINDOW.BODY - elapsed())
    const body = await readBody(req, res, { maxBody, timeout, timers })
    // A timer can itself be late, and stands still while a machine sleeps.
    if (elapsed() > WINDOW.BODY) throw late()
    return body
  } catch (cause) {
    if (cause instanceof OrthrusError && isWireCode(cause.code))
      throw refuse(accepted, cause.code, cause.reason)
    throw cause
  }
}

/** Milliseconds from now on, by the clock that says more. */
function stopwatch(clock: Clock): () => number {
  const now = clock.now()
  const monotonic = clock.monotonic()
  return () => Math.max(clock.now() - now, clock.monotonic() - monotonic)
}
