import { describe, expect, it } from 'vitest'
import type { RealmFetchInit } from '../../../client/realm-options.js'
import { toHex } from '../../../shared/bytes.js'
import { TYPE } from '../../../shared/constants.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { decodeApRequest } from '../../../shared/exchange/ap.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { ORDERS } from '../fake-kdc.js'
import type { Arrived } from '../fake-service.js'
import { failureOf, ORDERS_URL, Setting } from '../setting.js'

/** What happens to requests that a service, or somebody in its place, refuses: section 8 over the whole client. */

const URL = `${ORDERS_URL}/orders/7?x=1`
const POST: RealmFetchInit = { method: 'POST', body: 'pay' }

async function prepare() {
  const setting = new Setting()
  return { setting, ...setting, kdc: setting.kdc, time: setting.time, realm: await setting.connect() }
}

const bytesOf = (arrived: readonly Arrived[]) => arrived.map(({ authorization }) => toHex(authorization))
const stampOf = ({ authorization }: Arrived) => decodeApRequest(TYPE.AP_REQ, authorization).time

describe('a service whose clock is ahead', () => {
  it('accepts a GET at the second attempt, and the next one at the first', async () => {
    const { orders, realm, time } = await prepare()
    orders.ahead = 10 * MINUTE
    orders.restart(time.now())
    expect((await realm.fetch(URL)).status).toBe(200)
    expect(orders.arrived).toHaveLength(2)
    expect(orders.arrived.map(stampOf)).toEqual([time.now(), time.now() + 10 * MINUTE])
    expect((await realm.fetch(URL, POST)).status).toBe(200)
    expect(orders.arrived).toHaveLength(3)
  })

  it.each([0, 10 * MINUTE])(
    '(%d ms) and that looks at a request late, as while it compiles, gets a GET that is not stamped ahead of it',
    async ahead => {
      const { orders, realm, time } = await prepare()
      orders.ahead = ahead
      orders.restart(time.now() + ahead - MINUTE)
      orders.intercept = (_, honest) => {
        if (orders.arrived.length === 1) {
          time.pass(14 * SECOND)
          orders.restart(time.now() + ahead)
        }
        return honest()
      }
      expect((await realm.fetch(URL)).status).toBe(200)
      expect(orders.arrived.map(stampOf)).toEqual([time.now() - 14 * SECOND, time.now() + ahead + 1])
    },
  )

  it('gets no new POST: the old bytes cannot be accepted, but a copy of them may have been handled', async () => {
    const { orders, realm, time } = await prepare()
    orders.ahead = 10 * MINUTE
    orders.restart(time.now())
    const cause = await failureOf(realm.fetch(URL, POST))
    expect(cause).toMatchObject({ code: 'clock_skew', final: false })
    expect(orders.arrived).toHaveLength(1)
    expect((await realm.fetch(URL, POST)).status).toBe(200)
    expect(orders.handled).toHaveLength(1)
  })

  it('gets a new POST if the caller calls it repeatable', async () => {
    const { orders, realm, time } = await prepare()
    orders.ahead = 10 * MINUTE
    orders.restart(time.now())
    expect((await realm.fetch(URL, { ...POST, repeatable: true })).status).toBe(200)
    expect(orders.handled.map(({ body }) => new TextDecoder().decode(body))).toEqual(['pay'])
  })
})

describe('a service whose clock is behind', () => {
  it('gets a POST again as the same bytes, once they are no longer early', async () => {
    const { orders, realm, time } = await prepare()
    orders.ahead = -12 * SECOND
    orders.restart(time.now() - HOUR)
    const response = realm.fetch(URL, POST)
    await time.elapse(7 * SECOND - 1)
    expect(orders.arrived).toHaveLength(1)
    await time.elapse(1)
    expect((await response).status).toBe(200)
    const [first, second] = bytesOf(orders.arrived)
    expect(second).toBe(first)
    expect(orders.handled).toHaveLength(1)
    expect((await realm.fetch(URL, POST)).status).toBe(200)
    expect(orders.arrived).toHaveLength(3)
  })

  it('handles a POST once even if the early bytes were delivered in between', async () => {
    const { orders, realm, time } = await prepare()
    orders.ahead = -10 * SECOND
    orders.restart(time.now() - HOUR)
    const failure = failureOf(realm.fetch(URL, POST))
    await time.elapse(5 * SECOND - 1)
    time.pass(1)
    expect((await orders.answer(orders.arrived[0] as Arrived)).status).toBe(200)
    await time.elapse(1)
    expect(await failure).toMatchObject({ code: 'replay', final: false })
    expect(orders.handled).toHaveLength(1)
  })

  it('gets no POST that would have to wait over 10 s, and the next one immediately', async () => {
    const { orders, realm, time } = await prepare()
    orders.ahead = -50 * SECOND
    orders.restart(time.now() - HOUR)
    expect(await failureOf(realm.fetch(URL, POST))).toMatchObject({ code: 'clock_skew', final: false })
    expect(orders.arrived).toHaveLength(1)
    expect((await realm.fetch(URL, POST)).status).toBe(200)
  })

  it('gets a new GET without waiting', async () => {
    const { orders, realm, time } = await prepare()
    orders.ahead = -50 * SECOND
    orders.restart(time.now() - HOUR)
    expect((await realm.fetch(URL)).status).toBe(200)
    expect(orders.arrived.map(stampOf)).toEqual([time.now(), time.now() - 50 * SECOND])
    expect(time.timers.held).toBe(0)
  })

  it('ends the wait of a request that its caller gives up', async () => {
    const { orders, realm, time } = await prepare()
    orders.ahead = -12 * SECOND
    orders.restart(time.now() - HOUR)
    const controller = new AbortController()
    const failure = failureOf(realm.fetch(URL, { ...POST, signal: controller.signal }))
    await time.elapse(SECOND)
    controller.abort(new Error('enough'))
    expect(await failure).toEqual(new Error('enough'))
    expect(time.timers.held).toBe(0)
    expect(orders.arrived).toHaveLength(1)
  })
})

describe('a service that has just started', () => {
  it('gets a GET stamped above its floor a second later', async () => {
    const { orders, realm, time } = await prepare()
    orders.restart()
    const start = time.now()
    const response = realm.fetch(URL)
    await time.elapse(1_000)
    expect(orders.arrived).toHaveLength(1)
    await time.elapse(1)
    expect((await response).status).toBe(200)
    expect(orders.arrived.map(stampOf)).toEqual([start, start + 6_001])
  })

  it('refuses a POST, but not finally, and accepts the next one after a second', async () => {
    const { orders, realm, time } = await prepare()
    orders.restart()
    expect(await failureOf(realm.fetch(URL, POST))).toMatchObject({ code: 'clock_skew', final: false })
    const response = realm.fetch(URL, POST)
    await time.elapse(1_000)
    expect(orders.arrived).toHaveLength(1)
    await time.elapse(1)
    expect((await response).status).toBe(200)
    expect(orders.handled).toHaveLength(1)
  })

  it.each([2 ** 53 - 1, 1_800_000_000_000 + 601_000])('with a floor of %d is not followed', async floor => {
    const { orders, realm, time } = await prepare()
    orders.intercept = arrived => orders.refuse(arrived, 'clock_skew', { time: time.now(), floor })
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'clock_skew', final: false })
    expect(orders.arrived).toHaveLength(1)
    orders.intercept = (_, honest) => honest()
    expect((await realm.fetch(URL, POST)).status).toBe(200)
    expect(stampOf(orders.arrived[1] as Arrived)).toBe(time.now())
  })

  it('with any time whatever gets stamps that can be encoded', async () => {
    const { orders, realm, time } = await prepare()
    orders.intercept = arrived =>
      orders.refuse(arrived, 'clock_skew', { time: 2 ** 53 - 1, floor: 2 ** 53 - 2 })
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'clock_skew' })
    time.pass(SECOND)
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'clock_skew' })
    expect(Math.max(...orders.arrived.map(stampOf))).toBe(2 ** 53 - 1)
  })
})

describe('a request that a gateway sent twice', () => {
  const twice = (_: Arrived, honest: () => Promise<Response>) => honest().then(honest)

  it('is stamped again, once, if it is safe', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = (arrived, honest) => (orders.arrived.length === 1 ? twice(arrived, honest) : honest())
    expect((await realm.fetch(URL)).status).toBe(200)
    const [first, second] = bytesOf(orders.arrived)
    expect(second).not.toBe(first)
    orders.intercept = twice
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'replay', final: false })
    expect(orders.arrived).toHaveLength(4)
  })

  it('is reported to its caller if it is not safe, since it may have been handled', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = twice
    expect(await failureOf(realm.fetch(URL, POST))).toMatchObject({ code: 'replay', final: false })
    expect([orders.arrived.length, orders.handled.length]).toEqual([1, 1])
  })
})

describe('a ticket just before its end', () => {
  const at = async (left: number) => {
    const prepared = await prepare()
    const { endTime } = await prepared.realm.getServiceTicket('orders')
    prepared.time.pass(endTime - left - prepared.time.now())
    return prepared
  }

  it.each([5 * SECOND, 1])('is refreshed before a POST is sent with %d ms left', async left => {
    const { orders, realm, kdc } = await at(left)
    orders.ahead = 4 * SECOND
    orders.restart(orders.time.now() - HOUR)
    expect((await realm.fetch(URL, POST)).status).toBe(200)
    expect(orders.arrived).toHaveLength(1)
    expect(kdc.log).toHaveLength(2)
  })

  it('serves while the KDC is away', async () => {
    const { orders, realm, kdc, time } = await at(4 * SECOND)
    kdc.down()
    const response = realm.fetch(URL, POST)
    await time.elapse(3 * SECOND)
    expect((await response).status).toBe(200)
    expect(orders.handled).toHaveLength(1)
  })
})

describe('a ticket that is no longer of use', () => {
  it.each(['ticket_expired', 'revoked'] as const)('06 %s: a fresh one, and a GET again', async code => {
    const { orders, realm, kdc } = await prepare()
    const before = await realm.getServiceTicket('orders')
    orders.intercept = (arrived, honest) =>
      orders.arrived.length === 1 ? orders.refuse(arrived, code) : honest()
    expect((await realm.fetch(URL)).status).toBe(200)
    expect(kdc.log).toEqual(['AS orders', 'TGS orders'])
    expect(await realm.getServiceTicket('orders')).not.toBe(before)
  })

  it.each(['ticket_expired', 'revoked'] as const)(
    '06 %s: a fresh one, and a POST again, for it was refused for good; once',
    async code => {
      const { orders, realm, kdc } = await prepare()
      orders.intercept = (arrived, honest) =>
        orders.arrived.length === 1 ? orders.refuse(arrived, code) : honest()
      expect((await realm.fetch(URL, POST)).status).toBe(200)
      expect(kdc.log).toEqual(['AS orders', 'TGS orders'])
      expect(orders.handled).toHaveLength(1)
      orders.intercept = arrived => orders.refuse(arrived, code)
      expect(await failureOf(realm.fetch(URL, POST))).toMatchObject({ code, final: true })
      expect(orders.arrived).toHaveLength(4)
    },
  )

  it('makes no refusal final if a copy was handled before the ticket ended', async () => {
    const { orders, realm, time } = await prepare()
    const { endTime } = await realm.getServiceTicket('orders')
    orders.intercept = async (_, honest) => {
      await honest()
      time.pass(endTime + 5 * SECOND - time.now())
      return honest()
    }
    expect(await failureOf(realm.fetch(URL, POST))).toMatchObject({ code: 'ticket_expired', final: false })
    expect(orders.handled).toHaveLength(1)
  })

  it('is not presented again if there is no other', async () => {
    const { orders, realm, kdc, time } = await prepare()
    await realm.getServiceTicket('orders')
    kdc.down()
    orders.intercept = arrived => orders.refuse(arrived, 'revoked')
    const failure = failureOf(realm.fetch(URL))
    await time.elapse(10 * SECOND)
    expect(await failure).toMatchObject({ code: 'unavailable' })
    expect(orders.arrived).toHaveLength(1)
  })

  it('is replaced once, however many requests were refused for it', async () => {
    const { orders, realm, kdc } = await prepare()
    orders.intercept = (arrived, honest) =>
      orders.arrived.length <= 20 ? orders.refuse(arrived, 'revoked') : honest()
    const responses = await Promise.all(Array.from({ length: 20 }, () => realm.fetch(URL)))
    expect(responses.every(response => response.status === 200)).toBe(true)
    expect(kdc.log).toEqual(['AS orders', 'TGS orders'])
  })
})

describe('a refusal of a ticket that was replaced meanwhile', () => {
  it.each(['revoked', 'ticket_invalid'] as const)('%s asks for no other', async code => {
    const { orders, realm, kdc } = await prepare()
    let release: () => void = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    orders.intercept = async (arrived, honest) => {
      const nth = orders.arrived.length
      if (nth > 2) return honest()
      if (nth === 2) await held
      return code === 'revoked' ? orders.refuse(arrived, code) : orders.forge(code)
    }
    const both = [realm.fetch(URL), realm.fetch(URL)]
    await turns()
    expect(kdc.log).toEqual(['AS orders', 'TGS orders'])
    release()
    expect((await Promise.all(both)).map(response => response.status)).toEqual([200, 200])
    expect(kdc.log).toHaveLength(2)
  })
})

describe('a forged ticket_invalid', () => {
  it('in place of an answer has a GET sent again, and no POST handled twice', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = async (_, honest) => {
      const response = await honest()
      return orders.arrived.length === 1 ? orders.forge('ticket_invalid') : response
    }
    const cause = (await failureOf(realm.fetch(URL, POST))) as OrthrusError
    expect(cause).toMatchObject({
      code: 'refused_unproved',
      final: false,
      facts: { claimed: 'ticket_invalid' },
    })
    expect(cause.facts.hint).toContain('may have been handled')
    expect(orders.handled).toHaveLength(1)
    orders.arrived.length = 0
    expect((await realm.fetch(URL)).status).toBe(200)
    expect(orders.arrived).toHaveLength(2)
  })

  it('replaces the ticket at most once a minute, however many are forged', async () => {
    const { orders, realm, kdc, time } = await prepare()
    orders.intercept = () => orders.forge('ticket_invalid')
    for (let i = 0; i < 10; i++) await failureOf(realm.fetch(URL))
    await Promise.all(Array.from({ length: 10 }, () => failureOf(realm.fetch(URL, POST))))
    expect(kdc.log).toEqual(['AS orders', 'TGS orders'])
    await time.elapse(MINUTE - 1)
    await failureOf(realm.fetch(URL))
    expect(kdc.log).toHaveLength(2)
    await time.elapse(1)
    await failureOf(realm.fetch(URL))
    expect(kdc.log).toHaveLength(3)
  })

  it('drops no ticket while the KDC is away', async () => {
    const { orders, realm, kdc, time } = await prepare()
    const ticket = await realm.getServiceTicket('orders')
    kdc.down()
    orders.intercept = () => orders.forge('ticket_invalid')
    const failure = failureOf(realm.fetch(URL))
    await time.elapse(10 * SECOND)
    expect(await failure).toMatchObject({ code: 'refused_unproved' })
    orders.intercept = (_, honest) => honest()
    expect(await realm.getServiceTicket('orders')).toBe(ticket)
    expect((await realm.fetch(URL)).status).toBe(200)
  })

  it('that turns out to be true brings a ticket that the service can open', async () => {
    const { orders, realm, setting } = await prepare()
    await realm.getServiceTicket('orders')
    // The service got another key after the ticket was made.
    setting.kdc.keys.delete(ORDERS)
    Object.assign(orders, { key: setting.kdc.keyOf(ORDERS) })
    expect((await realm.fetch(URL)).status).toBe(200)
    expect(orders.arrived).toHaveLength(2)
  })
})

describe('finality', () => {
  it.each([
    ['rate_limited', false],
    ['unavailable', false],
    ['caveat_failed', true],
    ['not_authorized', true],
    ['binding_mismatch', true],
    ['ticket_not_yet_valid', true],
  ] as const)('06 %s: final %s, with a next step', async (code, final) => {
    const { orders, realm } = await prepare()
    orders.intercept = arrived => orders.refuse(arrived, code, { message: 'caveat methods' })
    for (const init of [{}, POST]) {
      const cause = (await failureOf(realm.fetch(URL, init))) as OrthrusError
      expect(cause).toMatchObject({ code, final, facts: { service: ORDERS, caveat: 'methods' } })
      expect(cause.facts.hint).toBeTruthy()
    }
    expect(orders.arrived).toHaveLength(2)
  })

  it('is lost if other bytes of the same request may have been handled', async () => {
    const { orders, realm } = await prepare()
    orders.intercept = arrived =>
      orders.arrived.length === 1 ? orders.forge('ticket_invalid') : orders.refuse(arrived, 'not_authorized')
    expect(await failureOf(realm.fetch(URL))).toMatchObject({ code: 'not_authorized', final: false })
  })

  it('stays if the request was refused for good and the KDC then gives no other ticket', async () => {
    const { orders, realm, kdc } = await prepare()
    await realm.getServiceTicket('orders')
    kdc.denied.set(ORDERS, 'policy_denied')
    orders.intercept = arrived => orders.refuse(arrived, 'revoked')
    expect(await failureOf(realm.fetch(URL, POST))).toMatchObject({ code: 'policy_denied', final: true })
  })

  it.each(['auth_failed', 'clock_skew', 'unavailable', 'ticket_expired', 'revoked'] as const)(
    '05 %s proves nothing and has nothing sent again',
    async code => {
      const { orders, realm, kdc } = await prepare()
      orders.intercept = () => orders.forge(code)
      for (const init of [{}, POST]) {
        const cause = await failureOf(realm.fetch(URL, init))
        expect(cause).toMatchObject({ code: 'refused_unproved', final: false, facts: { claimed: code } })
        expect(String(cause)).not.toContain('forged\n')
      }
      expect(orders.arrived).toHaveLength(2)
      expect(kdc.log).toEqual(['AS orders'])
    },
  )
})
