import * as diagnostics from 'node:diagnostics_channel'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import * as service from '../../service/index.js'
import { SERVICE_EVENT_KINDS } from '../../service/report/log.js'
import { startRealm, type TestRealm } from '../../testing/index.js'
import { root, temporaryFolder } from './processes.js'
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
  'orthrus/service': {
    ...service,
    loadService: (options: service.LoadServiceOptions) =>
      realm.loadService('orders', { ...options, keytab: join(folder, String(options.keytab)) }),
  },
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

const KIND = /`([a-z_]+)`/g

/** The kinds that the table below a heading names, in order. */
function kindsBelow(heading: string): string[] {
  const section =
    readFileSync(join(root, PAGE), 'utf8').split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const rows = section.split('\n').filter(line => line.startsWith('| `'))
  return rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(KIND)].map(([, kind = '']) => kind))
}

/** A call that is accepted, and the same bytes once more. */
async function callTwice(orders: service.Service): Promise<string> {
  const verify = service.createVerifier({ service: orders })
  const web = await realm.connect('web', {
    fetch: async (url, init) => {
      const { pathname, search } = new URL(String(url))
      const request = { method: 'GET', target: pathname + search, headers: [...new Headers(init?.headers)] }
      const exchange = await verify(request)
      await expect(verify(request)).rejects.toThrow()
      const proved = exchange.prove({ status: 200, headers: [], body: new Uint8Array() })
      return new Response(null, { headers: proved.map(([name, value]): [string, string] => [name, value]) })
    },
  })
  await web.fetch('http://orders.test/orders/7?token=geheim', { service: 'orders' })
  return (await web.getServiceTicket('orders')).ticketId
}

describe(PAGE, () => {
  it('names every kind of event of a service', () => {
    expect(kindsBelow('Events of a service').sort()).toEqual([...SERVICE_EVENT_KINDS].sort())
  })

  it('names every number of a service', async () => {
    const orders = await realm.loadService('orders')
    expect(kindsBelow('Numbers of a service').length).toBe(2)
    const text = readFileSync(join(root, PAGE), 'utf8')
    for (const name of Object.keys(orders.metrics())) expect(text).toContain(`| \`${name}\` |`)
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

  it('is run whole', () => {
    expect([...tried].sort()).toEqual([...programs.keys()].sort())
  })
})
