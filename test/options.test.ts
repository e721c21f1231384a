import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { describe, expect, it, onTestFinished } from 'vitest'
import * as admin from '../client/admin.js'
import * as client from '../client/index.js'
import * as kdc from '../kdc/index.js'
import * as fastify from '../service/fastify.js'
import * as fetchHandler from '../service/fetch-handler.js'
import * as service from '../service/index.js'
import * as koa from '../service/koa.js'
import * as redis from '../service/redis.js'
import * as metrics from '../shared/telemetry/metrics.js'
import * as opentelemetry from '../shared/telemetry/opentelemetry.js'
import * as testing from '../testing/index.js'

/** Every function of the public entries that takes options refuses one that does not exist. */

const ENTRIES = {
  client,
  admin,
  service,
  fastify,
  fetchHandler,
  koa,
  redis,
  metrics,
  opentelemetry,
  kdc,
  testing,
}
const MISSPELT = { optoin: 1 } as never

type Call = (options: never) => unknown

/** How each function is called with nothing but an unknown option; in a folder of its own, where it takes a path. */
const TAKING_OPTIONS: Readonly<Record<string, (folder: string) => Call>> = {
  'client.connect': () => client.connect,
  'admin.connectAdmin': () => admin.connectAdmin,
  'service.loadService': () => service.loadService,
  'service.requireTicket': () => options => service.requireTicket(options),
  'service.createVerifier': () => options => service.createVerifier(options),
  'koa.requireTicket': () => options => koa.requireTicket(options),
  'fastify.requireTicket': () => options => Fastify().register(fastify.requireTicket, options),
  'service.acceptChannels': () => options => service.acceptChannels(options, () => {}),
  'fetchHandler.requireTicket': () => options => fetchHandler.requireTicket(options),
  'redis.createRedisReplayCache': () => options => redis.createRedisReplayCache(options),
  'metrics.collectService': () => metrics.collectService,
  'metrics.collectRealm': () => metrics.collectRealm,
  'opentelemetry.createTracing': () => opentelemetry.createTracing,
  'opentelemetry.traceKdc': () => opentelemetry.traceKdc,
  'opentelemetry.observeService': () => opentelemetry.observeService,
  'opentelemetry.observeRealm': () => opentelemetry.observeRealm,
  'kdc.startKdc': () => kdc.startKdc,
  'kdc.createRealm': () => kdc.createRealm,
  'kdc.openLevelStore': folder => options => kdc.openLevelStore(join(folder, 'db'), options),
  'kdc.readMasterKey': folder => options => kdc.readMasterKey(join(folder, 'key'), options),
  'testing.startRealm': () => testing.startRealm,
}

/** Functions without options. A new export stands in one of the two lists, or the test below fails. */
const WITHOUT_OPTIONS = [
  'admin.administrationOf',
  'admin.formatPolicyFile',
  'admin.parsePolicyFile',
  'admin.policyChange',
  'kdc.createMasterKey',
  'kdc.createMemoryStore',
  'kdc.formatKeytab',
  'kdc.systemRandom',
  'testing.createTestClock',
  'koa.ticketIfAny',
  'koa.ticketOf',
  'client.logClientEvents',
  'service.logServiceEvents',
  'service.ticketIfAny',
  'service.ticketOf',
  'fastify.injectFetch',
  'fastify.ticketIfAny',
  'fetchHandler.ticketOf',
  'fetchHandler.ticketIfAny',
]

const exported = Object.entries(ENTRIES).flatMap(([entry, values]) =>
  Object.entries(values)
    .filter(([, value]) => typeof value === 'function' && !/^class\b/.test(String(value)))
    .map(([name]) => `${entry}.${name}`),
)

async function refusalOf(call: Call, options: unknown): Promise<unknown> {
  try {
    await call(options as never)
  } catch (cause) {
    return cause
  }
  return undefined
}

describe('an option that does not exist', () => {
  it('is tried with every function of every entry', () => {
    expect(exported.sort()).toEqual([...Object.keys(TAKING_OPTIONS), ...WITHOUT_OPTIONS].sort())
  })

  it.each(Object.entries(TAKING_OPTIONS))('is refused by %s', async (name, callIn) => {
    const folder = mkdtempSync(join(tmpdir(), 'orthrus-options-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const cause = await refusalOf(callIn(folder), MISSPELT)
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toContain(`${name.split('.')[1]} has no option "optoin"`)
  })

  it.each([
    ['listen of startKdc', { listen: { prot: 1 } }, 'port'],
    ['limits of startKdc', { limits: { conections: 1 } }, 'connections'],
    ['limit params of startKdc', { limits: { params: { point: 1 } } }, 'points'],
  ])('is refused within %s', async (name, options, meant) => {
    const cause = await refusalOf(kdc.startKdc, options)
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toMatch(new RegExp(`^${name} has no option .*; did you mean "${meant}"`))
  })

  it.each([
    // Looked for in a text, `https://app` would be found.
    'https://app.example',
    ['https://app.example/'],
    ['http://*.example'],
    ['null'],
  ])('is refused as allowedOrigins of startKdc: %j', async allowedOrigins => {
    const cause = await refusalOf(kdc.startKdc, { allowedOrigins })
    expect(cause).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toMatch(/^allowedOrigins of startKdc is a list of origins of pages/)
  })

  it('is refused by the functions of a test realm', async () => {
    const realm = await testing.startRealm()
    onTestFinished(() => realm.close())
    await realm.add('web')
    for (const call of [
      (options: never) => realm.allow('web', 'web', options),
      (options: never) => realm.connect('web', options),
      (options: never) => realm.loadService('web', options),
    ]) {
      expect(await refusalOf(call, MISSPELT)).toBeInstanceOf(TypeError)
    }
  })
})

describe('a limit of startKdc', () => {
  const RATES = ['failedLogins', 'failedLoginsPerAddress', 'params', 'requestsPerClient', 'repeats']
  const WRONG = [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '5', null]
  const refused = async (limits: object, name: string): Promise<void> => {
    const cause = await refusalOf(kdc.startKdc, { limits })
    expect(cause, JSON.stringify(limits)).toBeInstanceOf(TypeError)
    expect((cause as Error).message).toMatch(new RegExp(`${name} of startKdc`))
  }

  it.each(WRONG)('is not %j', async value => {
    for (const name of ['connections', 'connectionsPerAddress', 'handshake', 'concurrency', 'drain', 'idle'])
      await refused({ [name]: value }, `limit ${name}`)
    for (const name of RATES) {
      await refused({ [name]: { points: value, interval: 1_000 } }, `points of limit ${name}`)
      await refused({ [name]: { points: 5, interval: value } }, `interval of limit ${name}`)
    }
  })

  it('is a number or a rate, as it was meant', async () => {
    await refused({ params: 5 }, 'limit params')
    await refused({ connections: { points: 5, interval: 1_000 } }, 'limit connections')
    await refused({ params: { points: 5 } }, 'interval of limit params')
  })
})
