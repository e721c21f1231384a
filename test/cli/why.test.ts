import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireTicket } from '../../service/require-ticket.js'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus admin why` against a realm in this process: what it says, and that what it says to type changes it. */

let realm: TestRealm
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-why-'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('root', 'web', 'orders', 'web/1', 'lazy')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  for (const name of ['root', 'web']) await writeFile(join(folder, name), realm.keytab(name), { mode: 0o600 })
})

afterAll(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const as = (name: string, words: readonly string[]) =>
  runCommand([...words, '--keytab', join(folder, name)], { env: { ORTHRUS_KDC: realm.kdc.url } })
const admin = (...words: string[]) => as('root', ['admin', ...words])
const why = async (...words: string[]) => JSON.parse((await admin('why', ...words, '--json')).out)

/** Types what the answer says, as a shell would read it. */
async function type(step: string): Promise<void> {
  const command = step.slice(step.indexOf('orthrus ')).replaceAll("'", '').split(' ').slice(1)
  const { code, err } = await as('root', [
    ...command,
    ...(command[1] === 'add' ? ['--out', join(folder, `${systemClock.monotonic()}`)] : []),
  ])
  expect(`${code} ${err}`).toMatch(/^0 /)
}

/** Types the first step of each answer, until the client gets what was asked about. @returns the codes on the way */
async function mend(...question: string[]): Promise<string[]> {
  const codes: string[] = []
  for (let i = 0; i < 5; i++) {
    const { granted, code, request, next } = await why(...question)
    if (granted && request?.passes !== false) return codes
    codes.push(granted ? 'caveat' : code)
    await type(next[0])
  }
  throw new Error(`not mended: ${codes}`)
}

describe('orthrus admin why', () => {
  it('says in words what decides, and what to type', async () => {
    const { code, out } = await admin('why', 'web', 'orders')
    expect(code).toBe(0)
    expect(out.split('\n')[0]).toBe('web gets no ticket for orders: policy_denied, no rule allows it')
    expect(out).toMatch(/^client +enabled$/m)
    expect(out).toMatch(/^ +key: kvno 1, current, since \d{4}-/m)
    expect(out).toMatch(/^rules +none$/m)
    expect(out).toMatch(/^ +rules that ended before \d{4}-\S+ may have been cleared away$/m)
    expect(out).toMatch(/^followers +no process of the service follows/m)
    expect(out).toMatch(/^to change it +orthrus admin allow web orders$/m)
  })

  it('says the rule, the life, the claims and the caveats of a ticket', async () => {
    await realm.allow('web/*', 'orders', { claims: { role: 'reader' }, methods: ['GET'], maxLife: 600_000 })
    const { out } = await admin('why', 'web/1', 'orders', '--method', 'POST', '--path', '/a')
    expect(out.split('\n')[0]).toBe(
      'web/1 gets a ticket for orders, but not for POST /a: the caveat methods does not hold: POST is not among GET',
    )
    expect(out).toMatch(/^rules +allow web\/\* -> orders role=reader, at most 10m, methods GET \(decides\)$/m)
    expect(out).toMatch(/^life +at most 10 min, until \d.*: the rule's longest ticket$/m)
    expect(out).toMatch(/^claims +role=reader$/m)
    expect(out).toMatch(/^caveats +methods GET$/m)
    expect(out).toMatch(/^to change it +orthrus admin allow 'web\/\*' orders --methods GET,POST$/m)
  })

  it('is told in JSON with the same facts', async () => {
    expect(await why('web/1', 'orders', '--method', 'GET')).toMatchObject({
      client: 'web/1@demo.example',
      granted: true,
      scope: 'everything',
      rules: [{ client: 'web/*@demo.example', fate: 'decides', claims: { role: 'reader' } }],
      ticket: { limits: { rule: 600_000, realm: 3_600_000 }, claims: { role: 'reader' }, delegable: false },
      request: { method: 'GET', path: null, passes: true, refusal: null },
      next: [],
    })
  })

  it('says what to type, and that mends it', async () => {
    await admin('disable', 'lazy')
    await admin('deny', '*', 'new')
    expect(await mend('lazy', 'new', '--method', 'GET')).toEqual([
      'principal_disabled',
      'policy_denied',
      'policy_denied',
      'policy_denied',
    ])
    await admin('allow', 'lazy', 'new', '--paths', '/a', '--methods', 'PUT')
    expect(await mend('lazy', 'new', '--method', 'GET', '--path', '/b/1?c')).toEqual(['caveat', 'caveat'])
    expect(await mend('fresh', 'new')).toEqual(['auth_failed', 'policy_denied'])
  })

  it('says first what makes a service that there is not', async () => {
    const { next } = await why('web', 'nothere')
    expect(next).toEqual(['orthrus admin add nothere', 'orthrus admin allow web nothere'])
    expect(await mend('web', 'nothere')).toEqual(['policy_denied', 'policy_denied'])
    // Whether there is one, a client is not told.
    const own = JSON.parse((await as('web', ['admin', 'why', 'web', 'nowhere', '--json'])).out)
    expect(own.next).toEqual(['an administrator runs: orthrus admin why web nowhere'])
  })

  it('renews a rule that has ended with all that it said', async () => {
    await realm.add('depot')
    const said = ['--claim', 'role=reader', '--claim', 'tag=a', '--claim', 'tag=b, c', '--paths', '/a']
    const limits = ['--rate', '5/m', '--max-life', '10m', '--delegable', '--methods', 'GET']
    await admin('allow', 'web/*', 'depot', ...said, ...limits, '--until', '1h')
    const before = JSON.parse((await admin('policy', 'web/*', 'depot', '--json')).out).rules[0]
    realm.clock.advance(2 * 3_600_000)
    const { out } = await admin('why', 'web/1', 'depot')
    expect(out).toMatch(/^web\/1 gets no ticket for depot: policy_denied, no rule allows it$/m)
    expect(out).toMatch(/^rules +allow web\/\* -> depot role=reader, .*\(ended at \d{4}-\S+Z\)$/m)
    expect(out).toMatch(/^to change it +orthrus admin allow 'web\/\*' depot --renew --until 7d$/m)
    expect(await mend('web/1', 'depot')).toEqual(['policy_denied'])
    const { rules } = JSON.parse((await admin('policy', 'web/*', 'depot', '--json')).out)
    expect(rules).toEqual([{ ...before, until: expect.any(Number) }])
    expect(rules[0].until).toBeGreaterThan(before.until)
  })

  it('renews a rule that will have ended at the time that is asked about', async () => {
    await realm.add('shed')
    await admin('allow', 'web', 'shed', '--claim', 'role=reader', '--until', '1h')
    const question = ['web', 'shed', '--at', '2099-01-31T12:00:00Z'] as const
    expect((await why(...question)).next).toEqual(['orthrus admin allow web shed --renew --until 2099-02-07'])
    expect(await mend(...question)).toEqual(['policy_denied'])
    expect((await why(...question)).ticket.claims).toEqual({ role: 'reader' })
  })

  it.each([
    [
      'a rule that is not there',
      ['nobody', '--renew', '--until', '7d'],
      1,
      /there is no rule of this pair to renew/,
    ],
    ['without a new end', ['hut', '--renew'], 1, /say until when: --until 7d, or --no-until/],
    ['and replaces it', ['hut', '--renew', '--replace', '--until', '7d'], 2, /contradict each other/],
  ])('renews not %s', async (_, words, expected, text) => {
    await admin('add', 'hut', '--out', join(folder, 'hut'))
    await admin('allow', 'web', 'hut', '--until', '1s')
    realm.clock.advance(2_000)
    const { code, err } = await admin('allow', 'web', ...words)
    expect(code).toBe(expected)
    expect(err).toMatch(text)
  })

  it('says what is left of a rate, when it is used up, and what gives more', async () => {
    await realm.add('slow')
    await admin('allow', 'web', 'slow', '--rate', '2/h')
    expect((await admin('why', 'web', 'slow')).out).toMatch(
      /^rate +at most 2\/h for each client by this rule: 2 left now$/m,
    )
    for (let i = 0; i < 2; i++) expect((await as('web', ['get', 'slow'])).code).toBe(0)
    const { out } = await admin('why', 'web', 'slow')
    expect(out).toMatch(/^web gets no ticket for slow: rate_limited, too many tickets for web@demo.example/m)
    expect(out).toMatch(/^rate +at most 2\/h .*: none left for \d+ s$/m)
    expect(out).toMatch(/^to change it +orthrus admin allow web slow --rate 4\/h$/m)
    expect(out).toMatch(/^ +or: orthrus admin allow web slow --no-rate$/m)
    expect(out).toMatch(/^ +or wait \d+ s$/m)
    expect(await mend('web', 'slow')).toEqual(['rate_limited'])
  })

  it.each([
    ['another time', ['--at', '2100-01-31'], 'decided for +2100-01-31T00:00:00'],
    ['a request that passes', ['--path', '/x', '--method', 'GET'], 'and its caveats let GET /x pass'],
  ])('answers about %s', async (_, words, expected) => {
    await realm.allow('web', 'orders')
    expect((await admin('why', 'web', 'orders', ...words)).out).toMatch(new RegExp(expected))
  })

  it.each([
    ['a time that is none', ['--at', 'soon'], /2027-01-31/],
    ['a method in lower case', ['--method', 'get'], /upper case/],
    ['a path without /', ['--path', 'x'], /as \/orders\/7/],
  ])('refuses %s', async (_, words, expected) => {
    const { code, err } = await admin('why', 'web', 'orders', ...words)
    expect(code).toBe(2)
    expect(err).toMatch(expected)
  })

  it('lets a principal ask for itself, and for nobody else', async () => {
    const { out } = await as('web', ['admin', 'why', 'web', 'orders'])
    expect(out).toMatch(/^service +only administrators are told more about it$/m)
    const { code, err } = await as('web', ['admin', 'why', 'orders', 'web'])
    expect(code).toBe(1)
    expect(err).toMatch(/not_authorized: .*only for itself/)
  })
})

describe('orthrus admin why --id', () => {
  const idIn = (err: string) =>
    /orthrus admin why --id ([0-9a-f]{12})/.exec(err)?.[1] ?? expect.unreachable(err)

  it('leads from the error of a client to the rule, and to what mends it', async () => {
    await realm.add('shop')
    await admin('deny', 'web', 'shop')
    const refused = await as('web', ['get', 'shop'])
    expect(refused.code).toBe(1)
    const id = idIn(refused.err)
    const { code, out } = await admin('why', '--id', id)
    expect(code).toBe(0)
    expect(out).toMatch(
      new RegExp(
        `^${id}: a ticket of web for shop was refused at \\d.*: policy_denied, a rule denies it$`,
        'm',
      ),
    )
    expect(out).toMatch(/^rule +deny web shop$/m)
    expect(out).toMatch(/^Now: web gets no ticket for shop: policy_denied, a rule denies it$/m)
    expect(out).toMatch(/^to change it +orthrus admin policy web shop --forget$/m)
    const { refusals } = JSON.parse((await admin('why', '--id', id, '--json')).out)
    expect(refusals).toMatchObject([{ id, code: 'policy_denied', now: { granted: false } }])
  })

  it('tells a client its own, and nobody another one’s', async () => {
    await writeFile(join(folder, 'lazy'), realm.keytab('lazy'), { mode: 0o600 })
    await admin('enable', 'lazy')
    const id = idIn((await as('web', ['get', 'nowhere'])).err)
    expect((await as('web', ['admin', 'why', '--id', id])).out).toContain(
      'a ticket of web for nowhere was refused',
    )
    const other = await as('lazy', ['admin', 'why', '--id', id])
    const unknown = await as('lazy', ['admin', 'why', '--id', '0123456789ab'])
    expect(other.code).toBe(1)
    expect(other.err.replace(id, '')).toBe(unknown.err.replace('0123456789ab', ''))
  })

  it('says which rule has a rate that was used up', async () => {
    await realm.add('slower')
    await admin('allow', 'web', 'slower', '--rate', '1/h')
    expect((await as('web', ['get', 'slower'])).code).toBe(0)
    const id = /"refusal": ?"([0-9a-f]{12})"/.exec(
      Object.values(await as('web', ['get', 'slower', '--json'])).join(' '),
    )?.[1]
    const { out } = await admin('why', '--id', id ?? '')
    expect(out).toMatch(/rate_limited/)
    expect(out).toMatch(/^ +or: orthrus admin allow web slower --rate RATE, as 600\/m$/m)
  })

  it('names the refused login in the error of the client', async () => {
    await realm.add('late')
    await writeFile(join(folder, 'late'), realm.keytab('late'), { mode: 0o600 })
    await admin('disable', 'late')
    const refused = await as('late', ['get', 'orders', '--json'])
    const id = /"refusal": ?"([0-9a-f]{12})"/.exec(refused.out + refused.err)?.[1] ?? ''
    const { out } = await admin('why', '--id', id)
    expect(out).toContain(`${id}: a login of late was refused at`)
    expect(out).toMatch(/^to change it +orthrus admin enable late$/m)
  })

  it.each([
    ['an id that is none', ['--id', 'xyz'], /12 hex digits/],
    ['names beside an id', ['web', 'orders', '--id', '0123456789ab'], /give no names beside it/],
    ['neither', [], /say about whom/],
  ])('refuses %s', async (_, words, expected) => {
    const { code, err } = await admin('why', ...words)
    expect(code).toBe(2)
    expect(err).toMatch(expected)
  })
})

describe('a refusal of a service', () => {
  it('has an id in its log and in the error of the client, and a hint that the KDC explains', async () => {
    const lines: { id?: string; hint?: string }[] = []
    const note = (fields: object): void => void lines.push(fields)
    const logger = { debug: note, info: note, warn: note, error: note }
    await realm.add('books')
    await admin('allow', 'web', 'books', '--methods', 'GET')
    const service = await realm.loadService('books', { logger })
    const server = createServer(
      requireTicket({ service, claims: { role: 'owner' } }, (_req, res) => res.end('read')),
    )
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const call = (method: string, path: string) =>
      as('web', ['call', method, `${url}${path}`, '--service', 'books', '--json'])
    try {
      for (const [method, path, hint] of [
        [
          'POST',
          '/a',
          'orthrus admin why web books --method POST --path /a says which rule restricts its tickets, and what to type to change it',
        ],
        [
          'POST',
          '/a$b',
          'orthrus admin why web books says which rule restricts its tickets, and what to type to change it',
        ],
        ['GET', '/a', 'orthrus admin why web books says which claims its tickets have, and by which rule'],
      ] as const) {
        const { code, err } = await call(method, path)
        expect(code).toBe(1)
        expect(lines.at(-1)).toMatchObject({ hint, id: JSON.parse(err).error.refusal })
      }
      const { out } = await admin('why', 'web', 'books', '--method', 'POST', '--path', '/a')
      expect(out).toContain('orthrus admin allow web books --methods GET,POST')
    } finally {
      server.close()
    }
  })
})
