import express from 'express'
import { RequestRefused, requireTicket, type Service, ticketIfAny, ticketOf } from 'orthrus/service'

const requireApiKey: express.RequestHandler = (req, res, next) => {
  if (req.get('x-api-key') === 'right') next()
  else res.sendStatus(401)
}

const onError: express.ErrorRequestHandler = (error, _req, res, next) => {
  if (!(error instanceof RequestRefused)) return next(error)
  res.status(error.status).json({ error: error.code ?? 'no ticket' })
}

export function application(service: Service): express.Express {
  const app = express()
  app.use('/orders', requireTicket({ service, claims: { role: 'reader' } }), express.json())
  app.get('/orders/:id', (req, res) => {
    res.json({ id: req.params.id, for: ticketOf(req).client })
  })
  app.get('/other', requireTicket({ service, passRefusals: true }).or(requireApiKey), (req, res) => {
    res.json({ for: ticketIfAny(req)?.client })
  })
  app.use(onError)
  return app
}
