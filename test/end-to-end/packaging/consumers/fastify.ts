import Fastify, { type FastifyInstance } from 'fastify'
import { injectFetch, requireTicket } from 'orthrus/fastify'
import type { Service } from 'orthrus/service'

export async function application(service: Service): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(requireTicket, { service, claims: { role: 'reader' } })
  app.get('/health', { config: { orthrus: 'unprotected' } }, async () => ({ ready: service.state.ready }))
  app.get<{ Params: { id: string } }>(
    '/:id',
    async request => `${request.params.id} ${request.ticket.client}`,
  )
  app.post('/', { config: { orthrus: { claims: { role: 'writer' } } } }, async request => request.body)
  return app
}

// @ts-expect-error An application is needed.
export const nothing = () => injectFetch(1)

export async function fetchOfTests(service: Service): Promise<typeof fetch> {
  return injectFetch(await application(service))
}
