import Koa from 'koa'
import { requireTicket, ticketIfAny, ticketOf } from 'orthrus/koa'
import type { Service } from 'orthrus/service'

// @ts-expect-error A ticket is of a context.
export const nothing = () => ticketOf(1)

export function application(service: Service): Koa {
  const app = new Koa()
  app.use(requireTicket({ service, claims: { role: 'reader' } }))
  app.use(async (ctx, next) => {
    ctx.body = { for: ticketOf(ctx).client, maybe: ticketIfAny(ctx)?.client }
    await next()
  })
  return app
}
