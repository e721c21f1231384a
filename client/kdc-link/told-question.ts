import { toHex } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Asked } from '../../shared/exchange/reply.js'
import type { Principal } from '../../shared/principal.js'
import type { ClientReport, KdcExchange, TicketRefusedEvent } from '../report/events.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import { denialReason } from './refusals.js'
import type { Answered } from './traced-question.js'

/** Asks the KDC, and tells what came of it. @throws as `ask` does */
export async function askTold<R extends Answered>(
  { report, tracing }: Pick<ClientTelemetry, 'report' | 'tracing'>,
  asked: Asked,
  ask: () => Promise<R>,
): Promise<R> {
  if (tracing === undefined) return askReporting(report, asked, ask)
  const { askTraced } = await import('./traced-question.js')
  return askTraced(tracing, asked, () => askReporting(report, asked, ask))
}

type Refused = Pick<TicketRefusedEvent, 'code' | 'reason'> & Partial<TicketRefusedEvent>

async function askReporting<R extends Answered>(
  report: ClientReport,
  { client, withTgt, services }: Asked,
  ask: () => Promise<R>,
): Promise<R> {
  const exchange: KdcExchange = withTgt ? 'AS' : 'TGS'
  const refused = (services: readonly Principal[], { code, reason, kdc, refusal }: Refused): void =>
    report({ kind: 'ticket_refused', exchange, client, services, code, reason, kdc, refusal })
  report({ kind: 'ticket_asked', exchange, client, services })
  try {
    const reply = await ask()
    for (const { service, ticketId, endTime } of reply.grants) {
      report({ kind: 'ticket_granted', exchange, client, service, ticketId: toHex(ticketId), endTime })
    }
    for (const denied of reply.denials)
      refused([denied.service], { ...denied, reason: denialReason(client, denied) })
    return reply
  } catch (cause) {
    if (cause instanceof OrthrusError)
      refused(services, { ...cause.facts, code: cause.code, reason: cause.reason })
    throw cause
  }
}
