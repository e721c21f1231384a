import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { IoredisClient } from '../../../service/redis.js'
import { SECOND } from '../../../shared/time.js'
import { hasRedis } from '../../support/redis.js'
import { admit, CLIENTS, kinds, type Opened, request, Scene } from './setting.js'

/** The replay cache that processes share through a real server, as each of them sees it. */

const MINUTE = 60 * SECOND

/** Each way in which a server can lose what it had. */
const LOSSES: readonly [how: string, lose: (scene: Scene, stamp: number) => Promise<unknown>][] = [
  ['FLUSHALL', ({ server }) => server.operate(operator => operator.flushall())],
  ['the state evicted', ({ server, state }) => server.operate(operator => operator.del(state))],
  [
    'the entries of a second evicted',
    ({ server, state }, stamp) =>
      server.operate(operator => operator.del(`${state}:${Math.floor(stamp / SECOND)}`)),
  ],
  [
    'one entry removed',
    ({ server, state }, stamp) =>
      server.operate(async operator => {
        const key = `${state}:${Math.floor(stamp / SECOND)}`
        await operator.hdel(key, (await operator.hkeys(key))[0] as string)
      }),
  ],
  [
    'a restart without data',
    async ({ server }) => {
      await server.kill()
      await server.start()
    },
  ],
]

/** A client that does something about each answer of the script that admits, or about each question. */
function meddling(
  client: IoredisClient,
  meddle: (ask: () => Promise<unknown>) => Promise<unknown>,
): IoredisClient {
  return {
    evalsha: (sha1, numkeys, ...args) => {
      const ask = () => client.evalsha(sha1, numkeys, ...args)
      return numkeys === 3 ? meddle(ask) : ask()
    },
    eval: (...args) => client.eval(...args),
  }
}

/** A client of a server whose clock is ahead. */
function withClock(client: IoredisClient, ahead: () => number): IoredisClient {
  return {
    evalsha: () => Promise.reject(new Error('NOSCRIPT')),
    eval: (text, ...args) => {
      const bent = text.replace('local now = ', `local now = ${ahead()} + `)
      return client.eval(bent, ...args)
    },
  }
}

/** What docs/several-processes.md has the server's owner permit. */
const PERMITTED = '+evalsha +eval +info +time +hget +hmget +hset +hlen +hkeys +hdel +del +pexpireat'.split(
  ' ',
)

async function clientOf(scene: Scene, user: string, permitted: readonly string[]): Promise<IoredisClient> {
  await scene.server.operate(operator =>
    operator.call('ACL', 'SETUSER', user, 'on', '>secret', '~orthrus:*', ...permitted),
  )
  const client = new Redis(scene.house.path, { username: user, password: 'secret', enableReadyCheck: false })
  client.on('error', () => {})
  onTestFinished(() => client.disconnect())
  return client
}

async function two(scene: Scene): Promise<[Opened, Opened]> {
  return [await scene.join(), await scene.join()]
}

describe.skipIf(!hasRedis)('the replay cache in a Redis server', () => {
  it.each(CLIENTS)('admits a request once among all processes, each with a client of %s', async kind => {
    const scene = await Scene.open()
    const caches = await Promise.all(
      [1, 2, 3].map(async () => scene.join({ client: await scene.client(kind) })),
    )
    const asked = request()
    expect(await admit(caches[0] as Opened, asked)).toBe('accepted')
    for (const cache of caches) expect(await admit(cache, asked)).toBe('replay')
    const copied = request()
    const copies = Array.from({ length: 30 }, (_, i) => admit(caches[i % 3] as Opened, copied))
    const outcomes = (await Promise.all(copies)).sort()
    expect(outcomes).toEqual(['accepted', ...Array(29).fill('replay')])
    expect(caches.flatMap(kinds)).toEqual([])
  })

  it('judges stamps by the clock of the server, however far apart those of the processes are', async () => {
    const scene = await Scene.open()
    const slow = await scene.join({ passed: -59 * SECOND })
    const fast = await scene.join({ passed: 59 * SECOND })
    for (const age of [0, 4 * SECOND, 40 * SECOND]) {
      const asked = request()
      const old = { ...asked, time: asked.time - age }
      expect((await Promise.all([admit(slow, old), admit(fast, old)])).sort()).toEqual(['accepted', 'replay'])
    }
    for (const cache of [slow, fast]) {
      expect(await admit(cache, request({ time: Date.now() - 60 * SECOND }))).toBe('clock_skew')
      expect(await admit(cache, request({ time: Date.now() + 15 * SECOND }))).toBe('clock_skew')
    }
    // What its clients are told is the time that they should stamp.
    const { now } = await slow.admit(request({ time: 0 }))
    expect(Math.abs(now - Date.now())).toBeLessThan(5 * SECOND)
    // A ticket is judged by the later of the two clocks.
    expect((await fast.admit(request())).now).toBeGreaterThan(Date.now() + 55 * SECOND)
    expect((await slow.admit(request())).now).toBeGreaterThan(Date.now() - 5 * SECOND)
    expect(await admit(fast, request({ endTime: Date.now() }))).toBe('ticket_expired')
  })

  it('accepts nothing in a process whose clock is more than a minute from that of the server', async () => {
    const scene = await Scene.open()
    for (const passed of [-65 * SECOND, 65 * SECOND]) {
      const cache = await scene.join({ passed })
      expect(await admit(cache, request())).toBe('unavailable')
      expect(kinds(cache)).toEqual(['redis_clock_apart'])
    }
  })

  it('has the floor of a start by the clock of the server in a process whose own is ahead', async () => {
    const scene = await Scene.open()
    await scene.join()
    const cache = await scene.start({ passed: 59 * SECOND })
    const { now, floor, refusal } = await cache.admit(request())
    expect(refusal).toBe('clock_skew')
    expect(floor - now).toBeLessThanOrEqual(6 * SECOND)
    expect((cache.floor ?? 0) - cache.clock.now()).toBeLessThanOrEqual(6 * SECOND)
  })

  it('goes on when the clock of the server, which was far ahead when it began, is put right', async () => {
    const scene = await Scene.open()
    let ahead = 24 * 60 * MINUTE
    const client = withClock((await scene.client()) as IoredisClient, () => ahead)
    const cache = await scene.start({ client, passed: -55 * SECOND })
    cache.clock.passed = 0
    expect(await admit(cache, request())).toBe('unavailable')
    expect(kinds(cache)).toEqual(['redis_clock_apart'])
    ahead = 0
    expect(await admit(cache, request())).toBe('clock_skew')
    await scene.server.passStart()
    const asked = request({ time: Date.now() + 4 * SECOND })
    expect(await admit(cache, asked)).toBe('accepted')
    ahead = 24 * 60 * MINUTE
    expect(await admit(cache, asked)).toBe('unavailable')
    ahead = 0
    expect(await admit(cache, asked)).toBe('replay')
    expect(await admit(cache, request())).toBe('accepted')
  })

  it('admits nothing, and leaves nothing behind, where one of the permissions of the docs is missing', async () => {
    const scene = await Scene.open()
    const all = await scene.join({ client: await clientOf(scene, 'all', PERMITTED) })
    for (const command of PERMITTED.filter(each => !each.startsWith('+eval'))) {
      const permitted = PERMITTED.filter(other => other !== command)
      const client = await clientOf(scene, `all${command}`, permitted)
      await scene.server.operate(operator => operator.flushall())
      const cache = await scene.start({ client, passed: -55 * SECOND })
      // Only the one that begins an epoch needs it.
      if (command !== '+del') await admit(all, request())
      await scene.server.passStart()
      cache.clock.passed = 0
      for (let i = 0; i < 2; i++) expect(await admit(cache, request()), command).toBe('unavailable')
      const keys = await scene.server.operate(operator => operator.keys('*'))
      expect(keys.filter(key => key !== scene.state)).toEqual([])
      expect(kinds(cache)).toContain('redis_away')
    }
    expect(kinds(all)).toEqual(['redis_forgot'])
  })

  it('begins a new epoch where the state is none that it wrote', async () => {
    const scene = await Scene.open()
    const cache = await scene.join()
    const wrong = {
      newest: ['nan', 'soon', ''],
      floor: ['1e999', '9'.repeat(20), '-1'],
      epoch: ['a b', '', 'a'.repeat(65)],
      server: [''],
    }
    for (const [field, values] of Object.entries(wrong)) {
      for (const value of values) {
        await scene.server.operate(operator => operator.hset(scene.state, field, value))
        const { refusal, floor, now } = await cache.admit(request())
        expect(refusal, `${field} ${value}`).toBe('clock_skew')
        expect(floor - now).toBeGreaterThan(5 * SECOND)
        expect(floor - now).toBeLessThan(7 * SECOND)
      }
    }
  })

  it('has the floor of a start in a process that starts, and nothing that the first start left open', async () => {
    const scene = await Scene.open()
    const first = await scene.start({ passed: -10 * SECOND })
    const asked = request()
    // The server's own start: whatever it had before it lost everything was stamped before this.
    expect(await admit(first, asked)).toBe('clock_skew')
    expect((first.floor ?? 0) - first.clock.now()).toBeGreaterThan(0)
    await scene.server.passStart()
    expect(await admit(first, asked)).toBe('accepted')
    const second = await scene.start()
    expect(await admit(second, request())).toBe('clock_skew')
    expect(await admit(first, request())).toBe('accepted')
  })

  it.each(LOSSES)('admits nothing again after %s', async (_, lose) => {
    const scene = await Scene.open()
    const [first, second] = await two(scene)
    const asked = request()
    expect(await admit(first, asked)).toBe('accepted')
    const before = Date.now()
    await lose(scene, asked.time)
    await expect.poll(() => admit(second, asked)).toBe('clock_skew')
    await expect.poll(() => admit(first, asked)).toBe('clock_skew')
    const { floor } = await first.admit(asked)
    expect(floor).toBeGreaterThanOrEqual(before + 6 * SECOND)
    expect(floor).toBeLessThanOrEqual(Date.now() + 6.1 * SECOND)
    expect(kinds(second)).toContain('redis_forgot')
    // Everything that was stamped before is below it, for both.
    const last = request({ time: floor })
    for (const cache of [first, second]) expect(await admit(cache, last)).not.toBe('accepted')
  })

  it('goes on after a loss, with each request once', async () => {
    const scene = await Scene.open()
    const [first, second] = await two(scene)
    await scene.server.operate(operator => operator.flushall())
    for (const cache of [first, second]) await admit(cache, request())
    const third = await scene.join()
    expect(await admit(third, request())).toBe('accepted')
    expect(await admit(first, request())).not.toBe('accepted')
  })

  it('carries the time of the old server over to another one whose clock is behind', async () => {
    const scene = await Scene.open()
    const client = (await scene.client()) as IoredisClient
    let ahead = 30 * SECOND
    const old = meddling(client, async ask => {
      const [outcome, epoch, now, floor] = String(await ask()).split(' ')
      return [outcome, epoch, Number(now) + ahead, floor].join(' ')
    })
    const cache = await scene.join({ client: old })
    await cache.admit(request())
    ahead = 0
    await scene.server.operate(operator => operator.flushall())
    const { now, floor, refusal } = await cache.admit(request())
    expect(refusal).toBe('unavailable')
    expect(floor - now).toBeGreaterThan(30 * SECOND)
    expect(floor - now).toBeLessThan(40 * SECOND)
  })

  it('loses nothing to a fail-over to a replica, nor to one back, even in a process that slept through both', async () => {
    const scene = await Scene.open()
    const other = await scene.house.start()
    const awake = await scene.join()
    const asleep = await scene.join()
    const asked = request()
    expect(await admit(awake, asked)).toBe('accepted')
    await other.follow(scene.server)
    // The last moment of the first server never reaches the second one.
    await scene.server.operate(operator => operator.del(`${scene.state}:${Math.floor(asked.time / SECOND)}`))
    await other.promote()
    await scene.server.follow(other)
    await scene.server.promote()
    expect(await admit(asleep, asked)).toBe('clock_skew')
    expect(await admit(awake, asked)).toBe('clock_skew')
    scene.house.serveBy(other)
    await scene.server.kill()
    await expect.poll(() => admit(awake, asked)).toBe('clock_skew')
    expect(await admit(asleep, asked)).toBe('clock_skew')
  })

  it('admits nothing again at a server that went back to what it was earlier, once a process has asked that knows better', async () => {
    const scene = await Scene.open('--enable-debug-command', 'yes')
    const [first, second] = await two(scene)
    for (const cache of [first, second]) expect(await admit(cache, request())).toBe('accepted')
    await scene.server.operate(operator => operator.save())
    const asked = request({ time: Date.now() + 4 * SECOND })
    expect(await admit(first, asked)).toBe('accepted')
    // It has the same replication id after this, as a virtual machine has that is put back to a snapshot.
    await scene.server.operate(operator => operator.call('DEBUG', 'RELOAD', 'NOSAVE'))
    expect(await admit(first, request())).toBe('clock_skew')
    expect(await admit(second, asked)).toBe('clock_skew')
    expect(kinds(second)).toEqual(['redis_forgot'])
  })

  it('ends an epoch that a process comes back to from another one', async () => {
    const scene = await Scene.open()
    const [first, second] = await two(scene)
    const { epoch } = await scene.server.operate(operator => operator.hgetall(scene.state))
    await scene.server.operate(operator => operator.swapdb(0, 1))
    expect(await admit(first, request())).toBe('clock_skew')
    await scene.server.operate(operator => operator.swapdb(0, 1))
    expect((await scene.server.operate(operator => operator.hgetall(scene.state))).epoch).toBe(epoch)
    await admit(first, request())
    // It knows nothing of what was accepted elsewhere.
    expect(await admit(second, request())).toBe('clock_skew')
    expect(kinds(second)).toEqual(['redis_forgot'])
  })

  it('admits nothing at a replica', async () => {
    const scene = await Scene.open()
    const cache = await scene.join()
    const other = await scene.house.start()
    // Such a one takes what is written, and forgets it whenever its master says so.
    await scene.server.operate(operator => operator.config('SET', 'replica-read-only', 'no'))
    await scene.server.follow(other)
    const asked = request()
    expect(await admit(cache, asked)).toBe('unavailable')
    expect(cache.told).toEqual([{ kind: 'redis_away', reason: expect.stringContaining('replica') }])
  })

  it.each(CLIENTS)('refuses what a paused server leaves unanswered, and never accepts it: %s', async kind => {
    const scene = await Scene.open()
    const cache = await scene.join({ client: await scene.client(kind), timeout: 500 })
    await expect.poll(() => admit(cache, request())).toBe('accepted')
    const asked = request()
    scene.server.pause()
    expect(await admit(cache, asked)).toBe('unavailable')
    scene.server.resume()
    await expect.poll(() => admit(cache, request())).toBe('accepted')
    await expect.poll(() => admit(cache, asked)).toBe('replay')
    expect(kinds(cache)).toContain('redis_away')
  })

  it('refuses while the server is away, also at a start, and goes on when it is there', async () => {
    const scene = await Scene.open()
    await scene.server.kill()
    const cache = await scene.start({ passed: -10 * SECOND, timeout: 500 })
    expect(await admit(cache, request())).toBe('unavailable')
    expect(kinds(cache)).toEqual(['redis_away'])
    await scene.server.start()
    await expect.poll(() => admit(cache, request())).toBe('clock_skew')
    await scene.server.passStart()
    await expect.poll(() => admit(cache, request())).toBe('accepted')
  })

  it('believes no answer that comes late, is of another epoch, or cannot be one', async () => {
    const scene = await Scene.open()
    const client = (await scene.client()) as IoredisClient
    let answer: (said: string) => unknown = said => said
    const cache = await scene.join({ client: meddling(client, async ask => answer(String(await ask()))) })
    const wrong: ((said: string) => unknown)[] = [
      said => said.replace(/ \S+/, ' another-epoch'),
      said => `${said} 1`,
      said => said.replace('admitted', 'yes'),
      () => null,
      () => ['admitted'],
      () => Promise.reject(new Error('LOADING')),
      said => {
        cache.clock.passed += 11 * SECOND
        return said
      },
    ]
    for (const each of wrong) {
      answer = each
      const asked = request()
      expect(await admit(cache, asked), String(each)).toBe('unavailable')
      answer = said => said
      expect(await admit(cache, asked)).toBe('replay')
    }
  })

  it('knows an attempt again that its client sends twice', async () => {
    const scene = await Scene.open()
    const client = (await scene.client()) as IoredisClient
    const resending = meddling(client, async ask => {
      await ask()
      return await ask()
    })
    const cache = await scene.join({ client: resending })
    const asked = request()
    expect(await admit(cache, asked)).toBe('accepted')
    expect(await admit(cache, asked)).toBe('replay')
  })

  it('keeps no more questions without an answer than it may', async () => {
    let asked = 0
    const silent: IoredisClient = {
      evalsha: () => {
        asked++
        return new Promise(() => {})
      },
      eval: () => Promise.reject(new Error('never')),
    }
    const scene = await Scene.open()
    const cache = await scene.start({ client: silent, timeout: 1 })
    await Promise.all(Array.from({ length: 4100 }, () => admit(cache, request())))
    expect(asked).toBe(4096)
    expect(await admit(cache, request())).toBe('unavailable')
    expect(asked).toBe(4096)
  })

  it('accepts nothing when the clock of the server has gone back, until it has caught up', async () => {
    const scene = await Scene.open()
    const cache = await scene.join()
    const asked = request()
    expect(await admit(cache, asked)).toBe('accepted')
    // As if it had read this time before.
    const ahead = Date.now() + MINUTE
    await scene.server.operate(operator => operator.hset(scene.state, 'newest', String(ahead)))
    const { refusal, floor, reason } = await cache.admit(request())
    expect([refusal, floor]).toEqual(['unavailable', ahead + 6 * SECOND])
    expect(reason).toContain('was set back')
    expect(await admit(cache, asked)).toBe('unavailable')
    expect(kinds(cache)).toEqual(['redis_forgot'])
  })

  it('keeps a client to its quarter, and accepts nothing when it is full', async () => {
    const scene = await Scene.open()
    const cache = await scene.join({ maxEntries: 1000 })
    // All of one time, since what is counted is counted by the minute of its stamp.
    const time = Date.now()
    const ask = (name: string) => admit(cache, request({ time, presenter: `${name}@demo.example` as never }))
    for (const name of ['a', 'b', 'c', 'd']) {
      for (let i = 0; i < 125; i++) expect(await ask(name)).toBe('accepted')
      expect(await ask(name)).toBe('rate_limited')
    }
    expect(await ask('e')).toBe('unavailable')
    expect(kinds(cache)).toEqual(['redis_full'])
  })

  it('lets every entry expire, and forgets what it counted of them', async () => {
    const scene = await Scene.open()
    const cache = await scene.join()
    const old = `${Math.floor(Date.now() / SECOND) - 100}`
    await scene.server.operate(operator => operator.hset(scene.state, old, '3'))
    await admit(cache, request())
    await scene.server.operate(async operator => {
      const keys = (await operator.keys('*')).filter(key => key !== scene.state)
      expect(keys.length).toBe(2)
      for (const key of keys) {
        const left = await operator.pttl(key)
        expect(left).toBeGreaterThan(68 * SECOND)
        expect(left).toBeLessThan(140 * SECOND)
      }
      expect(await operator.hkeys(scene.state)).not.toContain(old)
    })
    // What is too old to be accepted is not missed.
    const expired = Math.floor(Date.now() / SECOND) - 65
    await scene.server.operate(operator => operator.hset(scene.state, String(expired), '3'))
    expect(await admit(cache, request({ time: expired * SECOND }))).toBe('clock_skew')
    expect(kinds(cache)).toEqual([])
  })

  it('is not shared by two services, and admits nothing when it is closed', async () => {
    const scene = await Scene.open()
    const cache = await scene.join()
    cache.close()
    expect(await admit(cache, request())).toBe('unavailable')
    const keys = await scene.server.operate(operator => operator.keys('*'))
    expect(keys).toEqual([scene.state])
  })
})

describe.skipIf(!hasRedis)('a Redis server that forgets when its memory is full', () => {
  it('is refused at the start, by the name of its policy', async () => {
    const scene = await Scene.open('--maxmemory-policy', 'allkeys-lru')
    const refused = scene.start()
    await expect(refused).rejects.toMatchObject({ code: 'unavailable' })
    await expect(refused).rejects.toThrow(/maxmemory-policy allkeys-lru.*set it to noeviction/)
  })

  it('is refused when it takes over, and no longer when it is set right', async () => {
    const scene = await Scene.open()
    const cache = await scene.join()
    await scene.server.operate(operator => operator.config('SET', 'maxmemory-policy', 'volatile-ttl'))
    await scene.server.operate(operator => operator.flushall())
    expect(await admit(cache, request())).toBe('unavailable')
    expect(cache.told).toContainEqual({ kind: 'redis_evicts', policy: 'volatile-ttl' })
    await scene.server.operate(operator => operator.config('SET', 'maxmemory-policy', 'noeviction'))
    expect(await admit(cache, request())).toBe('clock_skew')
  })

  it('admits nothing twice where it is allowed', async () => {
    const scene = await Scene.open('--maxmemory-policy', 'allkeys-random', '--maxmemory-samples', '1')
    const cache = await scene.join({ allowEviction: true })
    const accepted = []
    for (let i = 0; i < 200; i++) {
      const asked = request({ time: Date.now() - (i % 40) * SECOND })
      if ((await admit(cache, asked)) === 'accepted') accepted.push(asked)
    }
    expect(accepted.length).toBe(200)
    await scene.server.operate(async operator => {
      const used = Number(/used_memory:(\d+)/.exec(await operator.info('memory'))?.[1])
      const before = await operator.dbsize()
      await operator.config('SET', 'maxmemory', String(used - 20_000))
      await operator.set('of-somebody-else', 'x').catch(() => {})
      expect(await operator.dbsize()).toBeLessThan(before)
    })
    for (const asked of accepted) expect(await admit(cache, asked)).not.toBe('accepted')
    expect(kinds(cache)).toEqual(['redis_forgot'])
  })

  it('takes nothing when its memory is full and it may not forget', async () => {
    const scene = await Scene.open()
    const cache = await scene.join()
    await scene.server.operate(operator => operator.config('SET', 'maxmemory', '1'))
    const asked = request()
    expect(await admit(cache, asked)).toBe('unavailable')
    await scene.server.operate(operator => operator.config('SET', 'maxmemory', '0'))
    expect(await admit(cache, asked)).toBe('accepted')
    expect(cache.told).toEqual([{ kind: 'redis_away', reason: expect.stringContaining('OOM') }])
  })
})
