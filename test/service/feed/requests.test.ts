import { describe, expect, it } from 'vitest'
import { type LoadServiceOptions, requireTicket, type TicketHandler } from '../../../service/index.js'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import type { Watched } from '../../../service/request/revocation.js'
import { createService, partsOf } from '../../../service/request/service.js'
import type { AcceptedTicket } from '../../../service/request/ticket.js'
import { FLAG } from '../../../shared/constants.js'
import { MINUTE, SECOND } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'
import { turns, until } from '../../support/turns.js'
import { formatRequest } from '../connection.js'
import { expectProved, expectRefused, GATE, type HeldTicket, startRealm, WEB } from '../realm.js'
import { FeedSetting } from './setting.js'

/** Requests at a service that follows the log: what is refused, what is ended, and how it is answered. */

async function start(handler?: TicketHandler, load?: Partial<LoadServiceOptions>) {
  const clock = new TestClock()
  const setting = new FeedSetting({}, undefined, clock)
  const { feed, kdc } = setting
  const ones: Watched[] = []
  const watched = {
    begun: 0,
    over: 0,
    /** How many need no end, since nobody is left to hear of it. */
    get gone(): number {
      return ones.filter(({ isGone }) => isGone).length
    },
  }
  const [watch, forget] = [feed.watch.bind(feed), feed.forget.bind(feed)]
  feed.watch = one => {
    watched.begun++
    ones.push(one)
    watch(one)
  }
  feed.forget = one => {
    watched.over++
    forget(one)
  }
  const realm = await startRealm({
    testClock: clock,
    feed,
    ...(handler && { handler }),
    ...(load && { load }),
  })
  await clock.elapse(0)
  return { clock, realm, kdc, feed, watched }
}

function revoking({ ticketId }: HeldTicket) {
  const by = Uint8Array.from(ticketId.match(/../g) ?? [], pair => Number.parseInt(pair, 16))
  return { kind: 'ticket', by } as const
}

describe('a request under a revoked ticket', () => {
  it('is refused for good, after everything else was right', async () => {
    const { realm, kdc } = await start()
    const ticket = realm.ticket()
    const first = realm.sign({}, { ticket })
    expectProved(await realm.send(first), first)
    kdc.revoke(revoking(ticket))
    await turns()
    const again = realm.sign({}, { ticket })
    expectRefused(await realm.send(again), again, 'revoked', '06')
    const limited = realm.sign({}, { ticket, caveats: [{ name: 'methods', methods: ['PUT'] }] })
    expectRefused(await realm.send(limited), limited, 'caveat_failed', '06')
    expect(realm.refused[0]).toMatchObject({ code: 'revoked', presenter: WEB })
    expect(realm.handled.length).toBe(1)
  })

  it.each(['own', 'delegated'] as const)('is refused where it is one of two: the %s one', async which => {
    const { realm, kdc } = await start()
    const own = realm.ticket({ client: GATE })
    const delegated = realm.ticket({ flags: FLAG.DELEGABLE })
    const present = {
      ticket: own,
      delegated: { ticket: delegated, caveats: [{ name: 'holder', holder: GATE } as const] },
    }
    const first = realm.sign({}, present)
    expectProved(await realm.send(first), first)
    kdc.revoke(revoking(which === 'own' ? own : delegated))
    await turns()
    const again = realm.sign({}, present)
    expectRefused(await realm.send(again), again, 'revoked', '06')
  })

  it('is refused as unavailable while nobody knows what is revoked', async () => {
    const { realm, kdc, clock } = await start()
    kdc.isHeld = true
    await clock.elapse(10 * MINUTE + 10 * SECOND)
    const signed = realm.sign()
    expectRefused(await realm.send(signed), signed, 'unavailable', '06')
  })

  it('is refused by KDC time once its ticket has ended there', async () => {
    const clock = new TestClock()
    const setting = new FeedSetting({}, undefined, clock)
    setting.kdcAhead = 30 * MINUTE
    const realm = await startRealm({ testClock: clock, feed: setting.feed })
    await clock.elapse(0)
    const [short, long] = [20, 40].map(minutes => realm.ticket({ endTime: clock.now() + minutes * MINUTE }))
    const [ended, good] = [short, long].map(ticket => realm.sign({}, ticket && { ticket }))
    if (ended === undefined || good === undefined) throw new Error('no requests')
    expectRefused(await realm.send(ended), ended, 'ticket_expired', '06')
    expectProved(await realm.send(good), good)
  })
})

describe('a request whose body is on its way when its ticket is revoked', () => {
  const body = Buffer.from('the whole order')

  it('is refused at once, though the body never becomes whole', async () => {
    const { realm, kdc, watched } = await start()
    const ticket = realm.ticket()
    const signed = realm.sign({ method: 'POST', body }, { ticket })
    const connection = realm.connect()
    connection.write(formatRequest(signed).subarray(0, -5), 'POST')
    await until(() => watched.begun === 1)
    kdc.revoke(revoking(ticket))
    const response = connection.response()
    expectRefused(await response, signed, 'revoked', '06')
    expect(realm.handled).toEqual([])
    expect(watched.over).toBe(1)
  })

  it('is looked at again when it is whole', async () => {
    const { realm, kdc, clock, watched } = await start()
    const signed = realm.sign({ method: 'POST', body })
    const bytes = formatRequest(signed)
    const connection = realm.connect()
    kdc.isHeld = true
    await clock.elapse(9 * MINUTE + 50 * SECOND)
    const stamped = realm.sign({ method: 'POST', body })
    connection.write(formatRequest(stamped).subarray(0, -5), 'POST')
    await until(() => watched.begun === 1)
    await clock.elapse(30 * SECOND)
    connection.write(bytes.subarray(-5))
    expectRefused(await connection.response(), stamped, 'unavailable', '06')
    expect(realm.handled).toEqual([])
  })
})

describe('a request that is being handled when its ticket is revoked', () => {
  it('is answered as revoked, whatever its handler had written and still writes', async () => {
    let seen: AcceptedTicket | undefined
    const reasons: unknown[] = []
    const { realm, kdc, watched } = await start((_, res, ticket) => {
      seen = ticket
      res.setHeader('content-type', 'text/plain')
      res.write('half of a secret')
      return new Promise((_, reject) => {
        ticket.signal.addEventListener('abort', () => {
          reasons.push(ticket.signal.reason)
          res.end('and the other half')
          reject(ticket.signal.reason)
        })
      })
    })
    const ticket = realm.ticket()
    const signed = realm.sign({}, { ticket })
    const response = realm.send(signed)
    await until(() => seen !== undefined)
    kdc.revoke(revoking(ticket))
    expectRefused(await response, signed, 'revoked', '06')
    await until(() => watched.over === watched.begun)
    expect(reasons).toMatchObject([{ code: 'revoked', final: true }])
    expect(realm.refused).toMatchObject([{ code: 'revoked', presenter: WEB }])
    expect(realm.log.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('is answered as unavailable if it may do harm twice, since it may have been carried out', async () => {
    const { realm, kdc } = await start(() => new Promise(() => {}))
    const ticket = realm.ticket()
    const signed = realm.sign({ method: 'POST', body: Buffer.from('x') }, { ticket })
    const response = realm.send(signed)
    await until(() => realm.handled.length === 1)
    kdc.revoke(revoking(ticket))
    expectRefused(await response, signed, 'unavailable', '06')
  })

  it.each(['GET', 'POST'])(
    'is ended as unavailable once no KDC has answered for maxStaleness: a %s',
    async method => {
      const reasons: unknown[] = []
      const { realm, kdc, clock, watched } = await start((_, res, { signal }) => {
        res.write('half of a secret')
        return new Promise(() => signal.addEventListener('abort', () => reasons.push(signal.reason)))
      })
      const signed = realm.sign({ method, ...(method === 'POST' && { body: Buffer.from('x') }) })
      const response = realm.send(signed)
      await until(() => realm.handled.length === 1)
      kdc.isHeld = true
      await clock.elapse(10 * MINUTE - 10 * SECOND)
      expect(reasons).toEqual([])
      await clock.elapse(11 * SECOND)
      expectRefused(await response, signed, 'unavailable', '06')
      expect(reasons).toMatchObject([{ code: 'unavailable' }])
      await until(() => watched.over === watched.begun)
    },
  )

  it('stays as it was answered', async () => {
    const { realm, kdc, watched } = await start()
    const ticket = realm.ticket()
    const signed = realm.sign({}, { ticket })
    expectProved(await realm.send(signed), signed)
    await until(() => watched.over === 1)
    kdc.revoke(revoking(ticket))
    await turns()
    expect(realm.refused).toEqual([])
  })

  it('is over for the feed once it is answered, though its connection stays', async () => {
    const { realm, watched } = await start()
    const connection = realm.connect()
    connection.write(formatRequest(realm.sign()), 'GET')
    await until(() => watched.over === 1)
    connection.write(formatRequest(realm.sign()), 'GET')
    await until(() => watched.over === 2)
    expect(watched.begun).toBe(2)
    connection.destroy()
  })

  it('is over for the feed where its handler writes too much, and where it throws', async () => {
    const { realm, watched } = await start((_, res) => {
      if (realm.handled.length === 2) throw new RangeError('a fault')
      return new Promise(() => res.write(Buffer.alloc(11 * 1024 * 1024)))
    })
    const connection = realm.connect()
    for (const over of [1, 2]) {
      connection.write(formatRequest(realm.sign()), 'GET')
      await until(() => watched.over === over)
    }
    connection.destroy()
  })

  it.each(['onRefused', 'passRefusals'])(
    'is over for the feed where a gate further in refuses it and the application answers, by %s',
    async by => {
      const { realm, watched } = await start((req, res) => {
        const onRefused = by === 'onRefused' ? () => res.end('no') : () => {}
        const options = { service: realm.service, claims: { role: 'writer' }, onRefused }
        const inner = requireTicket({ ...options, passRefusals: by === 'passRefusals' })
        inner(req, res, () => res.end('no'))
      })
      const connection = realm.connect()
      for (const over of [1, 2]) {
        connection.write(formatRequest(realm.sign()), 'GET')
        const { status, body } = await connection.response()
        expect([status, body.toString()]).toEqual([403, 'no'])
        await until(() => watched.over === over)
      }
      connection.destroy()
    },
  )

  it('is over for both of two services that accept it, though its connection stays', async () => {
    const { realm, watched, clock } = await start((req, res) => {
      const replayCache = new BoundedReplayCache({ clock, floor: 0 })
      const service = createService({ ...partsOf(realm.service), replayCache })
      requireTicket({ service })(req, res, () => res.end('twice'))
    })
    const connection = realm.connect()
    for (const over of [2, 4]) {
      connection.write(formatRequest(realm.sign()), 'GET')
      expect((await connection.response()).body.toString()).toBe('twice')
      await until(() => watched.over === over)
    }
    expect(watched.begun).toBe(4)
    connection.destroy()
  })

  it('is over for the feed once its client is gone', async () => {
    const { realm, kdc, watched } = await start(() => new Promise(() => {}))
    const ticket = realm.ticket()
    const connection = realm.connect()
    connection.write(formatRequest(realm.sign({}, { ticket })), 'GET')
    await until(() => realm.handled.length === 1)
    connection.destroy()
    await until(() => watched.gone === 1)
    kdc.revoke(revoking(ticket))
    await turns()
    expect(realm.refused).toEqual([])
  })

  it('is over for the feed too where it waited behind another one when its client went away', async () => {
    const { realm, watched } = await start(() => new Promise(() => {}))
    const connection = realm.connect()
    for (let i = 0; i < 20; i++) connection.write(formatRequest(realm.sign()), 'GET')
    await until(() => realm.handled.length === 20)
    connection.destroy()
    await until(() => watched.gone === 20)
  })

  it('is over for the feed too where its client went away before it was accepted', async () => {
    let admit = (): void => {}
    const admitted = new Promise<void>(resolve => {
      admit = resolve
    })
    const { realm, clock, watched } = await start(() => new Promise(() => {}), {
      replayCache: {
        admit: async () => {
          await admitted
          return { now: clock.now(), floor: 0 }
        },
      },
    })
    const closed = new Promise(resolve => {
      realm.server.once('connection', socket => socket.once('close', resolve))
    })
    const connection = realm.connect()
    await connection.write(formatRequest(realm.sign()), 'GET').flushed()
    connection.destroy()
    await closed
    admit()
    await until(() => watched.begun === 1)
    expect(watched.gone).toBe(1)
  })

  it('has a signal that is made late, and tells it too', async () => {
    let seen: AcceptedTicket | undefined
    const { realm, kdc } = await start((_req, _res, ticket) => {
      seen = ticket
      return new Promise(() => {})
    })
    const ticket = realm.ticket()
    const response = realm.get({ ticket })
    await until(() => seen !== undefined)
    kdc.revoke(revoking(ticket))
    await response
    expect(seen?.signal.aborted).toBe(true)
    expect(seen?.signal).toBe(seen?.signal)
  })
})

describe('a service that does not follow', () => {
  it('has a signal that is not aborted, and a state without a feed', async () => {
    let seen: AcceptedTicket | undefined
    const realm = await startRealm({
      handler: (_req, res, ticket) => {
        seen = ticket
        res.end()
      },
    })
    await realm.get()
    expect(seen?.signal.aborted).toBe(false)
    const unknown = { state: undefined, createdAt: undefined, age: undefined }
    expect(realm.service.state).toEqual({
      ready: true,
      keys: [
        { kvno: 3, ...unknown },
        { kvno: 2, ...unknown },
      ],
      feed: undefined,
    })
  })

  it('accepts nothing once it is closed', async () => {
    const realm = await startRealm()
    {
      await using service = realm.service
      expect(service.state.ready).toBe(true)
    }
    const signed = realm.sign()
    expectRefused(await realm.send(signed), signed, 'unavailable', '05')
    expect(realm.service.state.ready).toBe(false)
  })
})
