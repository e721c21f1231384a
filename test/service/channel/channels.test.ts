import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { acceptChannels } from '../../../service/index.js'
import { SECOND } from '../../../shared/time.js'
import { HandSocket, openingOf } from './by-hand.js'
import { echo, failure, rest, settled, startScene, textOf } from './scene.js'

/** Channels to a service of one's own, between the real parties over WebSockets. */

const BIG = new Uint8Array(700_000).map((_, i) => i * 7)

describe('a channel to a service', () => {
  it('carries messages of any size both ways, in order, and ends when both sides have', async () => {
    const { web, url, served, log } = await startScene()
    const channel = await web.openChannel(`${url}?room=1`, { service: 'live' })
    await channel.send('hello')
    await channel.send(BIG)
    await channel.send(new Uint8Array())
    await channel.send('ünïcode')
    expect(textOf(await channel.receive())).toBe('hello')
    expect(Buffer.compare((await channel.receive()) ?? new Uint8Array(), BIG)).toBe(0)
    expect(await channel.receive()).toEqual(new Uint8Array())
    await channel.end()
    expect(await rest(channel)).toEqual(['ünïcode'])
    expect(await channel.receive()).toBeUndefined()
    expect([await channel.closed, channel.isOver]).toEqual([undefined, true])
    expect(await served[0]?.channel.closed).toBeUndefined()
    expect(served[0]?.ticket).toMatchObject({
      client: 'web@test.example',
      via: undefined,
      claims: { role: 'reader' },
      passwordBased: false,
    })
    expect(served[0]?.channel.endTime).toBe(channel.endTime)
    await expect.poll(() => log.lines.map(({ fields }) => fields.kind)).toEqual(['accepted', 'channel_ended'])
    const [accepted, ended] = log.lines.map(({ fields }) => fields)
    expect(accepted).toMatchObject({ method: 'CHANNEL', path: '/live', client: 'web@test.example' })
    expect(ended).toMatchObject({ reason: undefined })
  })

  it('is half closed: either side may go on after the other has ended', async () => {
    const { web, url, served } = await startScene({
      handle: async channel => {
        await channel.send('first')
        await channel.end()
        expect(await failure(channel.send('more'))).toBeInstanceOf(TypeError)
        for await (const message of channel) heard.push(textOf(message))
      },
    })
    const heard: unknown[] = []
    const channel = await web.openChannel(url, { service: 'live' })
    expect(await rest(channel)).toEqual(['first'])
    expect(channel.isOver).toBe(false)
    await channel.send('still')
    await channel.send('here')
    await channel.end()
    expect(await channel.closed).toBeUndefined()
    expect(await served[0]?.channel.closed).toBeUndefined()
    expect(heard).toEqual(['still', 'here'])
  })

  it('ends its service’s side for a handler that has returned, once the client has ended', async () => {
    const { web, url } = await startScene({ handle: () => {} })
    const channel = await web.openChannel(url, { service: 'live' })
    await channel.end()
    expect(await rest(channel)).toEqual([])
    expect(await channel.closed).toBeUndefined()
  })

  it('is taken up again by another loop, after one that was left', async () => {
    const { web, url } = await startScene()
    const channel = await web.openChannel(url, { service: 'live' })
    for (const word of ['a', 'b', 'c']) await channel.send(word)
    for await (const message of channel) {
      expect(textOf(message)).toBe('a')
      break
    }
    await channel.end()
    expect(await rest(channel)).toEqual(['b', 'c'])
  })

  it('slows its sender down while nobody takes what came', async () => {
    const sent = 25
    const { web, url } = await startScene({
      handle: async channel => {
        for (let i = 0; i < sent; i++) {
          await channel.send(BIG)
          progress = i + 1
        }
        await channel.end()
      },
    })
    let progress = 0
    const channel = await web.openChannel(url, { service: 'live' })
    // What the two ends of a connection on the loopback take is far from 17 MB.
    expect(await settled(() => progress)).toBeLessThan(sent)
    let taken = 0
    for await (const message of channel) taken += message.length
    expect(taken).toBe(sent * BIG.length)
  })

  it('is given up if a sender does not wait and too much piles up, without ending the process', async () => {
    const { web, url, served } = await startScene({
      handle: channel => {
        for (let i = 0; i < 60; i++) void channel.send(BIG)
      },
    })
    const channel = await web.openChannel(url, { service: 'live' })
    await expect.poll(() => served[0]?.channel.isOver).toBe(true)
    expect(await served[0]?.channel.closed).toMatchObject({
      code: 'channel_broken',
      reason: expect.stringContaining('reads too slowly'),
    })
    expect(await failure(rest(channel))).toMatchObject({ code: 'channel_broken' })
  })

  it('refuses a message over the limit, of either side, and hands nothing of it on', async () => {
    const { web, url, served } = await startScene({ maxMessage: 1000 })
    const big = await web.openChannel(url, { service: 'live' })
    await big.send(new Uint8Array(1001))
    expect(await big.closed).toMatchObject({ code: 'channel_broken' })
    expect(await served[0]?.channel.closed).toMatchObject({
      code: 'channel_broken',
      reason: expect.stringContaining('more than 1000 bytes'),
    })
    const small = await web.openChannel(url, { service: 'live', maxMessage: 10 })
    await small.send(new Uint8Array(11))
    expect(await small.closed).toMatchObject({ reason: expect.stringContaining('more than 10 bytes') })
  })

  it('takes bytes and text, and nothing else for a message', async () => {
    const { web, url } = await startScene()
    const channel = await web.openChannel(url, { service: 'live' })
    for (const wrong of [7, null, undefined, {}, [1], new Uint16Array(2), new ArrayBuffer(2), '\ud800']) {
      expect(await failure(channel.send(wrong as never)), String(wrong)).toBeInstanceOf(TypeError)
    }
    await channel.send(Buffer.from('still open'))
    expect(textOf(await channel.receive())).toBe('still open')
  })

  it('is broken for the other side when one gives it up', async () => {
    const { web, url, served, log } = await startScene({ handle: () => {} })
    const channel = await web.openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    channel.abort('enough')
    expect(await channel.closed).toMatchObject({ code: 'channel_broken' })
    expect(await failure(channel.receive())).toBe(await channel.closed)
    expect(await failure(channel.send('x'))).toBe(await channel.closed)
    expect(await served[0]?.channel.closed).toMatchObject({
      code: 'channel_broken',
      reason: expect.stringContaining('cut off'),
    })
    expect(served[0]?.ticket.signal.aborted).toBe(true)
    expect(log.lines.map(({ fields }) => fields).find(({ kind }) => kind === 'channel_ended')).toMatchObject({
      reason: expect.stringContaining('cut off'),
    })
  })

  it('is broken by a handler that throws, which the log tells', async () => {
    const boom = new Error('boom')
    const { web, url, log } = await startScene({ handle: () => Promise.reject(boom) })
    const channel = await web.openChannel(url, { service: 'live' })
    expect(await failure(rest(channel))).toMatchObject({ code: 'channel_broken' })
    expect(
      log.lines.map(({ fields }) => fields).filter(({ kind }) => kind === 'channel_handler_failed'),
    ).toMatchObject([{ err: boom }])
  })

  it('whose client goes away is no failure of its handler', async () => {
    const { web, url, served, log, accepted } = await startScene()
    const channel = await web.openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    channel.abort()
    await expect.poll(() => accepted.size).toBe(0)
    expect(
      log.lines.map(({ fields }) => fields).filter(({ kind }) => kind === 'channel_handler_failed'),
    ).toEqual([])
  })

  it('shows that each side is there, and is over if one falls silent', async () => {
    const { web, url, realm, served } = await startScene({ handle: () => {} })
    const channel = await web.openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    for (let minute = 0; minute < 8; minute++) {
      realm.clock.advance(15 * SECOND)
      // What was sent arrives.
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    expect([channel.isOver, served[0]?.channel.isOver]).toEqual([false, false])
    // In one turn nothing arrives.
    realm.clock.advance(60 * SECOND)
    expect(await channel.closed).toMatchObject({
      reason: expect.stringContaining('nothing was heard for 45 s'),
    })
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'channel_broken' })
  })

  it('ends with its ticket at both sides, and the next one has a fresh ticket', async () => {
    const { web, url, realm, served } = await startScene({ handle: () => {} })
    const channel = await web.openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    realm.clock.set(channel.endTime)
    realm.clock.advance(15 * SECOND)
    expect(await channel.closed).toMatchObject({ code: 'ticket_expired', final: true })
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'ticket_expired' })
    expect(served[0]?.ticket.signal.reason).toMatchObject({ code: 'ticket_expired' })
    const next = await web.openChannel(url, { service: 'live' })
    expect(next.endTime).toBeGreaterThan(channel.endTime)
  })

  it('hands on nothing after its end, though no timer ran: a machine may have slept', async () => {
    const { web, url, realm } = await startScene()
    const channel = await web.openChannel(url, { service: 'live' })
    realm.clock.set(channel.endTime)
    expect(await failure(channel.send('late'))).toMatchObject({ code: 'ticket_expired' })
  })

  it('ends with the realm of its client', async () => {
    const { web, url, served } = await startScene({ handle: () => {} })
    const channel = await web.openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    web.close()
    expect(await channel.closed).toMatchObject({ code: 'channel_broken' })
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'channel_broken' })
    expect(await failure(web.openChannel(url, { service: 'live' }))).toMatchObject({ code: 'unavailable' })
  })

  it.each(['acceptor', 'service'] as const)(
    'ends when its %s is closed, which takes no more',
    async which => {
      const { web, url, served, accepted, service } = await startScene({ handle: () => {} })
      const channel = await web.openChannel(url, { service: 'live' })
      await expect.poll(() => served.length).toBe(1)
      await (which === 'acceptor' ? accepted : service).close()
      expect(await served[0]?.channel.closed).toMatchObject({ code: 'channel_broken' })
      expect(await channel.closed).toMatchObject({
        code: 'channel_broken',
        reason: expect.stringContaining('the service is closing'),
      })
      expect(await failure(web.openChannel(url, { service: 'live' }))).toMatchObject({ code: 'unavailable' })
      await expect.poll(() => accepted.size).toBe(0)
    },
  )
})

describe('the client of a channel', () => {
  it('may cut its ticket down: to a path, and in time', async () => {
    const { web, url, realm, served } = await startScene()
    const ticket = await web.getServiceTicket('live')
    const less = ticket.attenuate({ paths: ['/live'], expires: '20s' })
    const channel = await web.openChannel(url, { ticket: less })
    await channel.send('x')
    expect(textOf(await channel.receive())).toBe('x')
    expect(channel.endTime).toBe(realm.clock.now() + 20 * SECOND)
    expect(served[0]?.channel.endTime).toBe(channel.endTime)
    for (const other of [{ paths: ['/other'] }, { methods: ['GET'] }, { services: ['billing'] }]) {
      const refused = failure(web.openChannel(url, { ticket: ticket.attenuate(other) }))
      expect(await refused).toMatchObject({ code: 'caveat_failed', final: true })
    }
    realm.clock.advance(20 * SECOND - 1)
    expect(channel.isOver).toBe(false)
    realm.clock.advance(1)
    expect(await channel.closed).toMatchObject({ code: 'ticket_expired' })
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'ticket_expired' })
  })

  it('may be the delegate of another', async () => {
    const { web, url, realm, served } = await startScene({ handle: () => {} })
    const credential = (await web.getServiceTicket('live'))
      .attenuate({ to: 'billing', expires: '1m', claims: [] })
      .credential()
    const billing = await realm.connect('billing')
    const channel = await billing.onBehalf(credential).openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    expect(served[0]?.ticket).toMatchObject({
      client: 'web@test.example',
      via: 'billing@test.example',
      claimsWithheld: true,
    })
    expect(channel.endTime).toBe(realm.clock.now() + 60 * SECOND)
    expect(await failure(billing.onBehalf(credential).openChannel(url))).toBeInstanceOf(TypeError)
  })

  it('is named its service by the origin of the URL', async () => {
    const { url, realm } = await startScene()
    const origin = new URL(url.replace('ws:', 'http:')).origin
    const web = await realm.connect('web', { services: { [origin]: 'live' } })
    const channel = await web.openChannel(new URL(url))
    await channel.send('x')
    expect(textOf(await channel.receive())).toBe('x')
  })

  it('may give up the opening', async () => {
    const { web, url, accepted } = await startScene()
    const signal = AbortSignal.abort(new Error('no longer'))
    expect(await failure(web.openChannel(url, { service: 'live', signal }))).toMatchObject({
      message: 'no longer',
    })
    const later = new AbortController()
    const opening = web.openChannel(url, { service: 'live', signal: later.signal })
    later.abort(new Error('soon'))
    expect(await failure(opening)).toMatchObject({ message: 'soon' })
    await expect.poll(() => accepted.size).toBe(0)
  })
})

describe('who may open a channel', () => {
  it('is decided as for requests: claims, delegates, a checker of the owner’s', async () => {
    const { web, url, refused } = await startScene({
      claims: { role: 'reader' },
      caveats: { tenant: (value, req) => value === 'acme' && req.url === '/live' },
    })
    const ticket = await web.getServiceTicket('live')
    await web.openChannel(url, { ticket: ticket.attenuate({ app: { tenant: 'acme' } }) })
    const other = web.openChannel(url, { ticket: ticket.attenuate({ app: { tenant: 'other' } }) })
    expect(await failure(other)).toMatchObject({ code: 'caveat_failed' })
    const withheld = web.openChannel(url, { ticket: ticket.attenuate({ claims: [] }) })
    expect(await failure(withheld)).toMatchObject({ code: 'not_authorized', final: true })
    expect(refused.map(({ code }) => code)).toEqual(['caveat_failed', 'not_authorized'])
  })

  it('is not somebody that the KDC gives no ticket', async () => {
    const { realm, url } = await startScene()
    await realm.add('stranger')
    const stranger = await realm.connect('stranger')
    expect(await failure(stranger.openChannel(url, { service: 'live' }))).toMatchObject({
      code: 'policy_denied',
    })
  })

  it('has so many channels, and others have theirs', async () => {
    const { web, url, realm, accepted } = await startScene({ maxChannelsPerClient: 2, maxChannels: 3 })
    const open = async () => {
      const channel = await web.openChannel(url, { service: 'live' })
      await channel.send('x')
      await channel.receive()
      return channel
    }
    const first = await open()
    await open()
    expect(await failure(open())).toMatchObject({ code: 'rate_limited' })
    const billing = await realm.connect('billing')
    await billing.openChannel(url, { service: 'live' })
    await expect.poll(() => accepted.size).toBe(3)
    await first.end()
    await first.closed
    await expect.poll(() => accepted.size).toBe(2)
    await open()
    expect(await failure(billing.openChannel(url, { service: 'live' }))).toMatchObject({
      code: 'rate_limited',
    })
  })
})

describe('a revocation', () => {
  it('ends open channels as soon as the feed tells it, and the next opening is refused with a proof', async () => {
    const { web, url, realm, served, service, refused } = await startScene({
      follows: true,
      handle: () => {},
    })
    await expect.poll(() => service.state.ready).toBe(true)
    const channel = await web.openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    await realm.administration.revocations.client('web@test.example' as never)
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'revoked' })
    expect(served[0]?.ticket.signal.reason).toMatchObject({ code: 'revoked' })
    expect(await channel.closed).toMatchObject({ code: 'channel_broken', facts: { claimed: 'revoked' } })
    expect(await failure(served[0]?.channel.send('secret') ?? Promise.resolve())).toMatchObject({
      code: 'revoked',
    })
    const ticket = await web.getServiceTicket('live')
    expect(await failure(web.openChannel(url, { ticket }))).toMatchObject({ code: 'revoked' })
    expect(refused.at(-1)).toMatchObject({ code: 'revoked' })
  })

  it('ends a delegate’s channel whichever of the two it is of', async () => {
    const { web, url, realm, served, service } = await startScene({ follows: true, handle: () => {} })
    await expect.poll(() => service.state.ready).toBe(true)
    const credential = (await web.getServiceTicket('live')).attenuate({ to: 'billing' }).credential()
    const billing = await realm.connect('billing')
    await billing.onBehalf(credential).openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    await realm.administration.revocations.client('billing@test.example' as never)
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'revoked' })
  })

  it('that cannot be heard of ends channels too, once the feed is too old', async () => {
    const { web, url, realm, served, service } = await startScene({ follows: true, handle: () => {} })
    await expect.poll(() => service.state.ready).toBe(true)
    await web.openChannel(url, { service: 'live' })
    await expect.poll(() => served.length).toBe(1)
    await realm.kdc.close()
    for (let i = 0; i < 12 && served[0]?.channel.isOver === false; i++) {
      realm.clock.set(realm.clock.now() + 60 * SECOND)
      realm.clock.advance(1 * SECOND)
    }
    expect(await served[0]?.channel.closed).toMatchObject({ code: 'unavailable' })
  })
})

describe('an address that is none of a channel', () => {
  const refusedAt = async (url: string, web: Awaited<ReturnType<typeof startScene>>['web']) =>
    (await failure(web.openChannel(url, { service: 'live' }))) as { code: string; message: string }

  it('is told with what to do', async () => {
    const { web, url, realm } = await startScene()
    expect(await refusedAt(url.replace('/live', '/other'), web)).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/no channels are accepted at this path.*acceptChannels/),
    })
    // The KDC speaks the same subprotocol, and knows no ticket for another service.
    expect(await refusedAt(realm.kdc.url, web)).toMatchObject({
      code: 'refused_unproved',
      message: expect.stringContaining('correct the address'),
    })
    const { port } = new URL(url)
    const gone = await startScene()
    await gone.accepted.close()
    await new Promise(resolve => gone.server.close(resolve))
    expect(await refusedAt(gone.url, web)).toMatchObject({
      message: expect.stringMatching(/nothing listens there.*start live@test.example/),
    })
    expect(port).not.toBe('')
  })

  it('is one of HTTP without channels', async () => {
    const { web, url, accepted } = await startScene()
    await accepted.close()
    expect(await refusedAt(url, web)).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/HTTP requests are answered there, and no channels/),
    })
  })

  it('is behind a proxy that takes a prefix from paths, and bound as the client asked for it', async () => {
    const asked = (path: string) => ({ target: path, time: realm.clock.now() })
    const { url, web, realm, refused, served } = await startScene({ pathPrefix: '/api' })
    for (const path of ['/live', '/api/live']) {
      const socket = await HandSocket.open(url)
      const opening = await openingOf(web, asked(path))
      const records = await socket.start(opening, async holds => void (await expect.poll(holds).toBe(true)))
      socket.send(records.sealGreeting())
    }
    await expect.poll(() => served.length).toBe(1)
    expect(refused).toMatchObject([{ code: 'binding_mismatch' }])
    const unaware = await startScene()
    const socket = await HandSocket.open(unaware.url)
    const { request } = await openingOf(unaware.web, { target: '/api/live', time: unaware.realm.clock.now() })
    socket.send(request.bytes)
    await expect.poll(() => unaware.refused).toMatchObject([{ code: 'binding_mismatch' }])
    expect(unaware.log.lines.map(({ fields }) => fields.hint)).toContainEqual(
      expect.stringContaining("acceptChannels({ pathPrefix: '/api' })"),
    )
    const wrong = await startScene({ externalUrl: () => 'nowhere' })
    expect(await refusedAt(wrong.url, wrong.web)).toMatchObject({ message: expect.stringContaining('500') })
    expect(wrong.log.lines.map(({ fields }) => fields.hook)).toContain('externalUrl')
  })

  it('is that of another service', async () => {
    const { web, url, realm } = await startScene()
    await realm.allow('web', 'billing')
    expect(await failure(web.openChannel(url, { service: 'billing' }))).toMatchObject({
      code: 'refused_unproved',
      facts: { claimed: 'ticket_invalid' },
    })
  })

  it('does not begin with ws', async () => {
    const { web } = await startScene()
    for (const [wrong, told] of [
      ['http://127.0.0.1/live', /ws:, wss:, tcp: or unix:/],
      ['live', /ws:, wss:, tcp: or unix:/],
      ['ws://user:secret@127.0.0.1/live', /no user name, password or fragment/],
      ['ws://127.0.0.1/live#x', /fragment/],
      [7, /takes a URL/],
    ] as const) {
      const cause = await failure(web.openChannel(wrong as string, { service: 'live' }))
      expect(cause, String(wrong)).toBeInstanceOf(TypeError)
      expect((cause as Error).message).toMatch(told)
      expect((cause as Error).message).not.toContain('secret')
    }
    expect(await failure(web.openChannel('ws://127.0.0.1:1/live'))).toMatchObject({
      message: expect.stringContaining('no service is named'),
    })
  })
})

describe('the options of acceptChannels', () => {
  const WRONG: readonly (readonly [object, RegExp])[] = [
    [{ path: 'live' }, /path is the path/],
    [{ path: '/a//b' }, /path is the path/],
    [{ path: '/live?x' }, /path is the path/],
    [{ path: undefined }, /path is the path/],
    [{ server: {} }, /server is a server/],
    [{ allowedOrigins: ['app.example'] }, /allowedOrigins is a list/],
    [{ allowedOrigins: 'https://app.example' }, /allowedOrigins is a list/],
    [{ allowedOrigins: ['http://*.example'] }, /each is named in full/],
    [{ pathPrefix: 'api/' }, /pathPrefix is a path/],
    [{ maxMessage: 0 }, /maxMessage is a number of bytes/],
    [{ maxBuffered: 1000 }, /maxBuffered has room/],
    [{ maxChannels: 0.5 }, /maxChannels is a whole number/],
    [{ openWithin: -1 }, /openWithin is a whole number/],
    [{ service: {} }, /service is what loadService gives/],
    [{ caveats: { x: 1 } }, /checker of "x" is a function/],
    [{ claims: { role: null } }, /the claim "role"/],
    [{ maxMesage: 1 }, /did you mean "maxMessage"/],
  ]

  it('are refused if they cannot be meant so', async () => {
    const { service, server } = await startScene()
    for (const [wrong, told] of WRONG) {
      const options = { service, server, path: '/more', ...wrong } as never
      expect(() => acceptChannels(options, echo), JSON.stringify(wrong)).toThrow(told)
    }
    expect(() => acceptChannels({ service, server, path: '/x' }, undefined as never)).toThrow(/the function/)
    expect(() => acceptChannels({ service, server, path: '/live' }, echo)).toThrow(/at \/live already/)
  })

  it('leaves other paths to other listeners', async () => {
    const { service, server, web, url } = await startScene()
    const more = acceptChannels({ service, server, path: '/more' }, channel => channel.send('more'))
    const channel = await web.openChannel(url.replace('/live', '/more'), { service: 'live' })
    expect(textOf(await channel.receive())).toBe('more')
    const foreign = vi.fn((_: unknown, socket: { destroy(): void }) => socket.destroy())
    server.on('upgrade', foreign)
    expect(
      await failure(web.openChannel(url.replace('/live', '/theirs'), { service: 'live' })),
    ).toMatchObject({
      code: 'unavailable',
    })
    expect(foreign).toHaveBeenCalled()
    onTestFinished(() => more.close())
  })
})
