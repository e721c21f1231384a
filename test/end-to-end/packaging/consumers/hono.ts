import { Hono } from 'hono'
import { requireTicket, ticketOf } from 'orthrus/fetch-handler'
import type { Service } from 'orthrus/service'

export function application(service: Service): Hono {
  const app = new Hono()
  app.use('/items/*', requireTicket({ service, claims: { role: 'reader' } }))
  app.get('/items/:id', c => c.text(`item ${c.req.param('id')} for ${ticketOf(c.req.raw).client}`))
  return app
}
