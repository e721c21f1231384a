import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../../client/connect.js'
import type { LoginFolder } from '../../../client/kept-login/login-files.node.js'
import { partsOf, type Realm } from '../../../client/realm.js'
import type { Principal } from '../../../shared/principal.js'
import { HOUR, MINUTE } from '../../../shared/time.js'
import type { TestClock } from '../../../testing/clock.js'
import { startRealm, type TestRealm } from '../../../testing/realm.js'
import { failureIn } from '../../support/failure.js'
import { TestLogger } from '../../support/logger.js'
import { loginOf, temporaryLogins } from '../../support/logins.js'

/** A program with the login of a person: `connect({ login })`. */

let realm: TestRealm
let clock: TestClock
let count = 0
beforeAll(async () => {
  realm = await startRealm({ realm: 'demo.example' })
  clock = realm.clock
  await realm.add('orders', 'billing', 'bob')
  await realm.allow('*', 'orders')
  await realm.allow('*', 'billing')
})
afterAll(() => realm.close())

interface Setting {
  readonly logins: LoginFolder
  readonly client: Principal
  /** A program that acts under the login. */
  program(): Promise<Realm>
  /** The person logs in, again. */
  logIn(lifetime?: number): Promise<void>
}

/** A person who has logged in. */
async function loggedIn(lifetime = 0): Promise<Setting> {
  const name = `ann${++count}`
  await realm.add(name)
  const logins = await temporaryLogins()
  const logIn = async (life = lifetime) => logins.write(await loginOf(realm, name, life))
  await logIn()
  const program = async () => {
    const connected = await connect({
      login: true,
      loginFolder: logins.folder,
      clock,
      timers: clock,
      logger: new TestLogger(),
    })
    onTestFinished(() => connected.close())
    return connected
  }
  return { logins, client: `${name}@demo.example` as Principal, program, logIn }
}

const idOf = async (program: Realm, service = 'orders') => (await program.getServiceTicket(service)).ticketId
const saved = (program: Realm) => partsOf(program).source.saved?.()

describe('a login that is kept', () => {
  it('is whom a program acts as, and each process has the tickets of the ones before it', async () => {
    const { program, client, logins } = await loggedIn()
    const first = await program()
    expect([first.client, first.realm]).toEqual([client, 'demo.example'])
    const ticket = await first.getServiceTicket('orders')
    expect(ticket.serviceProved).toBe(true)
    await saved(first)
    const second = await program()
    expect(await idOf(second)).toBe(ticket.ticketId)
    // Another lifetime is another ticket.
    const short = await second.getServiceTicket('orders', { lifetime: MINUTE })
    expect(short.endTime - short.startTime).toBeLessThanOrEqual(MINUTE)
    await Promise.all([second.getServiceTicket('billing'), second.getServiceTicket('orders')])
    await saved(second)
    expect((await logins.read(client)).tickets.length).toBe(3)
  })

  it('asks nobody for what it has: it serves while the KDC is away', async () => {
    const own = await startRealm({ realm: 'demo.example' })
    await own.add('eve', 'orders')
    await own.allow('eve', 'orders')
    const logins = await temporaryLogins()
    await logins.write(await loginOf(own, 'eve'))
    const options = { login: true, loginFolder: logins.folder, clock: own.clock, timers: own.clock } as const
    const first = await connect(options)
    const id = await idOf(first)
    await saved(first)
    first.close()
    const second = await connect(options)
    onTestFinished(() => second.close())
    await own.close()
    // Together with one that it does not have, which alone is refused.
    const [kept, other] = await Promise.allSettled([idOf(second), second.getServiceTicket('billing')])
    expect(kept).toEqual({ status: 'fulfilled', value: id })
    expect(other).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
  })

  it('gets another ticket where the one that it had was refused, or is old', async () => {
    const { program } = await loggedIn()
    const first = await program()
    const id = await idOf(first)
    await saved(first)
    const second = await program()
    const ticket = await second.getServiceTicket('orders')
    expect(ticket.ticketId).toBe(id)
    await partsOf(second).tickets.replace(ticket, true)
    expect(await idOf(second)).not.toBe(id)
    clock.advance(50 * MINUTE)
    expect(await idOf(await program())).not.toBe(id)
  })

  it('is renewed while it can be, by whichever process, and the others take the new TGT', async () => {
    const { program, logins, client } = await loggedIn()
    const [long, before] = [await program(), await logins.read(client)]
    clock.advance(9 * HOUR)
    await idOf(long)
    await saved(long)
    const after = await logins.read(client)
    expect(after.tgt.endTime).toBeGreaterThan(before.tgt.endTime + 8 * HOUR)
    expect([after.id, after.tgt.authTime, after.tgt.renewTill]).toEqual([
      before.id,
      before.tgt.authTime,
      before.tgt.renewTill,
    ])
    // A week later it can be renewed no more.
    for (let hours = 0; hours < 7 * 24; hours += 8) {
      clock.advance(8 * HOUR)
      await idOf(long, 'billing').catch(() => undefined)
    }
    expect(await failureIn(() => idOf(long))).toMatchObject({
      code: 'login_invalid',
      final: true,
      message: expect.stringMatching(new RegExp(`ended at 20.*run: orthrus login ${client}`)),
    })
  })

  it('goes on in a program that runs when the person logs in again', async () => {
    const { program, logIn, client } = await loggedIn(HOUR)
    const running = await program()
    await idOf(running)
    clock.advance(8 * 24 * HOUR)
    expect(await failureIn(() => idOf(running))).toMatchObject({
      code: 'login_invalid',
      facts: { principal: client },
    })
    await logIn()
    expect(await idOf(running)).toMatch(/^[0-9a-f]{32}$/)
  })

  it('that was revoked says what to type, drops its tickets, and goes on after another login', async () => {
    const { program, logIn, client, logins } = await loggedIn()
    const running = await program()
    await idOf(running)
    await saved(running)
    await realm.administration.revocations.client(client)
    expect(await failureIn(() => idOf(running, 'billing'))).toMatchObject({
      code: 'revoked',
      facts: { hint: expect.stringContaining(`run: orthrus login ${client}`) },
    })
    await saved(running)
    expect((await logins.read(client)).tickets).toEqual([])
    clock.advance(2)
    await logIn()
    expect(await idOf(running, 'billing')).toMatch(/^[0-9a-f]{32}$/)
  })

  it('adds nothing to a file that was erased, or that has another login', async () => {
    const { program, logins, client, logIn } = await loggedIn()
    const [one, two] = [await program(), await program()]
    await logIn()
    await idOf(one)
    await saved(one)
    expect((await logins.read(client)).tickets).toEqual([])
    await logins.erase(client)
    await idOf(two)
    await saved(two)
    expect(await logins.list()).toEqual([])
  })

  it('has no key of its own: what needs one is refused', async () => {
    const { program } = await loggedIn()
    expect(partsOf(await program()).source.login).toBeUndefined()
    expect((await (await program()).getTgt()).service).toBe('krbtgt@demo.example')
  })
})

describe('logout of a realm', () => {
  it('erases the login that it goes by, and closes it; without one it only closes', async () => {
    const { program, client, logins } = await loggedIn()
    const first = await program()
    await first.getServiceTicket('orders')
    await first.logout()
    expect(await logins.list()).not.toContain(client)
    expect(await failureIn(() => first.getServiceTicket('orders'))).toMatchObject({ code: 'unavailable' })
    const keyed = await realm.connect('bob')
    await keyed.logout()
    expect(await failureIn(() => keyed.getServiceTicket('orders'))).toMatchObject({ code: 'unavailable' })
  })
})

describe('the options keepLogin and onLogout', () => {
  it('are for pages, and for logins that can be kept', async () => {
    const refused = (options: object) =>
      failureIn(() => connect({ kdc: realm.kdc.url, principal: 'bob@demo.example', ...options } as never))
    for (const [options, message] of [
      [{ password: 'x', keepLogin: 'tabs' }, 'keepLogin of connect is for pages: run orthrus login'],
      [{ password: 'x', keepLogin: true }, "keepLogin of connect is 'tabs' or 'storage'"],
      [{ keytab: { text: '' }, keepLogin: 'tabs' }, 'is for a login with principal and password'],
      [{ password: 'x', onLogout: () => {} }, 'onLogout of connect needs keepLogin or login'],
      [{ password: 'x', keepLogin: 'tabs', onLogout: true }, 'onLogout of connect is a function'],
    ] as const)
      expect(await refused(options)).toMatchObject({
        name: 'TypeError',
        message: expect.stringContaining(message),
      })
  })
})

describe('the option login', () => {
  it('names one of several, and goes with no other identity', async () => {
    const { logins } = await loggedIn()
    const { loginFolder, ...none } = { loginFolder: logins.folder }
    await logins.write(await loginOf(realm, 'bob'))
    expect(none).toEqual({})
    const refused = (options: object) => failureIn(() => connect({ loginFolder, ...options } as never))
    expect(await refused({ login: true })).toMatchObject({
      code: 'login_invalid',
      message: expect.stringMatching(
        /there are logins of ann\d+@demo\.example, bob@demo\.example \(say which/,
      ),
    })
    expect(await refused({ login: 'dora' })).toMatchObject({
      code: 'login_invalid',
      message: expect.stringContaining('run: orthrus login dora@REALM'),
    })
    const bob = await connect({ login: 'bob', realm: 'demo.example', loginFolder, clock, timers: clock })
    onTestFinished(() => bob.close())
    expect(bob.client).toBe('bob@demo.example')
    for (const [name, value] of [
      ['keytab', 'x.keytab'],
      ['password', 'x'],
      ['credential', 'x'],
      ['principal', 'x'],
    ])
      expect(await refused({ login: true, [name as string]: value })).toMatchObject({
        name: 'TypeError',
        message: expect.stringContaining(`login and ${name} of connect`),
      })
    expect(await refused({ login: false })).toBeInstanceOf(TypeError)
  })
})
