import * as promClient from 'prom-client'
import { expect, it, onTestFinished } from 'vitest'
import { createVerifier } from '../../../service/index.js'
import { CLIENT_FIGURES } from '../../../shared/telemetry/client-figures.js'
import { collectRealm, collectService } from '../../../shared/telemetry/metrics.js'
import { SERVICE_FIGURES } from '../../../shared/telemetry/service-figures.js'
import { startRealm } from '../../../testing/index.js'

/** The numbers of services and clients, as Prometheus reads them. */

async function scene() {
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  const orders = await realm.loadService('orders')
  const verify = createVerifier({ service: orders })
  const web = await realm.connect('web', {
    fetch: async (url, init) => {
      const request = {
        method: 'GET',
        target: new URL(String(url)).pathname,
        headers: [...new Headers(init?.headers)],
      }
      const exchange = await verify(request)
      await expect(verify(request)).rejects.toThrow()
      const proved = exchange.prove({ status: 200, headers: [], body: new Uint8Array() })
      return new Response(null, { headers: proved.map(([name, value]): [string, string] => [name, value]) })
    },
  })
  return { realm, orders, web }
}

it('each number is a metric with the name of its service or client, as it is when it is asked for', async () => {
  const { realm, orders, web } = await scene()
  const registry = new promClient.Registry()
  collectService({ promClient, registry, service: orders })
  collectService({ promClient, registry, service: await realm.loadService('web') })
  collectRealm({ promClient, registry, realm: web })
  for (const _ of [1, 2]) await web.fetch('http://orders.test/orders/7', { service: 'orders' })
  const text = await registry.metrics()
  const own = 'service="orders@test.example"'
  for (const line of [
    `orthrus_service_events_total{${own},kind="accepted"} 2`,
    `orthrus_service_events_total{service="web@test.example",kind="accepted"} 0`,
    `orthrus_service_refused_total{${own},code="replay"} 2`,
    `orthrus_service_ticket_cache_hits_total{${own}} 3`,
    `orthrus_service_ticket_cache_misses_total{${own}} 1`,
    `orthrus_service_open_channels{${own}} 0`,
    `orthrus_service_ready{${own}} 1`,
    'orthrus_client_events_total{client="web@test.example",kind="answer_proved"} 2',
    'orthrus_client_kdc_connected{client="web@test.example"} 1',
    'orthrus_client_tickets{client="web@test.example"} 1',
  ])
    expect(text.split('\n')).toContain(line)
  expect(await registry.metrics()).toBe(text)
  const names = (await registry.getMetricsAsJSON()).map(({ name }) => name)
  expect(new Set(names).size).toBe(SERVICE_FIGURES.length + CLIENT_FIGURES.length)
  const units = names.filter(name => /_(?:seconds|bytes)$/.test(name))
  expect(units).toEqual([
    'orthrus_service_replay_cache_size_bytes',
    'orthrus_service_revocations_age_seconds',
    'orthrus_service_key_age_seconds',
  ])
})

it('what is no prom-client is refused', async () => {
  const { orders, web } = await scene()
  const told = "import * as promClient from 'prom-client'"
  expect(() => collectService({ promClient: {} as never, service: orders })).toThrow(told)
  expect(() => collectRealm({ promClient: undefined as never, realm: web })).toThrow(told)
})
