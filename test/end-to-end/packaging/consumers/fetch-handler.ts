import { type RequireTicketOptions, requireTicket, ticketIfAny, ticketOf } from 'orthrus/fetch-handler'
import type { Service } from 'orthrus/service'

export function routes(service: Service) {
  const options: RequireTicketOptions = { service, claims: { role: 'reader' } }
  const GET = requireTicket(options, (request, ticket) => new Response(`${request.url} ${ticket.client}`))
  const read = requireTicket(
    { service },
    async (request, ticket, { params }: { params: Promise<{ id: string }> }) =>
      Response.json({ id: (await params).id, for: ticket.client, same: ticketOf(request) === ticket }),
  )
  return { GET, read }
}

// @ts-expect-error A handler gives a response.
export const silent = (service: Service) => requireTicket({ service }, () => 1)

export const whose = (request: Request): string => ticketIfAny(request)?.client ?? 'nobody'
