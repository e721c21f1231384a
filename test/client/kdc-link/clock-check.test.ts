import { describe, expect, it } from 'vitest'
import type { Realm } from '../../../client/realm.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { Machine } from '../machine.js'
import { failureOf, ORDERS_URL, Setting } from '../setting.js'

/** A client on a machine of its own, with a cached ticket. */
async function scene() {
  const setting = new Setting()
  const machine = new Machine(setting.time)
  const realm = await setting.connect({ clock: machine, timers: machine })
  expect(await post(realm)).toBe(200)
  setting.kdc.asked.length = 0
  setting.log.length = 0
  return { setting, machine, realm }
}

async function post(realm: Realm): Promise<number> {
  const response = await realm.fetch(`${ORDERS_URL}/orders`, { method: 'POST', body: 'one' })
  return response.status
}

/** What the owner reads. */
const told = ({ log }: Setting): string[] =>
  log.filter(({ level }) => level !== 'debug').map(({ level, message }) => `${level}: ${message}`)

const SLEPT = 'info: this machine slept, or was stopped; the KDC was asked the time'
const SET = "warn: this machine's clock was set; the KDC was asked the time"

describe('a machine that slept', () => {
  it.each([
    [2 * SECOND, ['TGS']],
    [2 * MINUTE, ['TGS']],
    // Over the KDC's 120 s.
    [3 * MINUTE, ['TGS']],
    // The service ticket has ended.
    [3 * HOUR, ['TGS', 'TGS orders']],
    // The TGT too.
    [11 * HOUR, ['AS', 'TGS orders']],
    [100 * HOUR, ['AS', 'TGS orders']],
  ])('for %i ms asks the KDC for the time first, and has its first POST accepted', async (slept, asked) => {
    const { setting, machine, realm } = await scene()
    machine.sleep(slept)
    expect(await post(realm)).toBe(200)
    expect(setting.orders.arrived).toHaveLength(2)
    expect(setting.kdc.log).toEqual(asked)
    expect(told(setting)).toEqual([SLEPT])
    expect(await post(realm)).toBe(200)
    expect(setting.kdc.log).toEqual(asked)
  })

  it('for less than the second that clocks may differ asks nothing', async () => {
    const { setting, machine, realm } = await scene()
    machine.sleep(SECOND)
    expect(await post(realm)).toBe(200)
    expect(setting.kdc.log).toEqual([])
    machine.sleep(1)
    expect(await post(realm)).toBe(200)
    expect(setting.kdc.log).toEqual(['TGS'])
  })

  it('asks once for many requests at the same time', async () => {
    const { setting, machine, realm } = await scene()
    machine.sleep(3 * HOUR)
    expect(await Promise.all(Array.from({ length: 20 }, () => post(realm)))).toEqual(Array(20).fill(200))
    expect(setting.kdc.log).toEqual(['TGS', 'TGS orders'])
  })

  it('renews every ticket that fell due meanwhile, though no timer fired', async () => {
    const { setting, machine, realm } = await scene()
    machine.sleep(50 * MINUTE)
    const before = setting.orders.arrived.length
    expect(await post(realm)).toBe(200)
    await turns()
    expect(setting.kdc.log).toEqual(['TGS', 'TGS orders'])
    expect(setting.orders.arrived).toHaveLength(before + 1)
    expect((await realm.getServiceTicket('orders')).startTime).toBe(setting.kdc.now())
  })

  it('keeps the clock that it knows of a service', async () => {
    const setting = new Setting()
    const machine = new Machine(setting.time)
    setting.orders.ahead = 90 * SECOND
    setting.orders.restart(setting.time.now() + 30 * SECOND)
    const realm = await setting.connect({ clock: machine, timers: machine })
    await realm.fetch(`${ORDERS_URL}/orders`)
    const before = setting.orders.arrived.length
    machine.sleep(10 * MINUTE)
    expect(await post(realm)).toBe(200)
    expect(setting.orders.arrived).toHaveLength(before + 1)
  })

  it('while an answer was on its way takes no time from that answer', async () => {
    const { setting, machine, realm } = await scene()
    setting.kdc.intercept = (_, honest) => {
      const answer = honest()
      setting.kdc.intercept = (_, honest) => honest()
      machine.sleep(10 * MINUTE)
      return answer
    }
    await realm.getServiceTicket('billing')
    expect(await post(realm)).toBe(200)
    expect(setting.kdc.log).toEqual(['TGS billing', 'TGS'])
    expect(setting.orders.arrived).toHaveLength(2)
  })
})

describe('a clock that was set', () => {
  it.each([HOUR, -HOUR, 2 * SECOND, -2 * SECOND, 365 * 24 * HOUR, -30 * 365 * 24 * HOUR])(
    'by %i ms is reported to the owner, and changes nothing',
    async step => {
      const { setting, machine, realm } = await scene()
      machine.set(step)
      expect(await post(realm)).toBe(200)
      expect(setting.orders.arrived).toHaveLength(2)
      expect(told(setting)).toEqual([SET])
      const { log } = setting.kdc
      expect(await post(realm)).toBe(200)
      expect(setting.kdc.log).toEqual(log)
    },
  )

  it('stamps an imported ticket by the true time too', async () => {
    const { setting, machine, realm } = await scene()
    const ticket = (await realm.getServiceTicket('orders')).attenuate({ methods: ['POST'] })
    machine.set(HOUR)
    const response = await realm.fetch(`${ORDERS_URL}/orders`, { method: 'POST', ticket })
    expect(response.status).toBe(200)
    expect(setting.orders.arrived).toHaveLength(2)
  })

  it('is corrected if the machine then slept too', async () => {
    const { setting, machine, realm } = await scene()
    machine.set(-20 * MINUTE)
    machine.sleep(30 * MINUTE)
    expect(await post(realm)).toBe(200)
    expect(setting.orders.arrived).toHaveLength(2)
  })
})

describe('clocks that moved apart while the KDC is away', () => {
  it('are estimated, so that cached tickets serve and nobody waits for the KDC again', async () => {
    const { setting, machine, realm } = await scene()
    setting.kdc.down()
    machine.sleep(10 * MINUTE)
    expect(await post(realm)).toBe(200)
    expect(told(setting)).toEqual(['warn: the clocks have parted, and the KDC cannot be asked the time'])
    const tried = setting.kdc.tried.length
    for (let i = 0; i < 20; i++) expect(await post(realm)).toBe(200)
    expect(setting.kdc.tried).toHaveLength(tried)
    // It can be reached again but answers nothing, and still nobody waits.
    setting.kdc.up()
    setting.kdc.intercept = () => undefined
    await setting.time.elapse(5 * SECOND)
    expect(await post(realm)).toBe(200)
    setting.kdc.intercept = (_, honest) => honest()
    await setting.time.elapse(20 * SECOND)
    expect(await post(realm)).toBe(200)
    await turns()
    expect(setting.kdc.log.length).toBeGreaterThan(0)
    expect(told(setting).at(-1)).toBe(SLEPT)
  })

  it('do not end a ticket that has ended only by an estimate', async () => {
    const { setting, machine, realm } = await scene()
    setting.kdc.down()
    machine.set(3 * HOUR)
    const failure = failureOf(post(realm))
    // Its refresh falls due meanwhile.
    await setting.time.elapse(55 * MINUTE)
    expect(await failure).toMatchObject({ code: 'unavailable' })
    machine.set(-3 * HOUR)
    expect(await post(realm)).toBe(200)
  })
})
