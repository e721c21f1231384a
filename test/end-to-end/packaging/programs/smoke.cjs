const { createServer } = require('node:http')

/** Uses every entry of the package once, however they and the frameworks were loaded. @returns what was answered */
exports.smoke = async (entries, { Fastify, Koa }) => {
  const { client, admin, service: gate, fastify, fetchHandler, koa, redis, metrics, opentelemetry, kdc, testing } = entries
  const open = []
  const listen = async server => {
    open.push(server)
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${server.address().port}/`
  }
  // Whoever catches an error of one entry knows it by the class of another.
  if (client.OrthrusError !== gate.OrthrusError) throw new Error('the entries are of two builds')
  const realm = await testing.startRealm()
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders', { claims: { role: 'reader' } })
  const service = await realm.loadService('orders')
  const web = await realm.connect('web')
  const call = async (caller, url) => (await caller.fetch(url, { service: 'orders' })).text()
  const said = []

  const handler = gate.requireTicket({ service }, (_req, res, ticket) =>
    res.end(`${ticket.client} ${ticket.claims.role}`),
  )
  const server = createServer(handler)
  gate.acceptChannels({ service, server, path: '/live' }, channel => channel.send('hello over a channel'))
  const url = await listen(server)
  said.push(await call(web, url))
  const channel = await web.openChannel(`${url.replace('http', 'ws')}live`, { service: 'orders' })
  said.push(new TextDecoder().decode(await channel.receive()))
  channel.abort()

  const answer = await fetchHandler.requireTicket({ service }, () => new Response('x'))(new Request(url))
  said.push(`${answer.status} ${answer.headers.get('www-authenticate')}`)
  said.push([kdc.startKdc, client.connect, client.OrthrusError, fastify.requireTicket, koa.requireTicket, redis.createRedisReplayCache, metrics.collectService, opentelemetry.createTracing, admin.connectAdmin].map(one => typeof one).join(' '))

  if (Fastify !== undefined) {
    const app = Fastify()
    await app.register(fastify.requireTicket, { service })
    app.get('/', async request => `${request.ticket.client} over Fastify`)
    said.push(await call(await realm.connect('web', { fetch: fastify.injectFetch(app) }), 'http://orders.test/'))
  }
  if (Koa !== undefined) {
    const app = new Koa().use(koa.requireTicket({ service })).use(ctx => {
      ctx.body = `${koa.ticketOf(ctx).client} over Koa`
    })
    said.push(await call(web, await listen(createServer(app.callback()))))
  }
  for (const one of open) one.close()
  await realm.close()
  return said
}
