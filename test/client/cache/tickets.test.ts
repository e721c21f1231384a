import { describe, expect, it } from 'vitest'
import type { OrthrusError } from '../../../shared/errors.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { BILLING, ORDERS, WEB } from '../fake-kdc.js'
import { failureOf, Setting } from '../setting.js'

const rejected = (code: string, facts: object = {}) =>
  expect.objectContaining({ code, ...facts }) as OrthrusError

describe('the first tickets', () => {
  it('sends nothing on connect, and asks for everything in one round trip later', async () => {
    const { kdc, ...setting } = await prepare()
    expect(kdc.tried).toEqual(['ws://127.0.0.1:8750'])
    expect(kdc.log).toEqual([])
    const tickets = await Promise.all(
      ['orders', 'billing', 'orders@demo.example'].map(name => setting.realm.getServiceTicket(name)),
    )
    expect(kdc.log).toEqual(['AS orders billing'])
    expect(tickets.map(ticket => ticket.service)).toEqual([ORDERS, BILLING, ORDERS])
    expect(tickets[0]).toBe(tickets[2])
    expect(tickets[0]).toMatchObject({ client: WEB, endTime: kdc.now() + HOUR, claims: {}, delegable: false })
  })

  it('makes one request for 50 callers that ask at once, and none for later ones', async () => {
    const { kdc, realm } = await prepare()
    const fifty = await Promise.all(Array.from({ length: 50 }, () => realm.getServiceTicket('orders')))
    expect(new Set(fifty).size).toBe(1)
    for (let i = 0; i < 50; i++) expect(await realm.getServiceTicket('orders')).toBe(fifty[0])
    expect(kdc.log).toEqual(['AS orders'])
  })

  it('finds the ticket whenever it asks while an answer arrives', async () => {
    const { kdc, realm } = await prepare()
    const first = realm.getServiceTicket('orders')
    const later: Promise<unknown>[] = []
    for (let i = 0; i < 60; i++) {
      await Promise.resolve()
      later.push(realm.getServiceTicket('orders'))
    }
    await Promise.all([first, ...later])
    expect(kdc.log).toEqual(['AS orders'])
  })

  it('asks once for all calls in one turn of the event loop', async () => {
    const { kdc, realm } = await prepare()
    const url = 'http://orders.test:8080/'
    const post = { method: 'POST', body: new Blob(['x']).stream() }
    await Promise.allSettled([
      realm.fetch(url, { service: 'billing', ...post }),
      realm.fetch(url, post),
      realm.getServiceTicket('gate'),
    ])
    // The ticket for billing is then refused by orders, and replaced.
    expect(kdc.log).toEqual(['AS billing orders gate', 'TGS billing'])
  })

  it('waits for a login that is under way instead of beginning another', async () => {
    const { kdc, realm } = await prepare()
    const tickets: Promise<unknown>[] = []
    for (let i = 0; i < 30; i++) {
      tickets.push(realm.getServiceTicket(`s${i}`))
      await Promise.resolve()
    }
    await Promise.all(tickets)
    expect(kdc.log.filter(line => line.startsWith('AS'))).toEqual(['AS s0'])
  })

  it('asks for at most 32 services at once', async () => {
    const { kdc, realm } = await prepare()
    const names = Array.from({ length: 70 }, (_, i) => `s${i}`)
    const tickets = await Promise.all(names.map(name => realm.getServiceTicket(name)))
    expect(tickets.map(ticket => ticket.service)).toEqual(names.map(name => `${name}@demo.example`))
    expect(kdc.asked.map(({ exchange, services }) => [exchange, services.length])).toEqual([
      ['AS', 32],
      ['TGS', 32],
      ['TGS', 6],
    ])
  })

  it('uses the TGT for later tickets', async () => {
    const { kdc, realm } = await prepare()
    await realm.getServiceTicket('orders')
    await realm.getServiceTicket('billing')
    expect(kdc.log).toEqual(['AS orders', 'TGS billing'])
  })

  it('limits a lifetime in the TGS request, so that the TGT lives as long as it may', async () => {
    const { kdc, realm, time } = await prepare()
    const brief = await realm.getServiceTicket('orders', { lifetime: 5 * MINUTE })
    expect(brief.endTime).toBe(time.now() + 5 * MINUTE)
    expect(kdc.asked.map(({ exchange, lifetime }) => [exchange, lifetime])).toEqual([
      ['AS', 0],
      ['TGS', 5 * MINUTE],
    ])
    expect(kdc.log).toEqual(['AS', 'TGS orders'])
    const whole = await realm.getServiceTicket('orders')
    expect(whole.endTime).toBe(time.now() + HOUR)
    expect(await realm.getServiceTicket('orders', { lifetime: 5 * MINUTE })).toBe(brief)
  })

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53])('refuses a lifetime of %s', async lifetime => {
    const { realm } = await prepare()
    expect(await failureOf(realm.getServiceTicket('orders', { lifetime }))).toBeInstanceOf(TypeError)
  })

  it('accepts only names of its realm', async () => {
    const { realm, kdc } = await prepare()
    expect(await failureOf(realm.getServiceTicket('Orders'))).toBeInstanceOf(TypeError)
    expect(await failureOf(realm.getServiceTicket('orders@other.example'))).toEqual(
      rejected('realm_mismatch'),
    )
    expect(kdc.log).toEqual([])
  })
})

describe('denials', () => {
  it('name the next step, affect no other ticket, and end with the pause', async () => {
    const { kdc, time, realm } = await prepare()
    kdc.denied.set(ORDERS, 'policy_denied')
    kdc.denied.set(parsePrincipal('web/2@demo.example'), 'unknown_service')
    const [orders, billing, unknown] = await Promise.allSettled(
      ['orders', 'billing', 'web/2'].map(name => realm.getServiceTicket(name)),
    )
    expect(billing?.status).toBe('fulfilled')
    const denied = rejected('policy_denied', { final: true })
    expect(orders).toEqual({ status: 'rejected', reason: denied })
    const told = (orders as PromiseRejectedResult).reason as OrthrusError
    expect(told.message).toContain('run: orthrus admin allow web orders')
    expect((unknown as PromiseRejectedResult).reason).toMatchObject({ code: 'unknown_service' })
    kdc.denied.clear()
    time.pass(2 * SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    expect(kdc.log.at(-1)).toBe('TGS orders')
  })

  it('report a wrong key without trusting the party that says so', async () => {
    const { realm, kdc } = await prepare()
    kdc.keys.delete(WEB)
    const cause = await failureOf(realm.getServiceTicket('orders'))
    expect(cause).toEqual(rejected('auth_failed', { final: false }))
    expect((cause as OrthrusError).facts).toMatchObject({ claimed: 'auth_failed' })
    expect((cause as OrthrusError).message).toContain('orthrus admin show web')
  })
})

describe('refreshing', () => {
  it('gets new tickets when about a fifth of their life is left, in one request for all that are due', async () => {
    const { kdc, realm, time } = await prepare()
    const [before] = await Promise.all(['orders', 'billing'].map(name => realm.getServiceTicket(name)))
    await time.elapse(0.74 * HOUR)
    expect(kdc.log).toHaveLength(1)
    await time.elapse(0.07 * HOUR)
    expect(kdc.log).toHaveLength(2)
    expect(kdc.asked[1]?.services.toSorted()).toEqual([BILLING, ORDERS])
    const after = await realm.getServiceTicket('orders')
    expect(after).not.toBe(before)
    expect(kdc.log).toHaveLength(2)
    expect(time.timers).toEqual({ all: 1, held: 0 })
  })

  it('spreads refreshes at random', async () => {
    const times = new Set<number>()
    for (const byte of [0, 128, 255]) {
      const { kdc, realm, time } = await prepare(length => new Uint8Array(length).fill(byte))
      await realm.getServiceTicket('orders')
      for (let i = 0; i < 90 && kdc.log.length < 2; i++) await time.elapse(MINUTE)
      times.add(time.monotonic())
    }
    expect(times.size).toBe(3)
  })

  it('uses the old ticket while the KDC is away, and finds it again', async () => {
    const { kdc, realm, time } = await prepare()
    const old = await realm.getServiceTicket('orders')
    kdc.down()
    await time.elapse(0.95 * HOUR)
    expect(await realm.getServiceTicket('orders')).toBe(old)
    expect(kdc.log).toEqual(['AS orders'])
    kdc.up()
    await time.elapse(2 * MINUTE)
    const fresh = await realm.getServiceTicket('orders')
    expect(fresh).not.toBe(old)
    expect(fresh.endTime).toBeGreaterThan(old.endTime)
  })

  it('asks again, and reports that the KDC is away, once the old one has ended', async () => {
    const { kdc, realm, time } = await prepare()
    await realm.getServiceTicket('orders')
    kdc.down()
    await time.elapse(HOUR)
    const failure = failureOf(realm.getServiceTicket('orders'))
    await time.elapse(10 * SECOND)
    expect(await failure).toEqual(rejected('unavailable', { final: false }))
    kdc.up()
    const again = realm.getServiceTicket('orders')
    await time.elapse(10 * SECOND)
    expect(await again).toMatchObject({ service: ORDERS })
  })

  it('keeps the old ticket to its end if the new one is refused, and does not ask for it again', async () => {
    const { kdc, realm, time, log } = await prepare()
    const old = await realm.getServiceTicket('orders')
    kdc.denied.set(ORDERS, 'policy_denied')
    await time.elapse(0.99 * HOUR)
    expect(await realm.getServiceTicket('orders')).toBe(old)
    expect(kdc.log).toEqual(['AS orders', 'TGS orders'])
    expect(log.filter(line => line.level === 'warn')).toHaveLength(1)
    await time.elapse(0.02 * HOUR)
    expect(await failureOf(realm.getServiceTicket('orders'))).toEqual(rejected('policy_denied'))
  })

  it('notices what it slept through when a ticket is next needed', async () => {
    const { kdc, realm, time } = await prepare()
    const old = await realm.getServiceTicket('orders')
    time.pass(0.9 * HOUR)
    expect(await realm.getServiceTicket('orders')).toBe(old)
    await turns()
    expect(kdc.log).toEqual(['AS orders', 'TGS orders'])
    expect(await realm.getServiceTicket('orders')).not.toBe(old)
  })

  it('lets an unused ticket end, and refreshes it when somebody uses it', async () => {
    const { kdc, realm, time } = await prepare()
    const first = await realm.getServiceTicket('orders')
    await time.elapse(0.9 * HOUR)
    expect(kdc.log).toEqual(['AS orders', 'TGS orders'])
    await time.elapse(0.85 * HOUR)
    expect(kdc.log).toHaveLength(2)
    const second = await realm.getServiceTicket('orders')
    expect(second).not.toBe(first)
    await time.elapse(1)
    expect(kdc.log).toHaveLength(3)
    await time.elapse(9 * HOUR)
    expect(kdc.log).toHaveLength(3)
  })

  it('logs in again for the tickets in use when little is left of the TGT', async () => {
    const { kdc, realm, time } = await prepare()
    for (let i = 0; i < 18; i++) {
      await realm.getServiceTicket('orders')
      await time.elapse(HOUR / 2)
    }
    expect(kdc.log.length).toBeGreaterThan(8)
    const logins = kdc.log.filter(line => line.startsWith('AS'))
    expect(logins).toEqual(['AS orders', 'AS orders'])
  })
})

describe('bounds', () => {
  it('keeps a thousand tickets, and drops the least recently used first', async () => {
    const { kdc, realm } = await prepare()
    for (let i = 0; i < 1_010; i += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, j) => realm.getServiceTicket(`s${i + j}`)))
    }
    const before = kdc.log.length
    await realm.getServiceTicket('s1009')
    expect(kdc.log).toHaveLength(before)
    await realm.getServiceTicket('s0')
    expect(kdc.log).toHaveLength(before + 1)
  })
})

async function prepare(random?: (length: number) => Uint8Array) {
  const setting = new Setting()
  const realm = await setting.connect(random === undefined ? {} : { random })
  const { kdc, time, log } = setting
  return { kdc, time, log, realm }
}
