import { describe, expect, it, onTestFinished } from 'vitest'
import { DEFAULT_LIMITS, FEED } from '../../../kdc/limits/defaults.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import { openRealm } from '../../../kdc/realm/realm.js'
import { createMemoryStore } from '../../../kdc/store/memory.js'
import type { Store } from '../../../kdc/store/store.js'
import { Vault } from '../../../kdc/vault/vault.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { OrthrusError } from '../../../shared/errors.js'
import type { RevocationEntry } from '../../../shared/revocation/entry.js'
import type { FeedPosition } from '../../../shared/revocation/feed.js'
import { DAY, SECOND } from '../../../shared/time.js'
import { Chance } from '../../support/chance.js'
import { local } from '../../support/realm.js'
import { type FeedScene, feedScene, type Heard, revoke, settled, TestFollower } from './following.js'

const seqsOf = (entries: readonly RevocationEntry[]) => entries.map(({ seq }) => seq)
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

/** `entry 3`, `alive 3` and the like: what a follower heard, in order. */
function told(heard: readonly Heard[]): string[] {
  return heard.map(one => {
    if (typeof one === 'string') return one
    if ('name' in one) return `${one.name} ${one.fields[0]}`
    return 'code' in one ? one.code : `answer ${one.results[2]}`
  })
}

async function following(scene: FeedScene, name = 'orders'): Promise<TestFollower> {
  const follower = await TestFollower.open(scene, await scene.add(name))
  await follower.follow()
  return follower
}

/** Holds every read of the log back until it is let go. */
function stallReads(scene: FeedScene): () => void {
  const list = scene.store.list.bind(scene.store)
  let release = (): void => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  scene.store.list = async (kind, page) => {
    if (kind === 'revocation') await released
    return list(kind, page)
  }
  return () => {
    scene.store.list = list
    release()
  }
}

/** Does something just before the next change is stored, and so before the log can read it. */
function atCommit(scene: FeedScene, act: () => void): void {
  const commit = scene.store.commit.bind(scene.store)
  scene.store.commit = changes => {
    scene.store.commit = commit
    act()
    return commit(changes)
  }
}

describe('a follower', () => {
  it('of an empty log is told 1 and 0, then of each entry to come', async () => {
    const scene = await feedScene()
    const orders = await TestFollower.open(scene, await scene.add('orders'))
    const { logId } = scene.realm.record
    expect(await orders.follow()).toEqual({ logId, oldest: 1, newest: 0, time: scene.clock.now() })
    await scene.add('web')
    await scene.call('disable', [local('web')])
    await settled()
    expect(seqsOf(orders.entries())).toEqual([1])
    expect(await orders.call('seen', 1)).toEqual([])
    expect(await orders.alive()).toEqual({ logId, oldest: 1, newest: 1, time: scene.clock.now() })
  })

  it('goes on behind the entry that it applied last', async () => {
    const scene = await feedScene()
    const orders = await scene.add('orders')
    await revoke(scene, 5)
    const first = await TestFollower.open(scene, orders)
    await first.follow()
    await settled()
    const third = first.entries()[2] as RevocationEntry
    const again = await TestFollower.open(scene, orders)
    await again.follow({ logId: scene.realm.record.logId, seq: 3, mark: third.mark })
    await settled()
    expect(seqsOf(again.entries())).toEqual([4, 5])
    await revoke(scene)
    await settled()
    expect(seqsOf(again.entries())).toEqual([6])
  })

  it.each<[string, (position: FeedPosition) => Value[]]>([
    ['of another log', ({ seq, mark }) => [systemRandom(16), seq, mark]],
    ['of another mark', ({ logId, seq }) => [logId, seq, systemRandom(8)]],
    ['of the number of another entry', ({ logId, mark }) => [logId, 4, mark]],
    ['of an entry to come', ({ logId, mark }) => [logId, 99, mark]],
    ['of entry 0', ({ logId, mark }) => [logId, 0, mark]],
    ['without a log', ({ seq, mark }) => [null, seq, mark]],
    ['without a number', ({ logId, mark }) => [logId, null, mark]],
    ['without a mark', ({ logId, seq }) => [logId, seq, null]],
  ])('with a position %s begins at the oldest entry', async (_, positionOf) => {
    const scene = await feedScene()
    const orders = await scene.add('orders')
    await revoke(scene, 5)
    const [third] = await scene.realm.revocations.entries(3, 1)
    const follower = await TestFollower.open(scene, orders)
    const known = { logId: scene.realm.record.logId, seq: 3, mark: (third as RevocationEntry).mark }
    await follower.call('follow', ...positionOf(known))
    await settled()
    expect(seqsOf(follower.entries())).toEqual([1, 2, 3, 4, 5])
  })

  it('reads the name of a revoked client only if it is its own, or an administrator', async () => {
    const scene = await feedScene()
    const web = await TestFollower.open(scene, await scene.add('web'))
    const admin = await TestFollower.open(scene, scene.admin)
    const orders = await following(scene)
    for (const each of [web, admin]) await each.follow()
    await revoke(scene, 1, local('web'))
    await revoke(scene, 1, local('other'))
    await settled()
    const names = (follower: TestFollower) => follower.entries().map(({ principal }) => principal)
    expect(names(orders)).toEqual([null, null])
    expect(names(web)).toEqual([local('web'), null])
    expect(names(admin)).toEqual([local('web'), local('other')])
  })

  it.each<[string, Value[]]>([
    ['follow', [null, null, null]],
    ['follow', [null, 1]],
    ['alive', [1]],
    ['seen', []],
    ['seen', [6]],
    ['seen', [null]],
  ])('cannot call %s with %j', async (method, args) => {
    const scene = await feedScene()
    await revoke(scene, 5)
    const orders = await following(scene)
    await settled()
    await expect(orders.call(method, ...args)).rejects.toMatchObject({ code: 'malformed' })
  })

  it.each(['alive', 'seen'])('must follow before it calls %s', async method => {
    const scene = await feedScene()
    const orders = await TestFollower.open(scene, await scene.add('orders'))
    const args = method === 'seen' ? [0] : []
    await expect(orders.call(method, ...args)).rejects.toMatchObject({ code: 'malformed' })
  })

  it('may say what it applied again, and never less', async () => {
    const scene = await feedScene()
    await revoke(scene, 5)
    const orders = await following(scene)
    await settled()
    for (const seq of [5, 5, 2]) await orders.call('seen', seq)
    expect([...scene.realm.feed.rows().rows]).toMatchObject([{ principal: local('orders'), seen: 5 }])
  })

  it('gets a log of many pages in order, whether it was in memory or not', async () => {
    const scene = await feedScene()
    const live = await following(scene, 'live')
    const many = 4 * (FEED.PAGE - 5)
    for (let i = 0; i < 4; i++) await revoke(scene, FEED.PAGE - 5)
    await settled(30)
    expect(seqsOf(live.entries())).toEqual(upTo(many))
    const late = await following(scene, 'late')
    await settled(30)
    expect(seqsOf(late.entries())).toEqual(upTo(many))
    const restarted = await openRealm({ vault: scene.vault, clock: scene.clock, random: systemRandom })
    onTestFinished(() => restarted.close())
    const context = { ...scene.context, realm: restarted }
    const { ChannelOpener } = await import('../../../kdc/channel/channel-opener.js')
    const again = { ...scene, realm: restarted, context, opener: new ChannelOpener(context) }
    const cold = await TestFollower.open(again, await scene.add('cold'))
    await cold.follow()
    await settled(30)
    expect(seqsOf(cold.entries())).toEqual(upTo(many))
  })

  it('begins at the oldest entry that is left, without a gap', async () => {
    const scene = await feedScene()
    await revoke(scene, 10_000)
    scene.clock.pass(9 * DAY)
    await revoke(scene, 8)
    await revoke(scene, 1)
    const orders = await TestFollower.open(scene, await scene.add('orders'))
    const { oldest, newest } = await orders.follow()
    expect([oldest > 1, newest]).toEqual([true, 10_009])
    await settled(400)
    expect(seqsOf(orders.entries())).toEqual(upTo(newest, oldest))
  })
})

describe('the answer to a question', () => {
  it('waits until the log is read, and comes behind every entry that it tells', async () => {
    const scene = await feedScene()
    const orders = await following(scene)
    let release = (): void => {}
    atCommit(scene, () => {
      release = stallReads(scene)
    })
    await revoke(scene)
    const asked = orders.say('alive')
    await settled()
    expect(orders.heard).toEqual([])
    release()
    await asked
    expect(told(orders.heard)).toEqual(['entry 1', 'answer 1'])
  })

  it('to follow is answered from a read that began after the question', async () => {
    const store = createMemoryStore()
    const deaf: Store = {
      get: (kind, name) => store.get(kind, name),
      list: (kind, page) => store.list(kind, page),
      commit: changes => store.commit(changes),
      snapshot: () => store.snapshot(),
      compact: () => store.compact(),
      close: () => store.close(),
      watch: () => () => {},
    }
    const scene = await feedScene({ store: deaf })
    const orders = await scene.add('orders')
    const vault = new Vault(store, scene.masterKey, systemRandom)
    const other = await openRealm({ vault, clock: scene.clock, random: systemRandom })
    await revoke({ ...scene, realm: other })
    expect(scene.realm.revocations.newest).toBe(0)
    const follower = await TestFollower.open(scene, orders)
    expect(await follower.follow()).toMatchObject({ oldest: 1, newest: 1 })
    await settled()
    expect(seqsOf(follower.entries())).toEqual([1])
    other.close()
  })

  it('is `unavailable` for as long as the log cannot be read', async () => {
    const scene = await feedScene()
    const orders = await following(scene)
    const list = scene.store.list
    atCommit(scene, () => {
      scene.store.list = () => Promise.reject(new OrthrusError('unavailable', 'away'))
    })
    await revoke(scene)
    await settled()
    for (let i = 0; i < 2; i++) {
      await expect(orders.call('alive')).rejects.toMatchObject({ code: 'unavailable' })
    }
    scene.store.list = list
    // A question is what has the log read again; the first one is not answered by what was read before.
    await expect(orders.call('alive')).rejects.toMatchObject({ code: 'unavailable' })
    await settled()
    expect(seqsOf(orders.entries())).toEqual([1])
    expect(await orders.alive()).toMatchObject({ newest: 1 })
  })

  it('waits also for what was added while the follower was behind', async () => {
    const scene = await feedScene()
    const slow = await following(scene)
    let unblock = (): void => {}
    slow.blocked = new Promise<void>(resolve => {
      unblock = resolve
    })
    await revoke(scene, 2 * FEED.PAGE)
    await settled()
    const asked = slow.say('alive')
    await settled()
    let release = (): void => {}
    atCommit(scene, () => {
      release = stallReads(scene)
    })
    await revoke(scene)
    slow.blocked = undefined
    unblock()
    await settled()
    expect(told(slow.heard).filter(line => line.startsWith('answer'))).toEqual([])
    release()
    await asked
    const last = 2 * FEED.PAGE + 1
    expect(told(slow.heard).slice(-2)).toEqual([`entry ${last}`, `answer ${last}`])
  })

  it('goes before the entries that come after it was made, however long it takes', async () => {
    const scene = await feedScene()
    const { feed } = scene.realm
    const sent: Uint8Array[] = []
    const channel = {
      principal: local('orders'),
      address: '192.0.2.1',
      names: local('orders'),
      isOver: false,
      send: async (message: Uint8Array) => void sent.push(message),
      end: () => {},
    }
    const follower = await feed.follow(channel, null)
    await revoke(scene)
    await settled()
    expect(sent).toHaveLength(0)
    follower.flow()
    await settled()
    expect(sent).toHaveLength(1)
    expect(await feed.alive(follower)).toMatchObject({ newest: 1 })
    await revoke(scene)
    await settled()
    expect(sent).toHaveLength(1)
    follower.flow()
    await settled()
    expect(sent).toHaveLength(2)
  })

  it('always tells the last entry that went before it, whatever happens at the same time', async () => {
    const seed = systemRandom(4).reduce((sum, byte) => sum * 256 + byte)
    const chance = new Chance(seed)
    const scene = await feedScene()
    const followers = await Promise.all(['a', 'b', 'c'].map(name => following(scene, name)))
    const heard = followers.map(() => [] as string[])
    const asked: Promise<void>[] = []
    let revoked = 0
    for (let step = 0; step < 300; step++) {
      const follower = followers[chance.below(3)] as TestFollower
      const act = chance.below(5)
      if (act === 0) {
        const count = 1 + chance.below(FEED.PAGE)
        revoked += count
        asked.push(revoke(scene, count))
      } else if (act === 1) {
        let unblock = (): void => {}
        follower.blocked ??= new Promise<void>(resolve => {
          unblock = resolve
        }).then(() => {
          follower.blocked = undefined
        })
        asked.push(settled(1 + chance.below(5)).then(unblock))
      } else if (act === 2) await settled(chance.below(3))
      else asked.push(follower.say('alive'))
    }
    await Promise.all(asked)
    for (const follower of followers) await follower.say('alive')
    for (const [i, follower] of followers.entries()) heard[i]?.push(...told(follower.heard))
    for (const lines of heard) {
      let last = 0
      for (const line of lines) {
        const [kind, number] = line.split(' ')
        if (kind === 'entry') expect(Number(number), `seed ${seed}`).toBe(++last)
        else expect(line, `seed ${seed}`).toBe(`answer ${last}`)
      }
      expect(last).toBe(revoked)
    }
  })
})

describe('what a follower says', () => {
  it('is limited by itself, and not by what else its principal asks', async () => {
    const none = { points: 0, interval: SECOND }
    const scene = await feedScene()
    const orders = await following(scene)
    const limited = createRateLimits({ ...DEFAULT_LIMITS, requestsPerClient: none })
    Object.assign(scene.context, { rates: limited })
    await expect(orders.call('follow', null, null, null)).rejects.toMatchObject({ code: 'rate_limited' })
    expect(await orders.alive()).toMatchObject({ newest: 0 })
    const few = createRateLimits({ ...DEFAULT_LIMITS, feedCallsPerClient: { points: 2, interval: SECOND } })
    Object.assign(scene.context, { rates: few })
    for (let i = 0; i < 2; i++) await orders.call('seen', 0)
    await expect(orders.call('alive')).rejects.toMatchObject({ code: 'rate_limited' })
    expect(orders.isOver).toBe(false)
  })

  it('that asks for the whole log again and again is limited by what it is sent', async () => {
    const scene = await feedScene()
    await revoke(scene, 100)
    const client = await scene.add('orders')
    const rates = createRateLimits({
      ...DEFAULT_LIMITS,
      feedCallsPerClient: { points: 15, interval: SECOND },
    })
    Object.assign(scene.context, { rates })
    const [first, second, third] = [
      await TestFollower.open(scene, client),
      await TestFollower.open(scene, client),
      await TestFollower.open(scene, client),
    ] as const
    await first.follow()
    await settled()
    const last = first.entries().at(-1)
    expect(last?.seq).toBe(100)
    // 1 and 13 until here. Whoever has a place in the log is sent only what is new.
    const position = { logId: scene.realm.record.logId, seq: 100, mark: last?.mark ?? new Uint8Array(8) }
    await second.follow(position)
    await expect(third.follow()).rejects.toMatchObject({ code: 'rate_limited' })
    await settled()
    expect([second.heard, third.heard]).toEqual([[], []])
  })
})

describe('a follower that does not read', () => {
  it('has one page waiting, delays nobody, and is ended after 30 s', async () => {
    const scene = await feedScene()
    const [deaf, orders] = [await following(scene, 'deaf'), await following(scene)]
    deaf.blocked = new Promise(() => {})
    await revoke(scene, 5 * FEED.PAGE)
    await settled(20)
    expect(seqsOf(orders.entries())).toEqual(upTo(5 * FEED.PAGE))
    expect(deaf.heard).toHaveLength(FEED.PAGE)
    const pass = async (milliseconds: number) => {
      scene.clock.advance(milliseconds)
      await settled(2)
    }
    await pass(FEED.STUCK - SECOND)
    expect([deaf.isOver, orders.isOver]).toEqual([false, false])
    await pass(FEED.STUCK)
    expect([deaf.isOver, orders.isOver]).toEqual([true, false])
    expect(scene.realm.feed.rows().rows).toMatchObject([
      { principal: local('orders'), connected: true },
      { principal: local('deaf'), connected: false, seen: 0 },
    ])
  })

  it('that reads in the end gets everything in order', async () => {
    const scene = await feedScene()
    const slow = await following(scene)
    let unblock = (): void => {}
    slow.blocked = new Promise<void>(resolve => {
      unblock = resolve
    })
    await revoke(scene, 3 * FEED.PAGE)
    await settled(20)
    slow.blocked = undefined
    unblock()
    await settled(20)
    expect(seqsOf(slow.entries())).toEqual(upTo(3 * FEED.PAGE))
  })
})
