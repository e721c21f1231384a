import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { openKdcChannel } from '../../client/channel/kdc-channel.js'
import { LongTermKey, revealKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import { SECOND } from '../../shared/time.js'
import { turns } from '../support/turns.js'
import { ORDERS, WEB } from './fake-kdc.js'
import { failureOf, ORDERS_URL, Setting } from './setting.js'

const closed = expect.objectContaining({ code: 'unavailable', reason: 'the realm was closed', final: false })

/** Acts when that many microtasks have run. */
async function afterTicks(ticks: number, act: () => void): Promise<void> {
  for (let i = 0; i < ticks; i++) await Promise.resolve()
  act()
}

describe('close', () => {
  it('leaves no timer and no socket, and rejects what waits at any stage', async () => {
    const setting = new Setting()
    const { kdc, time, orders } = setting
    const realm = await setting.connect()
    await realm.getServiceTicket('orders')
    const channel = await openKdcChannel(realm)
    orders.intercept = ({ init }) =>
      new Promise((_, reject) => {
        init.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      })
    const request = failureOf(realm.fetch(ORDERS_URL))
    await turns()
    orders.ahead = -9 * SECOND
    orders.intercept = arrived => orders.refuse(arrived, 'clock_skew', { floor: 0 })
    const early = failureOf(realm.fetch(ORDERS_URL, { method: 'POST' }))
    await turns()
    kdc.intercept = () => undefined
    const ticket = failureOf(realm.getServiceTicket('billing'))
    await turns()
    expect(time.timers.held).toBeGreaterThan(0)
    realm.close()
    for (const cause of await Promise.all([request, early, ticket])) expect(cause).toEqual(closed)
    expect(await failureOf(channel.call('list', []))).toEqual(closed)
    await turns()
    expect(time.timers.all).toBe(0)
    expect(kdc.sockets.size).toBe(0)
  })

  it('ends a pause before the next attempt to connect', async () => {
    const setting = new Setting()
    const { kdc, time } = setting
    const realm = await setting.connect()
    kdc.down()
    await failureOf(realm.getServiceTicket('orders'))
    const pausing = failureOf(realm.getServiceTicket('orders'))
    await turns()
    const tried = kdc.tried.length
    realm.close()
    expect(await pausing).toEqual(closed)
    expect(kdc.tried).toHaveLength(tried)
    expect(time.timers.all).toBe(0)
  })

  it('ends an attempt to connect', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    setting.kdc.down()
    await turns()
    setting.kdc.openSocket = (_, events) => ({ send: () => {}, close: () => events.closed('closed') })
    const connecting = failureOf(realm.getServiceTicket('orders'))
    await turns()
    realm.close()
    expect(await connecting).toEqual(closed)
    expect(setting.time.timers.all).toBe(0)
  })

  it('ends a connection that was given up, and what still waits on it', async () => {
    const setting = new Setting()
    const { kdc, time } = setting
    const realm = await setting.connect()
    await realm.getServiceTicket('orders')
    kdc.intercept = () => undefined
    const late = failureOf(realm.getServiceTicket('s1'))
    await time.elapse(1.5 * SECOND)
    const beside = failureOf(realm.getServiceTicket('s2'))
    await time.elapse(0.5 * SECOND)
    expect(kdc.sockets.size).toBe(2)
    realm.close()
    await turns()
    expect(time.timers.all).toBe(0)
    expect(kdc.sockets.size).toBe(0)
    for (const cause of await Promise.all([late, beside])) expect(cause).toEqual(closed)
  })

  it.each([0, 1, 2, 3, 4])('ends a connection whose opening is %d ticks old', async ticks => {
    const setting = new Setting()
    const { kdc, time } = setting
    const realm = await setting.connect()
    kdc.down()
    kdc.up()
    kdc.intercept = () => undefined
    const { openSocket } = kdc
    kdc.openSocket = (options, events) => {
      const opened = (): void => {
        events.opened()
        void afterTicks(ticks, () => realm.close())
      }
      return openSocket(options, { ...events, opened })
    }
    expect(await failureOf(realm.getServiceTicket('orders'))).toEqual(closed)
    await turns()
    // At first nothing has been sent over the connection, and then the question has.
    expect(kdc.asked).toHaveLength(ticks === 0 ? 0 : 1)
    expect(time.timers.all).toBe(0)
    expect(kdc.sockets.size).toBe(0)
  })

  it.each([0, 1, 2, 3, 4, 5, 6])('ends a connection whose first answer is %d ticks old', async ticks => {
    const setting = new Setting()
    const { kdc, time } = setting
    const realm = await setting.connect()
    kdc.down()
    kdc.up()
    kdc.intercept = (_, honest) => {
      void afterTicks(ticks, () => realm.close())
      return honest()
    }
    const outcome = await realm.getServiceTicket('orders').catch((cause: unknown) => cause)
    // Whoever has the answer already may have the ticket. A half of either is neither.
    expect([closed, expect.objectContaining({ service: ORDERS })]).toContainEqual(outcome)
    await turns()
    expect(time.timers.all).toBe(0)
    expect(kdc.sockets.size).toBe(0)
    expect(await failureOf(realm.getServiceTicket('orders'))).toEqual(closed)
  })

  it('is final, and does nothing the second time', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    realm.close()
    realm.close()
    expect(await failureOf(realm.getServiceTicket('orders'))).toEqual(closed)
    expect(await failureOf(realm.fetch(ORDERS_URL))).toEqual(closed)
    expect(await failureOf(openKdcChannel(realm))).toEqual(closed)
    expect(setting.kdc.log).toEqual([])
  })

  it('is not needed to end a process that only keeps tickets fresh', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    await realm.fetch(ORDERS_URL)
    expect(setting.time.timers).toEqual({ all: 1, held: 0 })
  })
})

describe('secrets', () => {
  it('show nowhere: not when inspected, in JSON, in errors or in the log', async () => {
    const setting = new Setting()
    const { kdc, orders } = setting
    const canaries: Uint8Array[] = []
    const drawn = (length: number) => {
      const bytes = systemRandom(length)
      if (length === 32) canaries.push(bytes.slice())
      return bytes
    }
    kdc.keys.set(WEB, new LongTermKey(drawn(32)))
    const { grant } = kdc
    kdc.grant = (...args) => {
      const granted = grant.apply(kdc, args)
      canaries.push(revealKey(granted.key).slice())
      return granted
    }
    const realm = await setting.connect({ random: drawn })
    const ticket = await realm.getServiceTicket('orders')
    const channel = await openKdcChannel(realm)
    const causes: unknown[] = []
    orders.intercept = () => orders.forge('ticket_invalid')
    causes.push(await failureOf(realm.fetch(ORDERS_URL)))
    orders.intercept = arrived => orders.refuse(arrived, 'not_authorized')
    causes.push(await failureOf(realm.fetch(ORDERS_URL)))
    orders.intercept = () => new Response('x')
    causes.push(await failureOf(realm.fetch(ORDERS_URL)))
    kdc.intercept = ({ bytes }) => bytes
    causes.push(await failureOf(realm.getServiceTicket('billing')))
    kdc.down()
    causes.push(await failureOf(realm.getServiceTicket('billing')))
    const shown = [realm, ticket, channel, setting.log, ...causes].flatMap(value => [
      inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }),
      JSON.stringify(value),
      String(value),
    ])
    expect(causes.every(cause => cause instanceof OrthrusError)).toBe(true)
    expect(canaries.length).toBeGreaterThan(3)
    for (const bytes of canaries) {
      for (const form of ['hex', 'base64', 'base64url'] as const) {
        const canary = Buffer.from(bytes).toString(form).replace(/=+$/, '')
        for (const text of shown) expect(text?.includes(canary) ?? false).toBe(false)
      }
      const listed = [...bytes].slice(0, 8).join(', ')
      for (const text of shown) expect(text?.includes(listed) ?? false).toBe(false)
    }
  })

  it('of a ticket cannot be reached through its properties', async () => {
    const realm = await new Setting().connect()
    const ticket = await realm.getServiceTicket('orders')
    expect(Object.keys(ticket).toSorted()).toEqual([
      'authTime',
      'caveats',
      'claims',
      'client',
      'delegable',
      'endTime',
      'lifetime',
      'passwordBased',
      'service',
      'startTime',
      'ticketId',
    ])
    expect(Object.isFrozen(ticket)).toBe(true)
    expect(Object.isFrozen(ticket.claims)).toBe(true)
  })

  it('are safe beside claims with names of any kind', async () => {
    const setting = new Setting()
    setting.kdc.claims = [
      ['__proto__', 'a'],
      ['constructor', ['b', 'c']],
      ['role', true],
    ]
    const { claims } = await (await setting.connect()).getServiceTicket('orders')
    expect(Object.entries(claims)).toEqual(setting.kdc.claims)
    expect(claims.toString).toBeUndefined()
  })
})
