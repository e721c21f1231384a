import { describe, expect, it, vi } from 'vitest'
import { startChannel } from '../../shared/channel/records.js'
import { TYPE } from '../../shared/constants.js'
import { openUnauthenticatedError } from '../../shared/encoding/error.js'
import { SECOND } from '../../shared/time.js'
import { HandSocket, openingOf } from '../service/channel/by-hand.js'
import { bytes, failure, type Scene, settled, startScene, textOf } from '../service/channel/scene.js'

/** Attacks on the channels of a service that is no KDC, over real sockets. */

const until = async (holds: () => boolean): Promise<void> => {
  await expect.poll(holds).toBe(true)
}

/** An opened channel whose client is made by hand, and has spoken. */
async function opened(scene: Scene) {
  const { url, web, realm, served } = scene
  const socket = await HandSocket.open(url)
  const opening = await openingOf(web, { time: realm.clock.now() })
  const records = await socket.start(opening, until)
  const before = served.length
  socket.send(records.sealGreeting())
  await until(() => served.length > before)
  return { socket, opening, records, channel: served[before]?.channel }
}

describe('an opening of a channel', () => {
  it('that was recorded opens nothing when it is repeated, and makes its replayer wait alone', async () => {
    const handle = vi.fn()
    const scene = await startScene({ handle })
    const { opening } = await opened(scene)
    const copy = await HandSocket.open(scene.url)
    copy.send(opening.request.bytes)
    await until(() => copy.types.includes(TYPE.AP_ACCEPT))
    // The replayer has the first channel's records too, but not the key that the new nonce makes.
    const [first] = scene.served
    await first?.channel.send('to the client')
    copy.send(new Uint8Array([1, TYPE.RECORD, ...new Uint8Array(40)]))
    await until(() => copy.closing !== undefined)
    expect(openUnauthenticatedError(copy.frames[1]?.message ?? bytes('')).code).toBe('malformed')
    expect(handle).toHaveBeenCalledTimes(1)
    expect(first?.channel.isOver).toBe(false)
  })

  it('that waits for its first record is a replay for a copy, and is given up after 5 s', async () => {
    const handle = vi.fn()
    const { url, web, realm, refused } = await startScene({ handle })
    const { request } = await openingOf(web, { time: realm.clock.now() })
    const [one, two] = [await HandSocket.open(url), await HandSocket.open(url)]
    one.send(request.bytes)
    await until(() => one.types.includes(TYPE.AP_ACCEPT))
    two.send(request.bytes)
    await until(() => two.closing !== undefined)
    expect(refused.map(({ code }) => code)).toEqual(['replay'])
    realm.clock.advance(5 * SECOND)
    await until(() => one.closing !== undefined)
    expect(handle).not.toHaveBeenCalled()
  })

  it.each([
    ['of another path', { target: '/other' }, 'binding_mismatch'],
    ['of the KDC', { target: '' }, 'binding_mismatch'],
    ['with a query that was added on the way', { target: '/live?admin=1' }, 'binding_mismatch'],
    ['that is a request', { type: TYPE.AP_REQ }, 'malformed'],
  ] as const)('%s is refused, and its connection closed', async (_, made, code) => {
    const { url, web, realm, refused, served } = await startScene()
    const socket = await HandSocket.open(url)
    socket.send((await openingOf(web, { time: realm.clock.now(), ...made })).request.bytes)
    await until(() => socket.closing !== undefined)
    expect(refused).toMatchObject([{ code }])
    expect([socket.closing, served.length]).toEqual(['1008 the opening was refused', 0])
  })

  it.each([-61, 6])('stamped %d s off is refused', async seconds => {
    const { url, web, realm, refused } = await startScene()
    const socket = await HandSocket.open(url)
    const time = realm.clock.now() + seconds * SECOND
    socket.send((await openingOf(web, { time })).request.bytes)
    await until(() => socket.closing !== undefined)
    expect(refused).toMatchObject([{ code: 'clock_skew' }])
  })

  it('of garbage is malformed, whatever it is', async () => {
    const { url, refused } = await startScene()
    for (const garbage of [[], [1], [1, TYPE.RECORD], [1, TYPE.AP_OPEN], [9, 9, 9], [1, TYPE.AS_REQ, 0x90]]) {
      const socket = await HandSocket.open(url)
      socket.send(Uint8Array.from(garbage))
      if (garbage[1] === TYPE.RECORD) {
        // Of no channel, so it is ignored.
        socket.socket.send('text')
      }
      await until(() => socket.closing !== undefined)
    }
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['malformed', 'unsupported_version']))
  })

  it('by a page of some site is refused, unless the owner lets its origin in', async () => {
    const { url, web, realm, served } = await startScene({ allowedOrigins: ['https://app.example'] })
    const origin = 'https://evil.example'
    for (const headers of [{ origin }, { origin: 'null' }, { origin: 'https://app.example.evil.example' }]) {
      expect(await failure(HandSocket.open(url, { headers }))).toMatchObject({
        message: expect.stringContaining('403'),
      })
    }
    const socket = await HandSocket.open(url, { headers: { origin: 'https://app.example' } })
    const records = await socket.start(await openingOf(web, { time: realm.clock.now() }), until)
    socket.send(records.sealGreeting())
    await until(() => served.length === 1)
  })
})

describe('a channel that is open', () => {
  it('is broken by its own records sent back, by those of another, and by one that comes again', async () => {
    const scene = await startScene({ handle: channel => void channel.send('hello') })
    const reflected = await opened(scene)
    await until(() => reflected.socket.frames.length > 1)
    reflected.socket.send(reflected.socket.frames[1]?.message ?? bytes(''))
    expect(await reflected.channel?.closed).toMatchObject({ code: 'channel_broken' })
    const [one, two] = [await opened(scene), await opened(scene)]
    for (const record of one.records.sealMessage(bytes('to another'))) two.socket.send(record)
    expect(await two.channel?.closed).toMatchObject({ code: 'channel_broken' })
    const again = await opened(scene)
    const [record = bytes('')] = again.records.sealMessage(bytes('once'))
    const first = again.channel?.receive()
    again.socket.send(record)
    expect(textOf(await first)).toBe('once')
    again.socket.send(record)
    expect(await again.channel?.closed).toMatchObject({ code: 'channel_broken' })
  })

  it('hands on nothing of a message that was cut off, and tells the end from a cut', async () => {
    const scene = await startScene({ handle: () => {} })
    const { socket, records, channel } = await opened(scene)
    const parts = records.sealMessage(new Uint8Array(100_000))
    socket.send(parts[0] ?? bytes(''))
    const receiving = failure(channel?.receive() ?? Promise.resolve())
    socket.socket.terminate()
    expect(await receiving).toMatchObject({
      code: 'channel_broken',
      reason: expect.stringContaining('cut off'),
    })
  })

  it('goes on when a second one is asked for on its connection, and is closed if its id comes again', async () => {
    const scene = await startScene()
    const { socket, records, channel } = await opened(scene)
    const other = await openingOf(scene.web, { time: scene.realm.clock.now() })
    socket.send(other.request.bytes, 2)
    await until(() => socket.frames.length > 1)
    expect(socket.frames[1]?.id).toBe(2)
    expect(openUnauthenticatedError(socket.frames[1]?.message ?? bytes('')).code).toBe('rate_limited')
    for (const record of records.sealMessage(bytes('still'))) {
      socket.send(record, 7)
      socket.send(record)
    }
    await until(() => socket.frames.length > 2)
    expect(channel?.isOver).toBe(false)
    socket.send(other.request.bytes)
    await until(() => socket.closing !== undefined)
    expect(socket.closing).toBe('1002 an id in use again')
    expect(await channel?.closed).toMatchObject({ code: 'channel_broken' })
  })

  it.each([
    ['text', 'x'],
    ['a frame without an id', Buffer.alloc(3)],
    ['a frame over 64 KiB', Buffer.alloc(65_541)],
  ])('is broken by %s', async (_, frame) => {
    const { socket, channel } = await opened(await startScene({ handle: () => {} }))
    socket.socket.send(frame)
    expect(await channel?.closed).toMatchObject({ code: 'channel_broken' })
  })

  it('is broken by a message that never ends, before it takes more than the limit', async () => {
    const { socket, records, channel } = await opened(
      await startScene({ handle: () => {}, maxMessage: 100_000 }),
    )
    const parts = records.sealMessage(new Uint8Array(1_000_000))
    for (const part of parts.slice(0, 3)) socket.send(part)
    expect(await channel?.closed).toMatchObject({ reason: expect.stringContaining('more than 100000 bytes') })
  })

  it('makes a client that floods wait for a handler that does not take its messages', async () => {
    const { socket, records, channel } = await opened(await startScene({ handle: () => {} }))
    const message = new Uint8Array(60_000)
    let sent = 0
    for (let i = 0; i < 250; i++) {
      for (const record of records.sealMessage(message)) {
        socket.socket.send(Buffer.concat([Buffer.from([0, 0, 0, 1]), record]), () => {
          sent += 1
        })
      }
    }
    expect(await settled(() => sent)).toBeLessThan(250)
    expect(channel?.isOver).toBe(false)
    for (let i = 0; i < 250; i++) expect((await channel?.receive())?.length).toBe(60_000)
  })

  it('is given up by its client when the service is another one from some record on', async () => {
    const scene = await startScene({ handle: () => {} })
    const { opening, socket } = await opened(scene)
    const [, ...rest] = socket.frames
    expect(rest).toEqual([])
    // Whoever has the ticket's key but not this channel's nonce makes records of another channel.
    const impostor = startChannel(
      'service',
      opening.key,
      opening.request.bytes,
      Buffer.concat([socket.frames[0]?.message ?? bytes(''), bytes('x')]),
      1000,
    )
    const client = startChannel(
      'client',
      opening.key,
      opening.request.bytes,
      socket.frames[0]?.message ?? bytes(''),
      1000,
    )
    const [forged = bytes('')] = impostor.sealMessage(bytes('forged'))
    expect(() => client.open(forged)).toThrow(/channel_broken/)
  })
})

describe('connections that open no channel', () => {
  it('are cut off in time, and the oldest gives way when there are too many', async () => {
    const scene = await startScene({ handle: () => {}, maxUnopened: 20, openWithin: 3_000 })
    const { url, web, realm, accepted } = scene
    const idle: HandSocket[] = []
    for (let i = 0; i < 20; i++) idle.push(await HandSocket.open(url))
    const channel = await web.openChannel(url, { service: 'live' })
    await until(() => idle[0]?.closing !== undefined)
    await until(() => accepted.size === 1)
    expect(idle.filter(({ closing }) => closing === undefined)).toHaveLength(19)
    realm.clock.advance(3_000)
    await until(() => idle.every(({ closing }) => closing !== undefined))
    expect(channel.isOver).toBe(false)
  })

  it('are not kept by a ticket either: 16 of one wait for their first record', async () => {
    const { url, web, realm, refused } = await startScene()
    const sockets: HandSocket[] = []
    for (let i = 0; i < 17; i++) {
      const socket = await HandSocket.open(url)
      socket.send((await openingOf(web, { time: realm.clock.now() })).request.bytes)
      await until(() => socket.frames.length > 0)
      sockets.push(socket)
    }
    expect(refused).toMatchObject([{ code: 'rate_limited' }])
    realm.clock.advance(5 * SECOND)
    await until(() => sockets.every(({ closing }) => closing !== undefined))
  })
})
