import * as diagnostics from 'node:diagnostics_channel'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Readable, Writable } from 'node:stream'
import * as api from '@opentelemetry/api'
import * as contexts from '@opentelemetry/context-async-hooks'
import * as core from '@opentelemetry/core'
import * as traces from '@opentelemetry/sdk-trace-base'
import { pino } from 'pino'
import * as promClient from 'prom-client'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import * as client from '../../client/index.js'
import { CLIENT_EVENT_KINDS } from '../../client/report/log.js'
import * as service from '../../service/index.js'
import { SERVICE_EVENT_KINDS } from '../../service/report/log.js'
import { CLIENT_FIGURES } from '../../shared/telemetry/client-figures.js'
import * as metrics from '../../shared/telemetry/metrics.js'
import * as opentelemetry from '../../shared/telemetry/opentelemetry.js'
import { SERVICE_FIGURES } from '../../shared/telemetry/service-figures.js'
import { startRealm, type TestRealm } from '../../testing/index.js'
import { stopSdk } from '../shared/telemetry/spans.js'
import { connectAs, makeRealm } from '../support/folder-realm.js'
import { root, startKdc, temporaryFolder } from './processes.js'
import { snippetsOf } from './snippets.js'

/** Every program of docs/telemetry.md, run as it stands there, and its tables. */

const PAGE = 'docs/telemetry.md'
const programs = new Map(snippetsOf(PAGE).map(({ mark, code }) => [mark, code]))
const tried = new Set<string>()

let realm: TestRealm
let folder = ''
let remove = async (): Promise<void> => {}
const lines: Record<string, unknown>[] = []

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
  realm = await startRealm()
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  writeFileSync(join(folder, 'orders.keytab'), realm.keytab('orders'), { mode: 0o600 })
})
afterAll(async () => {
  await realm.close()
  await remove()
})

/** What the programs import. They load the service of the test realm, whose clock stands, and log into `lines`. */
const MODULES: Readonly<Record<string, object>> = {
  'node:diagnostics_channel': {
    subscribe: (name: string, listener: (message: unknown) => void) => {
      diagnostics.subscribe(name, listener)
      onTestFinished(() => void diagnostics.unsubscribe(name, listener))
    },
  },
  pino: {
    pino: (options: object = {}) => {
      const write = (chunk: Buffer, _: unknown, done: () => void): void => {
        lines.push(JSON.parse(String(chunk)))
        done()
      }
      return pino(options, new Writable({ write }))
    },
  },
  'orthrus/client': {
    ...client,
    connect: (options: client.ConnectOptions) =>
      realm.connect('web', {
        ...options,
        kdc: realm.kdc.url,
        keytab: { text: realm.keytab('web') },
        fetch: answeredBy(service.createVerifier({ service: answering ?? expect.unreachable() })),
      } as object),
  },
  'orthrus/service': {
    ...service,
    loadService: async (options: service.LoadServiceOptions) => {
      answering = await realm.loadService('orders', {
        ...options,
        keytab: join(folder, String(options.keytab)),
      })
      return answering
    },
  },
  'orthrus/metrics': metrics,
  'orthrus/opentelemetry': opentelemetry,
  'prom-client': promClient,
  '@opentelemetry/api': api,
  '@opentelemetry/context-async-hooks': contexts,
  '@opentelemetry/core': core,
  '@opentelemetry/sdk-trace-base': traces,
}

const IMPORT = /^import (?:\* as (\w+)|(\{ [^}]+ \})) from '([^']+)'$/gm
const AsyncFunction = (async () => {}).constructor as new (
  ...args: string[]
) => (modules: object) => Promise<Record<string, unknown>>

/** Runs a program. @returns what it declares */
async function run(mark: string): Promise<Record<string, unknown>> {
  tried.add(mark)
  const code = programs.get(mark) ?? expect.unreachable(`${PAGE} has no program ${mark}`)
  const body = code.replace(IMPORT, (_, all, names, from) => `const ${all ?? names} = modules['${from}']`)
  const names = [...code.matchAll(/^const (\w+) =/gm)].map(([, name]) => name)
  return await new AsyncFunction('modules', `${body}\nreturn { ${names.join(', ')} }`)(MODULES)
}

function collected(stream: Readable | null): () => string {
  let text = ''
  stream?.on('data', chunk => {
    text += String(chunk)
  })
  return () => text
}

const KIND = /`([a-z_]+)`/g

function sectionBelow(heading: string): string {
  const [, section = ''] = readFileSync(join(root, PAGE), 'utf8').split(`\n## ${heading}\n`)
  return section.split('\n## ')[0] ?? ''
}

/** The kinds that the last table below a heading names, in order. */
function kindsBelow(heading: string): string[] {
  const rows =
    sectionBelow(heading)
      .split('| kind |')[1]
      ?.split('\n')
      .filter(line => line.startsWith('| `')) ?? []
  return rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(KIND)].map(([, kind = '']) => kind))
}

/** The service that clients of the programs call. */
let answering: service.Service | undefined

/** A `fetch` that is answered at once. @param meanwhile sees each request once it was accepted */
function answeredBy(
  verify: service.Verify,
  meanwhile: (request: service.IncomingRequest) => Promise<void> = async () => {},
): typeof fetch {
  return async (url, init) => {
    const { pathname, search } = new URL(String(url))
    const headers = [...new Headers(init?.headers)]
    const request = { method: init?.method ?? 'GET', target: pathname + search, headers }
    const exchange = await verify(request)
    await meanwhile(request)
    const proved = exchange.prove({ status: 200, headers: [], body: new Uint8Array() })
    return new Response(null, { headers: proved.map(([name, value]): [string, string] => [name, value]) })
  }
}

const URL_CALLED = 'http://orders.test/orders/7?token=geheim'

/** A call that is accepted, and the same bytes once more. */
async function callTwice(orders: service.Service): Promise<string> {
  const verify = service.createVerifier({ service: orders })
  const again = (request: service.IncomingRequest): Promise<void> => expect(verify(request)).rejects.toThrow()
  const web = await realm.connect('web', { fetch: answeredBy(verify, again) })
  await web.fetch(URL_CALLED, { service: 'orders' })
  return (await web.getServiceTicket('orders')).ticketId
}

describe(PAGE, () => {
  it('names every kind of event of a service', () => {
    expect(kindsBelow('Events of a service').sort()).toEqual([...SERVICE_EVENT_KINDS].sort())
  })

  it('names every kind of event of a client', () => {
    expect(kindsBelow('Events of a client').sort()).toEqual([...CLIENT_EVENT_KINDS].sort())
  })

  it('names every number of a service and of a client', async () => {
    const numbersBelow = (heading: string): string[] =>
      [...sectionBelow(heading).matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name)
    const orders = await realm.loadService('orders')
    expect(numbersBelow('Numbers of a service')).toEqual(Object.keys(orders.metrics()))
    const web = await realm.connect('web')
    expect(numbersBelow('Numbers of a client')).toEqual(Object.keys(web.metrics()))
  })

  it('client', async () => {
    answering = await realm.loadService('orders')
    const { realm: web } = (await run('client')) as { realm: client.Realm }
    lines.length = 0
    await web.fetch(URL_CALLED, { service: 'orders' })
    const { ticketId } = await web.getServiceTicket('orders')
    expect(lines.slice(-2)).toEqual([
      expect.objectContaining({ level: 20, kind: 'call_presented', ticketId, path: '/orders/7' }),
      expect.objectContaining({ level: 20, kind: 'answer_proved', ticketId, status: 200, duration: 0 }),
    ])
    expect(JSON.stringify(lines)).not.toContain('geheim')
  })

  it('pino', async () => {
    const { service: orders } = await run('pino')
    lines.length = 0
    const ticketId = await callTwice(orders as service.Service)
    expect(lines).toEqual([
      expect.objectContaining({
        level: 30,
        kind: 'accepted',
        client: 'web@test.example',
        ticketId,
        path: '/orders/7',
      }),
      expect.objectContaining({
        level: 30,
        kind: 'replayed',
        client: 'web@test.example',
        ticketId,
        code: 'replay',
      }),
    ])
    expect(JSON.stringify(lines)).not.toContain('geheim')
  })

  it('channel', async () => {
    await run('channel')
    lines.length = 0
    const ticketId = await callTwice(await realm.loadService('orders'))
    expect(lines).toEqual([
      expect.objectContaining({
        name: 'replays',
        kind: 'replayed',
        service: 'orders@test.example',
        ticketId,
      }),
    ])
  })

  it('on-event', async () => {
    const { service: orders, refusals } = await run('on-event')
    const verify = service.createVerifier({ service: orders as service.Service })
    const bad = { method: 'GET', target: '/', headers: [['authorization', 'Orthrus AQk'] as const] }
    await expect(verify(bad)).rejects.toThrow()
    expect([...(refusals as Map<string, number>)]).toEqual([['nobody known malformed', 1]])
  })

  it('prometheus', async () => {
    onTestFinished(() => promClient.register.clear())
    const { text } = (await run('prometheus')) as { text: string }
    expect(text).toContain('orthrus_service_events_total{service="orders@test.example",kind="accepted"} 0')
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
    const told = [...sectionBelow('Metrics').matchAll(/^\| `(orthrus_\w+)` \| `(orthrus\.[\w.]+)` \|/gm)]
    expect(told.map(([, name]) => name).filter(name => name?.startsWith('orthrus_service'))).toEqual(names)
    const figures = [...SERVICE_FIGURES, ...CLIENT_FIGURES].map(({ name }) => `orthrus.${name}`)
    expect(told.map(([, , name]) => name)).toEqual(figures)
  })

  it('meter', async () => {
    answering = await realm.loadService('orders')
    expect(await run('meter')).toHaveProperty('realm')
  })

  it('traces', async () => {
    onTestFinished(stopSdk)
    const { exporter, realm: web } = (await run('traces')) as {
      exporter: traces.InMemorySpanExporter
      realm: client.Realm
    }
    await web.fetch(URL_CALLED, { service: 'orders' })
    const [login, served, called] = exporter.getFinishedSpans()
    expect([login?.name, served?.name, called?.name]).toEqual(['orthrus AS', 'orthrus AP', 'orthrus AP'])
    expect(served?.parentSpanContext?.spanId).toBe(called?.spanContext().spanId)
    const attributes = [login, served, called].flatMap(span => Object.keys(span?.attributes ?? {}))
    for (const name of attributes) expect(sectionBelow('Traces')).toContain(`\`${name}\``)
  })

  it('kdc-traces', async () => {
    onTestFinished(stopSdk)
    const shown = vi.spyOn(console, 'dir').mockImplementation(() => {})
    const { endTracing } = (await run('kdc-traces')) as { endTracing: () => void }
    onTestFinished(endTracing)
    const web = await realm.connect('web')
    const { ticketId } = await web.getServiceTicket('orders')
    const [[span] = []] = shown.mock.calls as { name: string; attributes: Record<string, unknown> }[][]
    expect(span?.name).toBe('orthrus AS')
    expect(span?.attributes['orthrus.ticket_id']).toBe(ticketId)
    for (const name of Object.keys(span?.attributes ?? {}))
      expect(sectionBelow('Traces')).toContain(`\`${name}\``)
  })

  it('has the recipe for a KDC of its own process, which shows the same', async () => {
    const code = programs.get('kdc-traces') ?? expect.unreachable()
    const modules = join(folder, 'node_modules')
    mkdirSync(modules)
    symlinkSync(root, join(modules, 'orthrus'))
    symlinkSync(join(root, 'node_modules/@opentelemetry'), join(modules, '@opentelemetry'))
    writeFileSync(join(folder, 'tracing.mjs'), code)
    const made = await makeRealm(['web', 'orders'], [['web', 'orders']])
    onTestFinished(() => made.remove())
    const before = ['env', `NODE_OPTIONS=--import=${join(folder, 'tracing.mjs')}`]
    const kdc = await startKdc(made.folder, undefined, before)
    const said = collected(kdc.child.stdout)
    const web = await connectAs(made, kdc.url, 'web')
    const { ticketId } = await web.getServiceTicket('orders')
    web.close()
    await expect.poll(said).toMatch(`'orthrus.ticket_id': '${ticketId}'`)
    expect(said()).toMatch(/name: 'orthrus AS'/)
    expect(await kdc.end('SIGTERM')).toBe(0)
  })

  it('names every field of the event of a KDC', async () => {
    const told: object[] = []
    const listener = (event: unknown) => void told.push(event as object)
    diagnostics.subscribe('orthrus:kdc:exchange', listener)
    onTestFinished(() => void diagnostics.unsubscribe('orthrus:kdc:exchange', listener))
    await (await realm.connect('web')).getTgt()
    const fields = [...sectionBelow('Events of a KDC').matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
    expect(Object.keys(told[0] ?? {}).sort()).toEqual(fields.sort())
  })

  it('is run whole', () => {
    expect([...tried].sort()).toEqual([...programs.keys()].sort())
  })
})
