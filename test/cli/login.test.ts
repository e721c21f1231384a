import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { LoginFolder } from '../../client/kept-login/login-files.node.js'
import { parsePrincipal } from '../../shared/principal.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { loginOf, temporaryLogins } from '../support/logins.js'
import { type Outcome, runCommand } from './run-command.js'

/** `orthrus login`, `logout` and `tickets`, and what other commands do with a login. */

const BOB = parsePrincipal('bob@demo.example')
const CARL = parsePrincipal('carl@other.example')

let realm: TestRealm
let other: TestRealm
beforeAll(async () => {
  // The commands read the machine's clock.
  const now = createTestClock(Date.now())
  ;[realm, other] = await Promise.all([
    startRealm({ realm: 'demo.example', clock: now }),
    startRealm({ realm: 'other.example', clock: now }),
  ])
  await realm.add('bob', 'orders', 'billing')
  await realm.allow('bob', 'orders', { claims: { role: 'reader' }, delegable: true })
  await realm.allow('bob', 'kdc', { claims: { role: 'admin' } })
  await other.add('carl', 'books')
  await other.allow('carl', 'books')
})
afterAll(() => Promise.all([realm.close(), other.close()]))

type Run = (...args: string[]) => Promise<Outcome>

/** Commands of a person whose logins are in that folder. */
function at(logins: LoginFolder, env: Record<string, string> = {}): Run {
  return (...args) => runCommand(args, { env: { ORTHRUS_LOGINS: logins.folder, ...env } })
}

function typing(text: string): void {
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([text]) as never)
}

const done = (out: unknown) => ({ code: 0, err: '', out })
const failed = (err: string | RegExp, code = 1) => ({
  code,
  out: '',
  err: typeof err === 'string' ? expect.stringContaining(err) : expect.stringMatching(err),
})

describe('a person', () => {
  it.each([
    [['login', 'ann'], 'say in which realm: orthrus login ann@REALM'],
    [['login', 'ann@demo.example', '--realm', 'other.example'], 'is not of the realm other.example'],
    [['login', 'Ann@demo.example'], 'not a principal'],
    [['login', 'ann@demo.example', '--password-stdin'], 'no password came'],
    [['login', 'ann@demo.example'], 'standard input is no terminal: --password-stdin takes'],
    [['logout', 'ann', '--all'], '--all is every login'],
    [['tickets', '--realm', 'UPPER'], 'not a realm'],
    [['get', 'orders', '--login', 'ann', '--keytab', 'x'], '--keytab and --login are two ways to log in'],
    [['get', 'orders', '--realm', 'demo.example', '--keytab', 'x'], '--keytab and --realm are two ways'],
  ])('is told of a mistake in %j', async (args, message) => {
    typing('')
    expect(await at(await temporaryLogins())(...args)).toEqual(failed(message, 2))
  })

  it('is told where a login has no place', async () => {
    expect(await runCommand(['login', 'ann@demo.example'], { env: {} })).toEqual(
      failed('there is no place for a login: set HOME, or ORTHRUS_LOGINS=DIR', 2),
    )
    expect(await runCommand(['get', 'orders'], { env: {} })).toEqual(failed('say whose key to use', 2))
  })
})

describe('a login', () => {
  it('is what commands act under, and what they got is there for the next, and for tickets', async () => {
    const logins = await temporaryLogins()
    await logins.write(await loginOf(realm, 'bob'))
    const run = at(logins)
    const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).out)
    const first = await json('get', 'orders')
    expect(first.tickets).toMatchObject([{ service: 'orders@demo.example', client: BOB }])
    // The same ticket, which the file had.
    expect((await json('get', 'orders')).tickets).toEqual(first.tickets)
    expect(await json('tickets')).toMatchObject({
      logins: [
        {
          client: BOB,
          kdc: [realm.kdc.url],
          tickets: [{ service: 'orders@demo.example', claims: { role: 'reader' } }],
        },
      ],
    })
    expect(await run('tickets')).toEqual(
      done(
        expect.stringMatching(
          /^bob@demo\.example +ends in (9|8) h +renewable for 6 d\n {2}orders +ends in \d+ min\nnot sealed by a key of your session, .*: bob@demo\.example\n$/,
        ),
      ),
    )
    const inspected = await run('inspect', logins.pathOf(BOB))
    expect(inspected.out).toMatch(
      /kind +login\nclient +bob@demo\.example\n.*tickets +orders@demo\.example\n/s,
    )
    for (const line of (await readFile(logins.pathOf(BOB), 'utf8')).split('\n').slice(1, -1))
      expect(inspected.out).not.toContain(line.slice(20, 60))
    expect(await run('delegate', 'orders', '--to', 'billing')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^orthrus1_/),
    })
    expect((await json('admin', 'list')).principals.length).toBeGreaterThan(4)
    const services = (await logins.read(BOB)).tickets.map(({ grant }) => grant.service)
    expect(services.sort()).toEqual(['kdc@demo.example', 'orders@demo.example'])
  })

  it('is one of several realms: the one that is named, or that a service is of', async () => {
    const logins = await temporaryLogins()
    await logins.write(await loginOf(realm, 'bob'))
    await logins.write(await loginOf(other, 'carl'))
    const run = at(logins)
    expect(await run('get', 'orders')).toEqual(
      failed(
        'there are logins of bob@demo.example, carl@other.example: say which one is meant, as --login bob@demo.example',
        2,
      ),
    )
    for (const words of [
      ['--login', 'bob'],
      ['--login', 'bob@demo.example'],
      ['--realm', 'demo.example'],
      ['--principal', 'bob'],
    ])
      expect(await run('get', 'orders', ...words)).toMatchObject({
        code: 0,
        out: expect.stringContaining('orders@demo'),
      })
    expect(await run('get', 'books@other.example')).toMatchObject({
      code: 0,
      out: expect.stringContaining('books@other'),
    })
    expect(await run('get', 'books', '--login', 'dora')).toEqual(failed('run: orthrus login dora@REALM'))
    for (const command of ['logout', 'passwd'])
      expect(await run(command)).toEqual(
        failed(`say which one is meant, as orthrus ${command} bob@demo.example`, 2),
      )
    // A name with its realm is that login, whatever the services are of.
    expect(await run('get', 'books@other.example', '--login', 'bob@demo.example')).toEqual(
      failed(/books@other\.example/),
    )
    expect(await run('logout', 'carl')).toMatchObject({
      code: 0,
      out: expect.stringContaining('erased the login of carl'),
    })
    expect(await logins.list()).toEqual([BOB])
    expect(await run('get', 'books@other.example', '--realm', 'other.example')).toEqual(
      failed('no login in other.example'),
    )
    expect(await run('logout', '--all')).toMatchObject({ code: 0 })
    expect(await logins.list()).toEqual([])
    expect(await run('logout')).toEqual(failed('login_invalid: there is no login on this machine'))
  })

  it('yields to an option and to the environment', async () => {
    const logins = await temporaryLogins()
    await logins.write(await loginOf(other, 'carl'))
    const keytab = join(logins.folder, 'bob.keytab')
    await writeFile(keytab, realm.keytab('bob'), { mode: 0o600 })
    const kdc = { ORTHRUS_KDC: realm.kdc.url }
    const clientOf = async (run: Run, ...args: string[]) =>
      JSON.parse((await run('get', ...args, '--json')).out).tickets[0]?.client
    expect(await clientOf(at(logins, kdc), 'orders', '--keytab', keytab)).toBe(BOB)
    expect(await clientOf(at(logins, { ...kdc, ORTHRUS_KEYTAB: keytab }), 'orders')).toBe(BOB)
    // An option that names the login wins over the environment; the login knows its own KDC.
    expect(await clientOf(at(logins, { ...kdc, ORTHRUS_KEYTAB: keytab }), 'books', '--login', 'carl')).toBe(
      CARL,
    )
    expect(await clientOf(at(logins, kdc), 'books')).toBe(CARL)
  })

  it('administers only if no keytab of another realm lies in the same folder', async () => {
    const logins = await temporaryLogins()
    await logins.write(await loginOf(realm, 'bob'))
    const run = at(logins)
    const before = process.cwd()
    await mkdir(join(logins.folder, 'here', 'orthrus-data'), { recursive: true })
    await writeFile(join(logins.folder, 'here', 'orthrus-data', 'admin.keytab'), realm.keytab('bob'), {
      mode: 0o600,
    })
    process.chdir(join(logins.folder, 'here'))
    onTestFinished(() => process.chdir(before))
    expect(await run('admin', 'list')).toEqual(
      failed(/there are a login of bob@demo\.example and orthrus-data\/admin\.keytab/, 2),
    )
    expect((await run('admin', 'list', '--login', 'bob')).code).toBe(0)
    await logins.write(await loginOf(other, 'carl'))
    expect(await run('admin', 'list')).toEqual(
      failed(/as --login bob@demo\.example, or --keytab orthrus-data\/admin\.keytab/, 2),
    )
  })

  it('that cannot be used is told by tickets and by commands, with what to type', async () => {
    const logins = await temporaryLogins()
    await logins.write(await loginOf(realm, 'bob'))
    const file = logins.pathOf(BOB)
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.slice(0, -9))
    const run = at(logins)
    for (const args of [['get', 'orders'], ['tickets']])
      expect(await run(...args)).toEqual(
        failed(/login_invalid: .*cut off \(write it again: orthrus login NAME\)/),
      )
    const told = JSON.parse((await run('tickets', '--json')).out)
    expect(told.logins).toMatchObject([{ client: BOB, error: { code: 'login_invalid' } }])
    // And is erased like any other.
    expect((await run('logout')).code).toBe(0)
  })

  it('that was revoked says how to log in again, and keeps no ticket', async () => {
    const logins = await temporaryLogins()
    await realm.add('eve')
    await realm.allow('eve', '*')
    const eve = parsePrincipal('eve@demo.example')
    await logins.write(await loginOf(realm, 'eve'))
    const run = at(logins)
    expect((await run('get', 'orders')).code).toBe(0)
    await realm.administration.revocations.client(eve)
    expect(await run('get', 'billing')).toEqual(failed('run: orthrus login eve@demo.example'))
    expect((await logins.read(eve)).tickets).toEqual([])
  })
})
