import { describe, expect, it } from 'vitest'
import { RefusalMemory } from '../../../client/kdc-link/refusal-memory.js'
import { createError } from '../../../shared/encoding/error.js'
import { formatRetryAfter } from '../../../shared/encoding/retry-after.js'
import { OrthrusError } from '../../../shared/errors.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { BILLING, ORDERS, WEB } from '../fake-kdc.js'
import { failureOf, Setting } from '../setting.js'

const refusal = (facts: object = {}): OrthrusError =>
  new OrthrusError('rate_limited', 'refused', { time: 1, ...facts })

function memoryWith(fraction: number) {
  const time = new TestClock()
  return { time, memory: new RefusalMemory({ clock: time, fraction: () => fraction, max: 3 }) }
}

describe('the pause after a refusal', () => {
  it.each([
    [0, [1, 2, 4, 8, 16, 30, 30, 30]],
    [1, [2, 4, 8, 16, 32, 60, 60, 60]],
  ])('grows from a second to a minute, with jitter: %f', (fraction, seconds) => {
    const { time, memory } = memoryWith(fraction)
    for (const expected of seconds) {
      const pause = memory.keep('a', refusal())
      expect(pause).toBe(expected * SECOND)
      time.pass(pause - 1)
      expect(memory.recall('a')).toBeDefined()
      time.pass(1)
      expect(memory.recall('a')).toBeUndefined()
    }
    memory.forget('a')
    expect(memory.keep('a', refusal())).toBe((seconds[0] as number) * SECOND)
  })

  it('is at least what the KDC asks for, and never more than a minute and a quarter', () => {
    for (const [fraction, retryAfter, pause] of [
      [0, 20 * SECOND, 20 * SECOND],
      [1, 20 * SECOND, 25 * SECOND],
      [0, SECOND, SECOND],
      [0, DAY, MINUTE],
      [1, DAY, 75 * SECOND],
    ] as const) {
      expect(memoryWith(fraction).memory.keep('a', refusal({ retryAfter }))).toBe(pause)
    }
  })

  it('is shared by equal questions asked at the same time, and separate for each question', () => {
    const { memory } = memoryWith(1)
    expect(memory.keep('a', refusal())).toBe(2 * SECOND)
    expect(memory.keep('a', refusal())).toBe(2 * SECOND)
    expect(memory.recall('b')).toBeUndefined()
  })

  it('is remembered for a bounded number of questions', () => {
    const { memory } = memoryWith(1)
    for (const question of ['a', 'b', 'c', 'd']) memory.keep(question, refusal())
    expect(['a', 'b', 'c', 'd'].map(question => memory.recall(question) !== undefined)).toEqual([
      false,
      true,
      true,
      true,
    ])
  })
})

describe('a failure that passes by itself', () => {
  it.each(['unavailable', 'clock_skew', 'too_large', 'malformed'] as const)(
    '%s is not remembered, whoever says it',
    async code => {
      const { memory } = memoryWith(1)
      let asked = 0
      const ask = async () => {
        asked++
        throw new OrthrusError(code, 'refused', { time: 1, claimed: code })
      }
      for (let i = 0; i < 3; i++) await failureOf(memory.guard('a', ask))
      expect(asked).toBe(3)
    },
  )
})

/** Asks as often as it can for that long, and counts what reaches the KDC. */
async function hammer(setting: Setting, ask: () => Promise<unknown>, time: number): Promise<unknown[]> {
  const failures: unknown[] = []
  for (let passed = 0; passed < time; passed += 100) {
    failures.push(await failureOf(ask()))
    setting.time.pass(100)
  }
  return failures
}

describe('a client that tries for ever', () => {
  it('asks less and less often if its key is refused, and returns the refusal immediately', async () => {
    const setting = new Setting()
    const realm = await setting.connect({ random: size => new Uint8Array(size).fill(255) })
    setting.kdc.keys.delete(WEB)
    const failures = await hammer(setting, () => realm.getServiceTicket('orders'), 10 * MINUTE)
    expect(failures).toHaveLength(6_000)
    for (const failure of failures) {
      expect(failure).toMatchObject({ code: 'auth_failed', final: false, facts: { claimed: 'auth_failed' } })
      expect((failure as OrthrusError).message).toContain('orthrus admin show web')
    }
    // At 0, 2, 6, 14, 30, 62 s, and then each minute.
    expect(setting.kdc.log.length).toBeLessThanOrEqual(15)
    expect(setting.kdc.log.length).toBeGreaterThanOrEqual(13)
    const warned = setting.log.filter(({ message }) => message.startsWith('the login was refused'))
    expect(warned).toHaveLength(setting.kdc.log.length)
    expect(warned[0]).toMatchObject({ level: 'warn', fields: { client: WEB, code: 'auth_failed' } })
  })

  it('is served within a minute after its key was put right, and immediately from then on', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    const key = setting.kdc.keyOf(WEB)
    setting.kdc.keys.delete(WEB)
    await hammer(setting, () => realm.getServiceTicket('orders'), 10 * MINUTE)
    setting.kdc.keys.set(WEB, key)
    setting.time.pass(MINUTE)
    await realm.getServiceTicket('orders')
    // A success has reset the pause.
    setting.kdc.denied.set(BILLING, 'policy_denied')
    await failureOf(realm.getServiceTicket('billing'))
    setting.kdc.denied.clear()
    setting.time.pass(2 * SECOND)
    await realm.getServiceTicket('billing')
  })

  it('treats denied and granted services separately', async () => {
    const setting = new Setting()
    setting.kdc.denied.set(ORDERS, 'policy_denied')
    const realm = await setting.connect()
    const failures = await hammer(setting, () => realm.getServiceTicket('orders'), MINUTE)
    for (const failure of failures) {
      expect(failure).toMatchObject({ code: 'policy_denied', final: true, facts: { service: ORDERS } })
      expect((failure as OrthrusError).message).toContain('orthrus admin allow web orders')
    }
    expect(setting.kdc.log.length).toBeLessThanOrEqual(8)
    await realm.getServiceTicket('billing')
    // Another lifetime is another question.
    expect(await failureOf(realm.getServiceTicket('orders', { lifetime: 1_000 }))).toMatchObject({
      code: 'policy_denied',
    })
    expect(setting.kdc.log.slice(-2)).toEqual(['TGS billing', 'TGS orders'])
  })

  it('asks again for each of many that were too large together', async () => {
    const setting = new Setting()
    setting.kdc.denied.set(ORDERS, 'too_large')
    const realm = await setting.connect()
    await Promise.allSettled([realm.getServiceTicket('billing'), realm.getServiceTicket('orders')])
    setting.kdc.denied.clear()
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
  })

  it('waits as long as a KDC that limits it says, with all questions under its TGT', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    await realm.getServiceTicket('orders')
    const message = formatRetryAfter(40 * SECOND)
    setting.kdc.intercept = () => createError({ code: 'rate_limited', time: 1, floor: null, message })
    const asked = setting.kdc.asked.length
    const failures = await hammer(setting, () => realm.getServiceTicket('billing'), 39 * SECOND)
    expect(failures[0]).toMatchObject({ code: 'rate_limited', final: false, facts: { retryAfter: 40_000 } })
    expect((failures[0] as OrthrusError).message).toContain('try again in 40 s')
    expect(await failureOf(realm.getServiceTicket('web/2'))).toMatchObject({ code: 'rate_limited' })
    expect(setting.kdc.asked).toHaveLength(asked + 1)
    // Cached tickets can be used meanwhile.
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    setting.kdc.intercept = (_, honest) => honest()
    setting.time.pass(11 * SECOND)
    expect(await realm.getServiceTicket('billing')).toMatchObject({ service: BILLING })
  })

  it('with a password asks neither for its parameters nor for a login', async () => {
    const setting = new Setting()
    const alice = { principal: 'alice@demo.example', password: 'wrong horse' }
    const realm = await setting.connect(alice)
    await hammer(setting, () => realm.getServiceTicket('orders'), 3 * SECOND)
    expect(setting.kdc.log.length).toBeLessThanOrEqual(6)
    // A client that connects with another password asks another question.
    const before = setting.kdc.log.length
    await failureOf((await setting.connect({ ...alice, password: 'right' })).getServiceTicket('orders'))
    expect(setting.kdc.log.length).toBe(before + 2)
  }, 60_000)

  it('logs in again if only its TGT was refused', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    await realm.getServiceTicket('orders')
    setting.kdc.intercept = ({ exchange }, honest) =>
      exchange === 'TGS' ? setting.kdc.error('ticket_invalid') : honest()
    expect(await realm.getServiceTicket('billing', { lifetime: HOUR }).catch(cause => cause)).toBeInstanceOf(
      OrthrusError,
    )
    setting.kdc.intercept = (_, honest) => honest()
    expect(await realm.getServiceTicket('billing')).toMatchObject({ service: BILLING })
  })
})
