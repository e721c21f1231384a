import { refusalId } from '../../shared/encoding/refusal-id.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { withoutSecrets } from '../../shared/shown-text.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import type { Clock } from '../../shared/time.js'
import type { CallFields } from '../report/events.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import { ticketIdOf } from '../ticket/ticket.js'
import type { ErrorAnswer, Presented, Presenting } from './presenting.js'

/** Characters. */
const PATH_TOLD = 256

export interface CallTeller {
  readonly client: Principal
  readonly telemetry: ClientTelemetry
  readonly clock: Clock
}

/** Sends a request, and tells what comes of it. If nobody would hear of that, a call that goes well is only counted. */
export async function sendTold<T extends object>(
  teller: CallTeller,
  use: Presenting<T>,
  presented: Presented,
): Promise<T | ErrorAnswer> {
  const { telemetry, clock } = teller
  const sentAt = telemetry.callAudience.isListening ? clock.monotonic() : undefined
  if (sentAt === undefined) telemetry.counts.call_presented++
  else telemetry.report({ kind: 'call_presented', ...callFields(teller, use, presented) })
  try {
    const answer = await use.send(presented)
    tellAnswer(teller, use, presented, answer, sentAt)
    return answer
  } catch (cause) {
    const code = cause instanceof OrthrusError ? cause.code : undefined
    const reason = cause instanceof OrthrusError ? cause.reason : 'its caller gave up'
    telemetry.report({ kind: 'call_failed', ...callFields(teller, use, presented), code, reason })
    throw cause
  }
}

function tellAnswer<T extends object>(
  teller: CallTeller,
  use: Presenting<T>,
  presented: Presented,
  answer: T | ErrorAnswer,
  sentAt: number | undefined,
): void {
  const { telemetry, clock } = teller
  if ('error' in answer) {
    const { code, authenticated: proved } = answer.error
    const refusal = refusalId(presented.request.mac)
    telemetry.report({ kind: 'call_refused', ...callFields(teller, use, presented), code, proved, refusal })
    return
  }
  const { status, proved } = use.answered?.(answer) ?? OPENED
  if (proved && sentAt === undefined) {
    telemetry.counts.answer_proved++
    return
  }
  const now = clock.monotonic()
  const fields = { ...callFields(teller, use, presented), status, duration: now - (sentAt ?? now) }
  telemetry.report({ kind: proved ? 'answer_proved' : 'answer_unproved', ...fields })
}

/** What is known of a channel that was opened. */
const OPENED = { status: undefined, proved: true }

/** What events say of the call. */
export function callFields<T extends object>(
  { client: self }: Pick<CallTeller, 'client'>,
  use: Presenting<T>,
  { own }: Pick<Presented, 'own'>,
): CallFields {
  const { service, ticket } = use
  const place = placeOf(use)
  if (ticket === undefined) {
    return {
      service,
      client: self,
      via: undefined,
      ticketId: own?.ticketId,
      viaTicketId: undefined,
      ...place,
    }
  }
  const via = own === undefined ? undefined : self
  const ids = { ticketId: ticketIdOf(ticket), viaTicketId: own?.ticketId }
  return { service, client: ticket.client, via, ...ids, ...place }
}

/** A caller may have written a secret where a method or a path belongs. */
export function placeOf<T extends object>({
  method,
  origin,
  target,
}: Presenting<T>): Pick<CallFields, 'method' | 'origin' | 'path'> {
  const path = pathOf(target)
  return {
    method: withoutSecrets(method),
    origin: origin && withoutSecrets(origin),
    path: path && withoutSecrets(path).slice(0, PATH_TOLD),
  }
}
