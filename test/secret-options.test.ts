import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as client from '../client/index.js'
import * as kdc from '../kdc/index.js'
import * as service from '../service/index.js'
import { OrthrusError } from '../shared/errors.js'
import { createOwnerLogger } from '../shared/owner-logger.js'
import { systemClock } from '../shared/time.js'
import * as testing from '../testing/index.js'
import { runCommand } from './cli/run-command.js'
import { TestLogger } from './support/logger.js'

/** A secret given in place of anything else, to any function that takes options, shows in no error and no log line. */

const BODY = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4'
const SECRETS = [
  `orthruskey1_${BODY}`,
  `orthrus1_${BODY}`,
  `orthrusjoin1_${BODY}`,
  `orthrusmaster1_${BODY}`,
  `web@demo.example 1 orthruskey1_${BODY}\n`,
]

let realm: testing.TestRealm
let web: client.Realm
let orders: service.Service
let folder = ''
const log = new TestLogger()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'orthrus-secret-'))
  realm = await testing.startRealm({ realm: 'demo.example' })
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  web = await realm.connect('web', { logger: log })
  orders = await realm.loadService('orders')
})
afterAll(async () => {
  await realm.close()
  rmSync(folder, { recursive: true })
})

/** Also in another case, as in the host of a URL, and in all that an inspection of the error shows. */
function requireHidden(cause: unknown, where: string): void {
  expect(cause, where).toBeInstanceOf(Error)
  const told = `${inspect(cause, { depth: 10, showHidden: true })} ${JSON.stringify(cause)} ${inspect(log.lines, { depth: 10 })}`
  expect(told.toLowerCase(), where).not.toContain(BODY.toLowerCase().slice(0, 12))
}

async function refusalOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (cause) {
    return cause
  }
  return undefined
}

/** Each way to give the text. What is returned must be refused. */
const calls = (secret: string): Readonly<Record<string, () => unknown>> => {
  const connect = (options: object) => () =>
    client.connect({
      kdc: realm.kdc.url,
      keytab: { text: realm.keytab('web') },
      logger: log,
      ...options,
    } as never)
  const start = (options: object) => () =>
    kdc.startKdc({
      store: kdc.createMemoryStore(),
      masterKey: new kdc.MasterKey(kdc.systemRandom(32)),
      logger: log,
      ...options,
    } as never)
  const load = (options: object) => () =>
    service.loadService({ keytab: { text: realm.keytab('orders') }, logger: log, ...options } as never)
  const require = (options: object) => () => service.requireTicket({ service: orders, ...options } as never)
  const call = (init: object) => () =>
    web.fetch('http://127.0.0.1:9/', { service: 'orders', ...init } as never)
  return {
    'connect, an option': connect({ [secret]: 1 }),
    'connect, keytab': connect({ keytab: secret }),
    'connect, text of the keytab': connect({ keytab: { text: secret } }),
    'connect, principal': connect({ principal: secret }),
    'connect, realm': connect({ realm: secret, principal: 'web' }),
    'connect, realm and principal': connect({ principal: `web@${secret}` }),
    'connect, kdc': connect({ kdc: secret }),
    'connect, host of the KDC': connect({
      kdc: `ws://${secret.trim().replaceAll(' ', '.')}`,
      timeouts: { connect: 1 },
    }),
    'connect, path of the KDC': connect({ kdc: `http://127.0.0.1/${secret}` }),
    'connect, wait': connect({ wait: secret }),
    'connect, a timeout': connect({ timeouts: { [secret]: 1 } }),
    'connect, an origin': connect({ services: { [secret]: 'orders' } }),
    'connect, an origin with it': connect({ services: { [`http://127.0.0.1/${secret}`]: 'orders' } }),
    'connect, a pattern of origins': connect({ services: { [`http://*.${secret.trim()}`]: 'orders' } }),
    'connect, a service': connect({ services: { 'http://127.0.0.1': secret } }),
    'connect, credential': () =>
      client.connect({ kdc: realm.kdc.url, credential: secret, allowBearerCredential: true }),
    'fetch, URL': () => web.fetch(secret),
    'fetch, scheme': () => web.fetch(`ftp://host/${secret}`),
    'fetch, no service named': () => web.fetch(`http://${secret.trim().replaceAll(' ', '.')}/`),
    'fetch, service': call({ service: secret }),
    'fetch, method': call({ method: secret }),
    'fetch, a header': call({ headers: { [secret]: '1' } }),
    'fetch, an option': call({ [secret]: 1 }),
    'fetch, cache': call({ cache: secret }),
    'getServiceTicket, service': () => web.getServiceTicket(secret),
    'getServiceTicket, lifetime': () => web.getServiceTicket('orders', { lifetime: secret as never }),
    'getServiceTicket, an option': () => web.getServiceTicket('orders', { [secret]: 1 } as never),
    import: () => web.import(secret),
    'startKdc, an option': start({ [secret]: 1 }),
    'startKdc, a limit': start({ limits: { [secret]: 1 } }),
    'startKdc, value of a limit': start({ limits: { connections: secret } }),
    'startKdc, folder': () => kdc.startKdc({ dataDirectory: secret }),
    'startKdc, folder in one': () => kdc.startKdc({ dataDirectory: join(folder, secret) }),
    'startKdc, an origin': start({ allowedOrigins: [secret] }),
    'startKdc, trusted proxy': start({ trustedProxies: [secret] }),
    openLevelStore: () => kdc.openLevelStore(join(folder, secret), { create: false }),
    'openLevelStore, to be made': () => kdc.openLevelStore(join(folder, secret), { create: true }),
    createMasterKey: () => kdc.createMasterKey(join(folder, 'no', secret), kdc.systemRandom),
    readMasterKey: () => kdc.readMasterKey(secret),
    'loadService, an option': load({ [secret]: 1 }),
    'loadService, keytab': load({ keytab: secret }),
    'loadService, service': load({ service: secret }),
    'loadService, replay cache': load({ replayCache: { maxBytes: secret } }),
    'requireTicket, an option': require({ [secret]: 1 }),
    'requireTicket, a checker': require({ caveats: { [secret]: 1 } }),
    'requireTicket, maxBody': require({ maxBody: secret }),
    'requireTicket, a delegate': require({ delegates: [secret] }),
    'requireTicket, a claim': require({ claims: { [secret]: {} } }),
    'startRealm, realm': () => testing.startRealm({ realm: secret }),
    'a test realm, add': () => realm.add(secret),
    'a test realm, keytab': () => realm.keytab(secret),
    'a test realm, connect': () => realm.connect(secret),
    'a test realm, allow': () => realm.allow(secret, 'orders'),
  }
}

describe.each(SECRETS)('the secret %j', secret => {
  it.each(Object.entries(calls(secret)))('shows nowhere: %s', async (where, call) => {
    requireHidden(await refusalOf(call), where)
  })

  it.each([
    ['admin', 'show', secret],
    ['admin', 'add', secret],
    ['admin', 'add', 'web', '--expires', secret],
    ['admin', secret],
    [secret],
    [`--${secret}`],
    ['get', 'orders', '--keytab', secret],
    ['get', secret, '--keytab', join('no', 'keytab')],
    ['get', 'orders', '--kdc', secret, '--keytab', join('no', 'keytab')],
    ['call', secret, '--service', 'orders'],
    ['call', 'http://127.0.0.1:9/', '--service', secret, '--credential', join('no', 'file')],
    ['call', 'http://127.0.0.1:9/', '-H', secret],
    ['call', 'http://127.0.0.1:9/', '-d', `@${secret}`],
    ['call', 'http://127.0.0.1:9/', '-o', join('no', secret)],
    ['kdc', '--data', secret],
    ['kdc', '--listen', secret],
    ['kdc', '--allow-origin', secret],
    ['kdc', '--trusted-proxy', secret],
    ['kdc', '--connections', secret],
    ['kdc', '--log-level', secret],
    ['init', secret, '--data', join(tmpdir(), 'orthrus-no', 'folder')],
  ])('shows nowhere on the command line: %s %s', async (...words) => {
    for (const json of [[], ['--json']]) {
      const { code, out, err } = await runCommand([...words, ...json])
      expect(code).not.toBe(0)
      expect(`${out}${err}`.toLowerCase()).not.toContain(BODY.toLowerCase().slice(0, 12))
    }
  })
})

describe('what hides secrets', () => {
  it('leaves their prefix, and everything else as it is', () => {
    const error = new OrthrusError('unavailable', `x orthrus1_${BODY}, orthrus1_ and orthruskey1_...`, {
      principal: `orthruskey1_${BODY}`,
      hint: `say ORTHRUSKEY1_${BODY}.`,
    })
    expect(error.reason).toBe('x orthrus1_..., orthrus1_ and orthruskey1_...')
    expect(error.facts).toEqual({ principal: 'orthruskey1_...', hint: 'say ORTHRUSKEY1_....' })
    expect(inspect(error)).not.toContain(BODY)
  })

  it('is also in the lines for the owner', () => {
    const lines: string[] = []
    const logger = createOwnerLogger({ name: 'x', clock: systemClock, write: text => lines.push(text) })
    logger.warn(
      { path: `/a/orthruskey1_${BODY}`, err: new Error(`no orthrus1_${BODY}`) },
      `orthrusjoin1_${BODY}`,
    )
    expect(lines).toHaveLength(1)
    expect(lines[0]).not.toContain(BODY)
  })
})
