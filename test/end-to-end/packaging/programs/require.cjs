const { smoke } = require('./smoke.cjs')

/** In a project of CommonJS, without the frameworks where `bare` is given. */
const isBare = process.argv[2] === 'bare'
const frameworks = isBare ? {} : { Fastify: require('fastify'), Koa: require('koa') }
const entries = {
  client: require('orthrus/client'),
  admin: require('orthrus/admin'),
  service: require('orthrus/service'),
  fastify: require('orthrus/fastify'),
  fetchHandler: require('orthrus/fetch-handler'),
  koa: require('orthrus/koa'),
  redis: require('orthrus/replay/redis'),
  metrics: require('orthrus/metrics'),
  opentelemetry: require('orthrus/opentelemetry'),
  kdc: require('orthrus/kdc'),
  testing: require('orthrus/testing'),
}

async function main() {
  console.log((await smoke(entries, frameworks)).join('\n'))
  // One class, whether it is required or imported: else `instanceof` would depend on who loaded it.
  const { OrthrusError } = await import('orthrus/client')
  console.log(OrthrusError === entries.client.OrthrusError && OrthrusError === entries.service.OrthrusError)
}
main()
