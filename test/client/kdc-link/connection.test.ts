import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../shared/bytes.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { SECOND } from '../../../shared/time.js'
import { turns } from '../../support/turns.js'
import { ORDERS } from '../fake-kdc.js'
import { failureOf, KDC_URL, Setting } from '../setting.js'

/** Tries URLs in the order in which they are given. */
const random = (length: number): Uint8Array => (length === 4 ? new Uint8Array(4) : systemRandom(length))
const URLS = ['ws://a.test:1', 'ws://b.test:2', 'wss://c.test']

describe('reaching a KDC', () => {
  it('fails on connect, with the URL and the next step, if nothing listens there', async () => {
    const setting = new Setting()
    setting.kdc.down()
    const cause = await failureOf(setting.connect())
    expect(cause).toMatchObject({ code: 'unavailable', final: false })
    expect((cause as Error).message).toContain(KDC_URL)
    expect((cause as Error).message).toContain('ECONNREFUSED')
    expect((cause as Error).message).toContain('orthrus kdc')
    expect(setting.time.timers.all).toBe(0)
  })

  it.each(['http://127.0.0.1:8750', 'localhost:8750', '', 'ws://a.test#x', []])(
    'takes no %j for a KDC',
    async kdc => {
      expect(await failureOf(new Setting().connect({ kdc }))).toBeInstanceOf(TypeError)
    },
  )

  it('gives up opening after 5 s', async () => {
    const setting = new Setting()
    const events: string[] = []
    setting.kdc.openSocket = () => ({ send: () => {}, close: () => void events.push('closed') })
    const failure = failureOf(setting.connect())
    await setting.time.elapse(4_999)
    expect(events).toEqual([])
    await setting.time.elapse(1)
    expect(await failure).toMatchObject({ code: 'unavailable' })
    expect(new Set(events)).toEqual(new Set(['closed']))
  })

  it('stops when its signal is aborted', async () => {
    const setting = new Setting()
    const controller = new AbortController()
    const failure = failureOf(setting.connect({ signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect(await failure).toEqual(new Error('enough'))
    await turns()
    expect(setting.kdc.sockets.size).toBe(0)
    expect(setting.time.timers.all).toBe(0)
  })

  it('tries the next URL, and says for each why it failed', async () => {
    const setting = new Setting()
    setting.kdc.urls = new Set(['wss://c.test'])
    const realm = await setting.connect({ kdc: URLS, random })
    expect(setting.kdc.tried).toEqual(URLS)
    await realm.getServiceTicket('orders')
    setting.kdc.down()
    const failure = failureOf(realm.getServiceTicket('billing'))
    await setting.time.elapse(10 * SECOND)
    const { message } = (await failure) as Error
    for (const url of URLS) expect(message).toContain(url)
  })

  it('changes to another KDC when the one in use is gone', async () => {
    const setting = new Setting()
    setting.kdc.urls = new Set(['ws://a.test:1', 'ws://b.test:2'])
    const realm = await setting.connect({ kdc: URLS, random })
    await realm.getServiceTicket('orders')
    setting.kdc.down()
    setting.kdc.up('ws://b.test:2')
    expect(await realm.getServiceTicket('billing')).toMatchObject({ client: realm.client })
    expect(setting.kdc.tried).toEqual(['ws://a.test:1', 'ws://b.test:2'])
  })

  it('changes to another KDC when the one in use does not answer', async () => {
    const setting = new Setting()
    setting.kdc.urls = new Set(['ws://a.test:1', 'ws://b.test:2'])
    const realm = await setting.connect({ kdc: URLS, random })
    setting.kdc.intercept = (_, honest) => (setting.kdc.tried.length === 1 ? undefined : honest())
    const ticket = realm.getServiceTicket('orders')
    await setting.time.elapse(5 * SECOND)
    expect(await ticket).toMatchObject({ service: ORDERS })
    expect(setting.kdc.tried).toEqual(['ws://a.test:1', 'ws://b.test:2'])
    expect(setting.kdc.sockets.size).toBe(1)
  })

  it('asks again over a new connection what was lost with the old one', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    setting.kdc.intercept = (_, honest) => {
      if (setting.kdc.asked.length > 1) return honest()
      for (const socket of setting.kdc.sockets) socket.fail('the connection was closed, code 1006')
      return undefined
    }
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    expect(setting.kdc.log).toEqual(['AS orders', 'AS orders'])
  })

  it('waits longer and longer before it tries a KDC that is away', async () => {
    const setting = new Setting()
    const realm = await setting.connect({ random: length => new Uint8Array(length).fill(255) })
    setting.kdc.down()
    const gaps: number[] = []
    for (let i = 0; i < 7; i++) {
      const before = setting.kdc.tried.length
      const start = setting.time.monotonic()
      const failure = failureOf(realm.getServiceTicket('orders'))
      await turns()
      while (setting.kdc.tried.length === before) await setting.time.elapse(50)
      gaps.push(setting.time.monotonic() - start)
      expect(await failure).toMatchObject({ code: 'unavailable' })
    }
    expect(gaps).toEqual([0, 250, 500, 1_000, 1_000, 1_000, 1_000])
    setting.kdc.up()
    const ticket = realm.getServiceTicket('orders')
    await setting.time.elapse(SECOND)
    expect(await ticket).toMatchObject({ service: ORDERS })
  })
})

describe('frames', () => {
  it('have an id for each question, and bring answers in any order', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    await realm.getServiceTicket('orders')
    const [socket] = setting.kdc.sockets
    const held: (() => void)[] = []
    const ids: number[] = []
    const reply = socket?.reply.bind(socket)
    Object.assign(socket as object, {
      reply: (id: number, message: Uint8Array) => {
        ids.push(id)
        held.push(() => reply?.(id, message))
      },
    })
    const first = realm.getServiceTicket('s1')
    await turns()
    const second = realm.getServiceTicket('s2')
    await turns()
    for (const answer of held.reverse()) answer()
    expect((await first).service).toBe('s1@demo.example')
    expect((await second).service).toBe('s2@demo.example')
    expect(new Set(ids).size).toBe(2)
  })

  it('ignore answers that nobody waits for', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    const [socket] = setting.kdc.sockets
    socket?.reply(77, setting.kdc.error('unavailable'))
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    socket?.reply(1, setting.kdc.error('unavailable'))
    expect(await realm.getServiceTicket('billing')).toMatchObject({ client: realm.client })
  })

  it.each([0, 1, 4, 5])('of %d bytes close the connection', async length => {
    const setting = new Setting()
    const realm = await setting.connect()
    setting.kdc.intercept = (_, honest) => {
      if (setting.kdc.asked.length === 1) setting.kdc.sendRaw(new Uint8Array(length))
      return honest()
    }
    await realm.getServiceTicket('orders')
    await turns()
    expect(setting.kdc.tried).toHaveLength(2)
    expect(setting.kdc.sockets.size).toBe(1)
  })

  it('may have ids that are not aligned', async () => {
    const setting = new Setting()
    const realm = await setting.connect()
    setting.kdc.intercept = (_, honest) => {
      const [socket] = setting.kdc.sockets
      const message = honest()
      const padded = concatBytes(new Uint8Array([9]), new Uint8Array([0, 0, 0, 1]), message)
      socket?.raw(padded.subarray(1))
      return undefined
    }
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
  })
})
