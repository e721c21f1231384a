import { describe, expect, it } from 'vitest'
import type { OpenSocket } from '../../../client/kdc-link/socket.js'
import { SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { ORDERS } from '../fake-kdc.js'
import { failureOf, KDC_URL, Setting } from '../setting.js'

const FROZEN = 'ws://frozen.test:1'

/** A KDC at FROZEN that accepts and never answers, beside one that is well. */
function withFrozen(kind: 'accepts' | 'never opens') {
  const setting = new Setting()
  const openSocket = setting.kdc.openSocket
  setting.kdc.openSocket = (options, events) => {
    if (options.url !== FROZEN) return openSocket(options, events)
    setting.kdc.tried.push(FROZEN)
    if (kind === 'accepts') queueMicrotask(() => events.opened())
    return { send: () => {}, close: () => {} }
  }
  return setting
}

/** How long a call takes, milliseconds. */
async function lasting(setting: Setting, call: Promise<unknown>): Promise<number> {
  const start = setting.time.monotonic()
  let isOver = false
  const over = call
    .catch(() => {})
    .finally(() => {
      isOver = true
    })
  await turns()
  while (!isOver) await setting.time.elapse(50)
  await over
  return setting.time.monotonic() - start
}

describe('a KDC that accepts and never answers', () => {
  it('costs one call a second if there is another KDC, and the next calls nothing', async () => {
    const setting = withFrozen('accepts')
    const realm = await setting.connect({ kdc: [FROZEN, KDC_URL] })
    const ticket = realm.getServiceTicket('orders')
    expect(await lasting(setting, ticket)).toBe(SECOND)
    expect(await ticket).toMatchObject({ service: ORDERS })
    expect(await lasting(setting, realm.getServiceTicket('billing'))).toBe(0)
    expect(setting.kdc.tried).toEqual([FROZEN, KDC_URL])
  })

  it('costs connect a second if it is the first of several', async () => {
    const setting = withFrozen('never opens')
    const connecting = setting.connect({ kdc: [FROZEN, KDC_URL] })
    expect(await lasting(setting, connecting)).toBe(SECOND)
    const realm = await connecting
    expect(await lasting(setting, realm.getServiceTicket('orders'))).toBe(0)
    realm.close()
    expect(setting.time.timers.all).toBe(0)
  })

  it('costs three seconds if it is the only one', async () => {
    const setting = withFrozen('accepts')
    const realm = await setting.connect({ kdc: FROZEN })
    const ticket = failureOf(realm.getServiceTicket('orders'))
    expect(await lasting(setting, ticket)).toBe(3 * SECOND)
    expect(await ticket).toMatchObject({ code: 'unavailable', final: false })
  })

  it('costs each call a second or two once it opens no connections either', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    setting.kdc.intercept = () => undefined
    setting.kdc.openSocket = () => ({ send: () => {}, close: () => {} })
    expect(await lasting(setting, failureOf(realm.getServiceTicket('orders')))).toBe(2 * SECOND)
    for (let i = 0; i < 5; i++) {
      expect(await lasting(setting, failureOf(realm.getServiceTicket('orders')))).toBe(SECOND)
    }
  })

  it('is believed when it answers after all', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    let late = (): void => {}
    setting.kdc.intercept = (_, honest) => {
      const [socket] = setting.kdc.sockets
      const answer = honest()
      late = () => socket?.reply(1, answer)
      setting.kdc.intercept = () => undefined
      return undefined
    }
    const ticket = realm.getServiceTicket('orders')
    await setting.time.elapse(1_500)
    late()
    expect(await ticket).toMatchObject({ service: ORDERS })
  })
})

describe('a KDC that is not up yet', () => {
  it('is waited for as long as wait says, and this is reported to the owner', async () => {
    const setting = new Setting()
    setting.kdc.down()
    const connecting = setting.connect({ wait: '30s' })
    await setting.time.elapse(20 * SECOND)
    setting.kdc.up()
    expect(await lasting(setting, connecting)).toBeLessThanOrEqual(4 * SECOND)
    expect((await connecting).client).toBe('web@demo.example')
    expect(setting.log.filter(({ level }) => level === 'warn')).toHaveLength(1)
    expect(setting.kdc.tried.length).toBeLessThan(20)
  })

  it('is not waited for any longer', async () => {
    const setting = new Setting()
    setting.kdc.down()
    const failure = failureOf(setting.connect({ wait: '30s' }))
    expect(await lasting(setting, failure)).toBe(30 * SECOND)
    expect(await failure).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    })
    expect(setting.time.timers.all).toBe(0)
  })

  it('is waited for until the signal is aborted', async () => {
    const setting = new Setting()
    setting.kdc.down()
    const controller = new AbortController()
    const failure = failureOf(setting.connect({ wait: '30s', signal: controller.signal }))
    await setting.time.elapse(SECOND)
    controller.abort(new Error('enough'))
    expect(await failure).toEqual(new Error('enough'))
    await turns()
    expect(setting.time.timers.all).toBe(0)
  })

  it.each(['soon', '', 30, '-1s'])('a wait of %j is a mistake', async wait => {
    expect(await failureOf(new Setting().connect({ wait: wait as '1s' }))).toBeInstanceOf(TypeError)
  })
})

describe('a connection', () => {
  const holding = (setting: Setting): boolean[] => {
    const held: boolean[] = []
    const openSocket: OpenSocket = setting.kdc.openSocket
    setting.kdc.openSocket = (...args) =>
      Object.assign(openSocket(...args), { hold: (isHeld: boolean) => void held.push(isHeld) })
    return held
  }

  it('keeps a process alive only while something is asked over it', async () => {
    const setting = new Setting()
    const held = holding(setting)
    const realm = await setting.connect()
    expect(held.at(-1)).toBe(false)
    let during: boolean | undefined
    setting.kdc.intercept = (_, honest) => {
      during = held.at(-1)
      return honest()
    }
    await realm.getServiceTicket('orders')
    expect(during).toBe(true)
    expect(held.at(-1)).toBe(false)
    // What waits for a refresh does not, either.
    expect(setting.time.timers.held).toBe(0)
  })

  it('keeps a process alive all the time if that is asked for', async () => {
    const setting = new Setting()
    const held = holding(setting)
    await (await setting.connect({ keepProcessAlive: true })).getServiceTicket('orders')
    expect(held).toEqual([])
  })

  it('ends with the block that disposes of its realm', async () => {
    const setting = new Setting()
    const one = await setting.connect()
    await one[Symbol.asyncDispose]()
    const other = await setting.connect()
    other[Symbol.dispose]()
    for (const realm of [one, other]) {
      expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'unavailable' })
    }
    await turns()
    expect(setting.kdc.sockets.size).toBe(0)
  })
})
