import { describe, expect, it } from 'vitest'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import type { OpenSocket } from '../../../client/kdc-link/socket.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { ORDERS } from '../fake-kdc.js'
import { failureOf, KDC_URL, Setting } from '../setting.js'
import { lasting } from './lasting.js'

/** Tries URLs in the order in which they are given. */
const random = (length: number): Uint8Array => (length === 4 ? new Uint8Array(4) : systemRandom(length))
const FROZEN = 'ws://frozen.test:1'

/** A KDC at FROZEN that accepts and never answers, not even a ping, beside one that is well. */
function withFrozen(kind: 'accepts' | 'never opens') {
  const setting = new Setting()
  const openSocket = setting.kdc.openSocket
  setting.kdc.openSocket = (options, events) => {
    if (options.url !== FROZEN) return openSocket(options, events)
    setting.kdc.tried.push(FROZEN)
    if (kind === 'accepts') queueMicrotask(() => events.opened())
    return { send: () => {}, ping: () => {}, close: () => {} }
  }
  return setting
}

/** A KDC that can be frozen: then nothing comes from it, and it takes in what was sent once it goes on. */
function freezable() {
  const setting = new Setting()
  const { kdc } = setting
  const { openSocket } = kdc
  const held: (() => void)[] = []
  let isFrozen = false
  const later = (run: () => void): void => void (isFrozen ? held.push(run) : run())
  kdc.openSocket = (options, events) => {
    const socket = openSocket(options, { ...events, opened: () => later(events.opened) })
    return {
      send: bytes => later(() => socket.send(bytes)),
      ping: () => later(() => socket.ping?.()),
      close: () => later(() => socket.close()),
    }
  }
  return {
    setting,
    freeze: () => {
      isFrozen = true
    },
    thaw: () => {
      isFrozen = false
      for (const run of held.splice(0)) run()
    },
  }
}

const taken = (setting: Setting, call: Promise<unknown>) => lasting(setting.time, call, 50)

describe('a KDC that accepts and never answers', () => {
  it('costs one call half a second where there is another, and the next calls nothing', async () => {
    const setting = withFrozen('accepts')
    const realm = await setting.connect({ random, kdc: [FROZEN, KDC_URL] })
    const ticket = realm.getServiceTicket('orders')
    expect(await taken(setting, ticket)).toBe(SECOND / 2)
    expect(await ticket).toMatchObject({ service: ORDERS })
    expect(await taken(setting, realm.getServiceTicket('billing'))).toBe(0)
    expect(setting.kdc.tried).toEqual([FROZEN, KDC_URL])
  })

  it('costs connect half a second where it is the first of several', async () => {
    const setting = withFrozen('never opens')
    const connecting = setting.connect({ random, kdc: [FROZEN, KDC_URL] })
    expect(await taken(setting, connecting)).toBe(SECOND / 2)
    const realm = await connecting
    expect(await taken(setting, realm.getServiceTicket('orders'))).toBe(0)
    realm.close()
    expect(setting.time.timers.all).toBe(0)
  })

  it('costs a second where it is the only one, and the next calls nothing', async () => {
    const setting = withFrozen('accepts')
    const realm = await setting.connect({ kdc: FROZEN })
    for (const cost of [SECOND, 0, 0]) {
      const ticket = failureOf(realm.getServiceTicket('orders'))
      expect(await taken(setting, ticket)).toBe(cost)
      expect(await ticket).toMatchObject({ code: 'unavailable', final: false })
      expect(((await ticket) as Error).message).toContain('no answer within 1000 ms')
    }
  })

  it.each([KDC_URL, FROZEN])(
    'answers a call after all where the next one refused the connection, asked first at %s',
    async second => {
      const { setting, freeze, thaw } = freezable()
      const { openSocket } = setting.kdc
      let refusing = false
      setting.kdc.openSocket = (options, events) => {
        if (!refusing) return openSocket(options, events)
        queueMicrotask(() => events.closed('connect ECONNREFUSED'))
        return { send: () => {}, ping: () => {}, close: () => {} }
      }
      const realm = await setting.connect({ random, kdc: [KDC_URL, second] })
      refusing = true
      freeze()
      const ticket = realm.getServiceTicket('orders')
      await turns()
      await setting.time.elapse(700)
      thaw()
      await turns()
      expect(await ticket).toMatchObject({ service: ORDERS })
    },
  )

  it('answers a call after all where the next one accepted the message and then closed', async () => {
    const { setting, freeze, thaw } = freezable()
    const { openSocket } = setting.kdc
    let asked = 0
    setting.kdc.openSocket = (options, events) => {
      if (options.url !== FROZEN) return openSocket(options, events)
      queueMicrotask(() => events.opened())
      const close = (): void => events.closed('the connection was closed, code 1011')
      return {
        send: () => {
          asked++
          queueMicrotask(close)
        },
        ping: () => events.ponged(),
        close: () => {},
      }
    }
    const realm = await setting.connect({ random, kdc: [KDC_URL, FROZEN] })
    freeze()
    const ticket = realm.getServiceTicket('orders')
    await turns()
    await setting.time.elapse(700)
    expect(asked).toBeGreaterThan(0)
    thaw()
    await turns()
    expect(await ticket).toMatchObject({ service: ORDERS })
  })

  it('is given as long as `silence` says', async () => {
    const setting = withFrozen('accepts')
    const realm = await setting.connect({ kdc: FROZEN, timeouts: { silence: 4 * SECOND } })
    expect(await taken(setting, failureOf(realm.getServiceTicket('orders')))).toBe(4 * SECOND)
  })

  it('costs a second once it opens no connections either, and the next calls nothing', async () => {
    const { setting, freeze } = freezable()
    const realm = await setting.connect()
    freeze()
    for (const cost of [SECOND, 0, 0, 0]) {
      expect(await taken(setting, failureOf(realm.getServiceTicket('orders')))).toBe(cost)
      expect(await taken(setting, failureOf(openKdcChannel(realm)))).toBe(0)
    }
  })

  it('costs a second where the connection was lost before it opened no more of them', async () => {
    const { setting, freeze } = freezable()
    const realm = await setting.connect()
    freeze()
    for (const socket of setting.kdc.sockets) socket.fail('the connection was closed, code 1006')
    for (const cost of [SECOND, 0, 0]) {
      expect(await taken(setting, failureOf(realm.getServiceTicket('orders')))).toBe(cost)
    }
  })

  it('costs a call over an open channel a second', async () => {
    const { setting, freeze } = freezable()
    const channel = await openKdcChannel(await setting.connect())
    expect(await channel.call('list', [])).toEqual([])
    freeze()
    const call = failureOf(channel.call('list', []))
    expect(await taken(setting, call)).toBe(SECOND)
    expect(await call).toMatchObject({ code: 'channel_broken' })
    expect(((await call) as Error).message).toContain('no answer within 1000 ms')
  })

  it.each([0, 700, 3_000, 30_000, 300_000])('is used again within a second after %i ms', async frozen => {
    const { setting, freeze, thaw } = freezable()
    const { time, kdc } = setting
    const realm = await setting.connect()
    freeze()
    const until = time.monotonic() + frozen
    while (time.monotonic() < until) {
      const call = failureOf(realm.getServiceTicket('orders'))
      await taken(setting, call)
      await time.elapse(200)
    }
    thaw()
    await time.elapse(SECOND)
    const ticket = realm.getServiceTicket('billing')
    expect(await taken(setting, ticket)).toBe(0)
    expect((await ticket).service).toBe('billing@demo.example')
    await time.elapse(10 * SECOND)
    expect(kdc.sockets.size).toBe(1)
    realm.close()
    expect(time.timers.all).toBe(0)
  })

  it('is used again within a second where what was sent is lost, as in a network that was parted', async () => {
    const setting = new Setting()
    const { kdc, time } = setting
    const { openSocket } = kdc
    const realm = await setting.connect()
    kdc.pongs = false
    kdc.intercept = () => undefined
    let opened = 0
    kdc.openSocket = (_, events) => {
      opened++
      return { send: () => {}, ping: () => {}, close: () => events.closed('closed') }
    }
    for (let i = 0; i < 60; i++) {
      await taken(setting, failureOf(realm.getServiceTicket('orders')))
      await time.elapse(SECOND / 2)
    }
    expect(opened).toBeGreaterThan(15)
    expect(opened).toBeLessThan(40)
    Object.assign(kdc, {
      pongs: true,
      openSocket,
      intercept: (_: unknown, honest: () => Uint8Array) => honest(),
    })
    await time.elapse(1.5 * SECOND)
    const ticket = realm.getServiceTicket('orders')
    expect(await taken(setting, ticket)).toBe(0)
    expect((await ticket).service).toBe(ORDERS)
  })

  it('is not looked for without end by a client that asks nothing', async () => {
    const { setting, freeze, thaw } = freezable()
    const realm = await setting.connect()
    freeze()
    await taken(setting, failureOf(realm.getServiceTicket('orders')))
    expect(setting.time.timers.held).toBe(0)
    await setting.time.elapse(70 * SECOND)
    const tried = setting.kdc.tried.length
    expect(tried).toBeLessThan(100)
    await setting.time.elapse(600 * SECOND)
    expect(setting.kdc.tried).toHaveLength(tried)
    expect(await taken(setting, failureOf(realm.getServiceTicket('orders')))).toBe(SECOND)
    thaw()
    await setting.time.elapse(SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
  })
})

describe('a KDC that is slow', () => {
  /** Answers each question after that many milliseconds, one after another if `each` is set. */
  const slowed = (setting: Setting, delay: (n: number) => number): void => {
    let n = 0
    const { openSocket } = setting.kdc
    setting.kdc.openSocket = (options, events) =>
      openSocket(options, {
        ...events,
        received: bytes => void setting.time.setTimeout(() => events.received(bytes), delay(n++)),
      })
  }

  it('is heard when it answers after all', async () => {
    const setting = new Setting()
    slowed(setting, () => 1_800)
    const realm = await setting.connect()
    const ticket = realm.getServiceTicket('orders')
    expect(await taken(setting, ticket)).toBe(1_800)
    expect(await ticket).toMatchObject({ service: ORDERS })
  })

  it('is waited for as long as answers come, however many wait', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    await realm.getServiceTicket('orders')
    for (const socket of setting.kdc.sockets) socket.fail('closed')
    slowed(setting, n => n * 100)
    const tickets: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) {
      tickets.push(realm.getServiceTicket(`s${i}`))
      await turns()
    }
    expect(await taken(setting, Promise.all(tickets))).toBe(9_900)
    await Promise.all(tickets)
  })

  it('is waited for in vain if it answers pings and nothing else, and then calls fail at once', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    setting.kdc.intercept = () => undefined
    expect(await taken(setting, failureOf(realm.getServiceTicket('orders')))).toBe(3 * SECOND)
    for (let i = 0; i < 5; i++) {
      expect(await taken(setting, failureOf(realm.getServiceTicket('orders')))).toBe(0)
      await setting.time.elapse(SECOND)
    }
    setting.kdc.intercept = (_, honest) => honest()
    await setting.time.elapse(1.5 * SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
  })

  it('is not called silent by a process that was blocked while the answer came', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    let answer = (): void => {}
    let isBlocked = true
    const { openSocket } = setting.kdc
    for (const socket of setting.kdc.sockets) socket.fail('closed')
    setting.kdc.openSocket = (options, events) => {
      const received = (bytes: Uint8Array): void => {
        answer = () => {
          events.received(bytes)
          answer = () => {}
          isBlocked = false
        }
        if (!isBlocked) events.received(bytes)
      }
      return openSocket(options, { ...events, received, ponged: () => {} })
    }
    const ticket = realm.getServiceTicket('orders')
    await turns()
    setting.time.pass(20 * SECOND)
    await setting.time.elapse(1)
    answer()
    expect(await ticket).toMatchObject({ service: ORDERS })
  })

  it('is asked over a second connection where the platform cannot ping', async () => {
    const setting = new Setting()
    const { openSocket } = setting.kdc
    setting.kdc.openSocket = (...args) => {
      const socket = openSocket(...args)
      return { send: bytes => socket.send(bytes), close: () => socket.close() }
    }
    slowed(setting, () => 1_900)
    const realm = await setting.connect()
    const ticket = realm.getServiceTicket('orders')
    expect(await taken(setting, ticket)).toBe(1_900)
    expect(await ticket).toMatchObject({ service: ORDERS })
  })
})

describe('a KDC that is not up yet', () => {
  it('is waited for as long as wait says, and this is reported to the owner', async () => {
    const setting = new Setting()
    setting.kdc.down()
    const connecting = setting.connect({ wait: '30s' })
    // What waits is loaded first.
    await expect.poll(() => setting.kdc.tried.length).toBe(1)
    await setting.time.elapse(20 * SECOND)
    setting.kdc.up()
    expect(await taken(setting, connecting)).toBeLessThanOrEqual(4 * SECOND)
    expect((await connecting).client).toBe('web@demo.example')
    expect(setting.log.filter(({ level }) => level === 'warn')).toHaveLength(1)
    expect(setting.kdc.tried.length).toBeLessThan(40)
  })

  it('is not waited for any longer', async () => {
    const setting = new Setting()
    setting.kdc.down()
    const failure = failureOf(setting.connect({ wait: '30s' }))
    expect(await taken(setting, failure)).toBe(30 * SECOND)
    expect(await failure).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/within the wait of 30 s: .*ECONNREFUSED/),
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
