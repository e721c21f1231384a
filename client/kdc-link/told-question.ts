import { toHex } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Asked, Reply } from '../../shared/exchange/reply.js'
import type { ClientReport, KdcExchange } from '../report/events.js'
import { denial } from './refusals.js'

/** Asks the KDC, and tells what came of it. @throws as `ask` does */
export async function askTold<R extends Reply & { readonly refusal?: string }>(
  report: ClientReport,
  { client, withTgt, services }: Asked,
  ask: () => Promise<R>,
): Promise<R> {
  const exchange: KdcExchange = withTgt ? 'AS' : 'TGS'
  report({ kind: 'ticket_asked', exchange, client, services })
  try {
    const reply = await ask()
    for (const { service, ticketId, endTime } of reply.grants) {
      report({ kind: 'ticket_granted', exchange, client, service, ticketId: toHex(ticketId), endTime })
    }
    for (const { service, code } of reply.denials) {
      const { reason } = denial(client, service, code)
      report({
        kind: 'ticket_refused',
        exchange,
        client,
        services: [service],
        code,
        reason,
        refusal: reply.refusal,
      })
    }
    return reply
  } catch (cause) {
    if (cause instanceof OrthrusError) {
      const { code, reason, facts } = cause
      report({ kind: 'ticket_refused', exchange, client, services, code, reason, refusal: facts.refusal })
    }
    throw cause
  }
}
