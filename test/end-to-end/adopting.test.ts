import { createHmac } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Response as Reply, type RequestHandler } from 'express'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ConnectOptions } from '../../client/connect-options.js'
import * as service from '../../service/index.js'
import { startRealm, type TestRealm } from '../../testing/index.js'
import { snippetsOf } from './snippets.js'

/** The story of docs/adopting.md: five services that move one hop at a time, with each step rolled back once. */

const snippets = snippetsOf('docs/adopting.md')
const programs = new Map(
  snippets.filter(({ language }) => language === 'ts').map(({ mark, code }) => [mark, code]),
)
const tried = new Set<string>()

/** Which services call which, and the ports that the page gives them. */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  web: ['orders', 'stock'],
  orders: ['billing', 'stock'],
  billing: ['mail'],
  stock: [],
  mail: [],
}
const PORTS: Readonly<Record<string, string>> = {
  orders: '8081',
  billing: '8082',
  stock: '8083',
  mail: '8084',
}
const SERVICES = Object.keys(PORTS)
const CALLERS = ['web', 'orders', 'billing'] as const

const API_KEY = 'k'.repeat(32)
const JWT_KEY = 'j'.repeat(32)

const signature = (text: string): string => createHmac('sha256', JWT_KEY).update(text).digest('base64url')

function jwtOf(name: string): string {
  const parts = [{ alg: 'HS256', typ: 'JWT' }, { sub: name }]
  const text = parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${signature(text)}`
}

const requireApiKey: RequestHandler = (req, res, next) =>
  req.get('x-api-key') === API_KEY ? next() : void res.sendStatus(401)

const requireJwt: RequestHandler = (req, res, next) => {
  const [, text, mac] = /^Bearer (.+)\.(.+)$/.exec(req.get('authorization') ?? '') ?? []
  return text !== undefined && mac === signature(text) ? next() : void res.sendStatus(401)
}

type Start = 'nothing' | 'key' | 'jwt'
const BEFORE: Readonly<Record<Start, RequestHandler>> = {
  nothing: (_req, _res, next) => next(),
  key: requireApiKey,
  jwt: requireJwt,
}

function headersBefore(start: Start, name: string): Record<string, string> {
  if (start === 'nothing') return {}
  return start === 'key' ? { 'x-api-key': API_KEY } : { authorization: `Bearer ${jwtOf(name)}` }
}

type Call = (url: string) => Promise<Response>
type Gate = 'before' | 'permit' | 'closed'
type Caller = 'before' | 'call' | 'call first'
/** Each hop, as `web > orders`, and which client its service saw. */
type Seen = Record<string, string | null>

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<unknown>
const IMPORT = /^import (?:(\w+)|\{ ([^}]+) \}) from '([^']+)'$/gm

/** Runs a program of the page. @returns the value of what it declares under this name */
async function run(
  mark: string,
  name: string,
  given: object,
  edit = (code: string) => code,
): Promise<unknown> {
  tried.add(mark)
  const code = programs.get(mark) ?? expect.unreachable(`docs/adopting.md has no program ${mark}`)
  const body = edit(code).replace(IMPORT, (_, whole, names, from) =>
    whole === undefined
      ? `const { ${names} } = modules['${from}']`
      : `const { default: ${whole} } = modules['${from}']`,
  )
  const program = new AsyncFunction(...Object.keys(given), `${body}\nreturn ${name}`)
  return await program(...Object.values(given))
}

/** The five services. Deploying one replaces what it runs, as a new process would, at the same address. */
class Team {
  readonly start: Start
  readonly realm: TestRealm
  readonly gates = new Map<string, Gate>()
  readonly callers = new Map<string, Caller>()
  readonly services = new Map<string, service.Service>()
  readonly #servers = new Map<string, Server>()
  readonly #listeners = new Map<string, RequestListener>()
  readonly #calls = new Map<string, Call>()
  readonly #ends = new Map<string, () => void>()
  #seen: Seen = {}

  private constructor(start: Start, realm: TestRealm) {
    this.start = start
    this.realm = realm
  }

  static async start(start: Start): Promise<Team> {
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    const team = new Team(start, realm)
    await introduce(realm)
    for (const name of SERVICES) {
      team.services.set(name, await realm.loadService(name))
      await team.#listen(name)
      await team.deployService(name, 'before')
    }
    for (const name of CALLERS) await team.deployCaller(name, 'before')
    return team
  }

  async #listen(name: string): Promise<void> {
    const server = createServer((req, res) => this.#listeners.get(name)?.(req, res))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    this.#servers.set(name, server)
  }

  urlOf(name: string): string {
    const server = this.#servers.get(name) ?? expect.unreachable()
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  serviceOf(name: string): service.Service {
    return this.services.get(name) ?? expect.unreachable()
  }

  async deployService(name: string, gate: Gate): Promise<void> {
    this.gates.set(name, gate)
    this.#listeners.set(name, (await this.#appOf(name, gate)) as RequestListener)
  }

  async #appOf(name: string, gate: Gate): Promise<unknown> {
    const answer = (_req: unknown, res: Reply, client: string | undefined) =>
      void this.#answer(name, res, client)
    if (gate === 'before') {
      const app = express().use(BEFORE[this.start])
      return app.get('/:id', (req, res) => answer(req, res, undefined))
    }
    const modules = { express: { default: express }, 'orthrus/service': service }
    const given = { modules, service: this.serviceOf(name), answer, requireApiKey, requireJwt }
    return await run(gate === 'closed' ? gate : `permit from ${this.start}`, 'app', given)
  }

  /** Starts a caller, whose realm is a new one. */
  async deployCaller(name: string, caller: Caller): Promise<void> {
    this.callers.set(name, caller)
    this.#ends.get(name)?.()
    this.#calls.set(name, caller === 'before' ? this.#callBefore(name) : await this.#callOf(name, caller))
  }

  #callBefore(name: string): Call {
    return url => fetch(url, { headers: headersBefore(this.start, name) })
  }

  async #callOf(name: string, mark: Caller): Promise<Call> {
    const connect = async ({ keytab, kdc, ...options }: ConnectOptions) => {
      expect([keytab, kdc]).toEqual([`${name}.keytab`, 'ws://127.0.0.1:8750'])
      const realm = await this.realm.connect(name, options as object)
      this.#ends.set(name, () => realm.close())
      return realm
    }
    const given = { modules: { 'orthrus/client': { connect } }, apiKey: API_KEY }
    const edit = (code: string): string => {
      let edited = code.replace("'web.keytab'", `'${name}.keytab'`)
      for (const [at, port] of Object.entries(PORTS)) {
        edited = edited.replaceAll(`http://127.0.0.1:${port}`, this.urlOf(at))
      }
      return edited
    }
    return (await run(mark, 'call', given, edit)) as Call
  }

  async #answer(name: string, res: Reply, client: string | undefined): Promise<void> {
    try {
      await this.#callBelow(name)
      res.json({ client: client ?? null })
    } catch (cause) {
      res.status(502).json({ error: (cause as Error).message })
    }
  }

  async #callBelow(name: string): Promise<void> {
    for (const below of CALLS[name] ?? []) {
      const call = this.#calls.get(name) ?? expect.unreachable()
      const response = await call(`${this.urlOf(below)}/7`)
      const { client, error } = (await response.json()) as { client: string | null; error?: string }
      if (response.status !== 200) throw new Error(`${name} > ${below}: ${response.status} ${error}`)
      this.#seen[`${name} > ${below}`] = client
    }
  }

  /** One request of a person to `web`, which all five serve. @returns what each hop's service saw */
  async serve(): Promise<Seen> {
    this.#seen = {}
    await this.#callBelow('web')
    return this.#seen
  }

  /** All is served, and a hop is known to its service where both of its ends have moved. */
  async expectServed(): Promise<void> {
    const expected: Seen = {}
    for (const [caller, called] of Object.entries(CALLS)) {
      for (const name of called) {
        const hasMoved = this.callers.get(caller) !== 'before' && this.gates.get(name) !== 'before'
        expected[`${caller} > ${name}`] = hasMoved ? `${caller}@test.example` : null
      }
    }
    expect(await this.serve()).toEqual(expected)
  }

  /** How many requests without a ticket a service has let through. */
  passed(name: string): number {
    return this.serviceOf(name).state.withoutTicket?.requests ?? 0
  }
}

/** What the page has an administrator type. */
async function introduce(realm: TestRealm): Promise<void> {
  const lines = snippets
    .filter(({ language }) => language === 'sh')
    .flatMap(({ code }) => code.trim().split('\n'))
  for (const line of lines) {
    const [orthrus, admin, verb, ...rest] = line.split(' ')
    expect([orthrus, admin]).toEqual(['orthrus', 'admin'])
    if (verb === 'add') await realm.add(...rest)
    else {
      const [client = '', called = '', flag, claim = ''] = rest
      expect([verb, flag]).toEqual(['allow', '--claim'])
      await realm.allow(client, called, { claims: Object.fromEntries([claim.split('=')]) })
    }
  }
}

/** In the quick form one of the steps that are alike is rolled back, another one for each start. */
const isSlow = process.env.ORTHRUS_SLOW === '1'

/** Takes a step with each of these, rolls it back, and takes it again. All is served each time. */
async function takeSteps<To>(
  team: Team,
  names: readonly string[],
  deploy: (name: string, to: To) => Promise<void>,
  [from, to]: readonly [To, To],
): Promise<void> {
  for (const name of names) {
    await deploy(name, to)
    if (!isRolledBack(team, names, name)) continue
    await team.expectServed()
    for (const version of [from, to]) {
      await deploy(name, version)
      await team.expectServed()
    }
  }
  await team.expectServed()
}

function isRolledBack({ start }: Team, names: readonly string[], name: string): boolean {
  return isSlow || name === names[start.length % names.length]
}

/** A service loses its gate when callers have seen its proof: they refuse it until they are started again. */
async function rollBackUnderCallers(team: Team, name: string): Promise<void> {
  await team.deployService(name, 'before')
  await expect(team.serve()).rejects.toThrow(/has proved itself .* before.*start this client again/)
  for (const caller of CALLERS) await team.deployCaller(caller, 'call first')
  await team.expectServed()
  await team.deployService(name, 'permit')
  await team.expectServed()
}

describe('docs/adopting.md', () => {
  it.each<Start>(['nothing', 'key', 'jwt'])('takes five services from %s to the end', async start => {
    const team = await Team.start(start)
    await team.expectServed()
    await takeSteps<Gate>(team, SERVICES, (name, gate) => team.deployService(name, gate), [
      'before',
      'permit',
    ])
    await takeSteps<Caller>(team, CALLERS, (name, caller) => team.deployCaller(name, caller), [
      'before',
      'call',
    ])
    const passed = SERVICES.map(name => team.passed(name))
    expect(Math.min(...passed)).toBeGreaterThan(0)
    await team.expectServed()
    expect(SERVICES.map(name => team.passed(name))).toEqual(passed)
    const told = await run('still to move', 'stillToMove', { service: team.serviceOf('mail') })
    expect(told).toMatchObject([{ address: '127.0.0.1', requests: team.passed('mail') }])
    await takeSteps<Gate>(team, SERVICES, (name, gate) => team.deployService(name, gate), [
      'permit',
      'closed',
    ])
    for (const name of SERVICES) {
      const response = await fetch(`${team.urlOf(name)}/7`, { headers: headersBefore(start, 'web') })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([
        401,
        'Orthrus realm="test.example"',
      ])
    }
  })

  it.each<Start>(isSlow ? ['nothing', 'key'] : ['key'])(
    'takes callers from %s to the end before their services',
    async start => {
      const team = await Team.start(start)
      await takeSteps<Caller>(team, CALLERS, (name, to) => team.deployCaller(name, to), [
        'before',
        'call first',
      ])
      for (const name of SERVICES) {
        await team.deployService(name, 'permit')
        await team.expectServed()
        if (isRolledBack(team, SERVICES, name)) await rollBackUnderCallers(team, name)
      }
      expect(SERVICES.map(name => team.passed(name))).toEqual([0, 0, 0, 0])
      await takeSteps<Gate>(team, SERVICES, (name, to) => team.deployService(name, to), ['permit', 'closed'])
      await takeSteps<Caller>(team, CALLERS, (name, to) => team.deployCaller(name, to), [
        'call first',
        'call',
      ])
    },
  )

  it.each<Start>(['key', 'jwt'])(
    'requires what was required before of whoever has no ticket: %s',
    async start => {
      const team = await Team.start(start)
      await team.deployService('mail', 'permit')
      expect((await fetch(`${team.urlOf('mail')}/7`)).status).toBe(401)
      expect(team.passed('mail')).toBe(0)
    },
  )

  it('has a caller that moved refuse a service that has no gate', async () => {
    const team = await Team.start('nothing')
    await team.deployCaller('billing', 'call')
    await expect(team.serve()).rejects.toThrow(/billing > mail|response_unproved/)
  })

  it('has no other program', () => {
    expect([...programs.keys()].sort()).toEqual([...tried].sort())
  })
})
