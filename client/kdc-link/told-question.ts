import { toHex } from '../../shared/bytes.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Asked, Reply } from '../../shared/exchange/reply.js'
import type { Principal } from '../../shared/principal.js'
import { type TracedOutcome, traced } from '../../shared/telemetry/tracing.js'
import type { ClientReport, KdcExchange } from '../report/events.js'
import type { ClientTelemetry } from '../report/telemetry.js'
import { type Denied, denial } from './refusals.js'

/** Asks the KDC, and tells what came of it. @throws as `ask` does */
export function askTold<R extends Answered>(
  { report, tracing }: Pick<ClientTelemetry, 'report' | 'tracing'>,
  asked: Asked,
  ask: () => Promise<R>,
): Promise<R> {
  if (tracing === undefined) return askReporting(report, asked, ask)
  const { withTgt, client, services } = asked
  const exchange = { name: withTgt ? 'AS' : 'TGS', side: 'client', client, services } as const
  return traced(tracing, exchange, () => askReporting(report, asked, ask), outcomeOf)
}

type Answered = Reply & { readonly denials: readonly Denied[] }

/** One ticket is named; of several, the events say more. */
function outcomeOf({ grants, denials }: Answered): TracedOutcome {
  const grant = grants.at(-1)
  const ticketId = grant && toHex(grant.ticketId)
  const [first] = denials
  return { ticketId, failure: first?.code, refusal: first?.refusal }
}

async function askReporting<R extends Answered>(
  report: ClientReport,
  { client, withTgt, services }: Asked,
  ask: () => Promise<R>,
): Promise<R> {
  const exchange: KdcExchange = withTgt ? 'AS' : 'TGS'
  const refused = (services: readonly Principal[], { code, reason, facts }: OrthrusError): void => {
    const { kdc, refusal } = facts
    report({ kind: 'ticket_refused', exchange, client, services, code, reason, kdc, refusal })
  }
  report({ kind: 'ticket_asked', exchange, client, services })
  try {
    const reply = await ask()
    for (const { service, ticketId, endTime } of reply.grants) {
      report({ kind: 'ticket_granted', exchange, client, service, ticketId: toHex(ticketId), endTime })
    }
    for (const denied of reply.denials) refused([denied.service], denial(client, denied))
    return reply
  } catch (cause) {
    if (cause instanceof OrthrusError) refused(services, cause)
    throw cause
  }
}
