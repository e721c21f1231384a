import { describe, expect, it } from 'vitest'
import { FOLLOWERS } from '../../../kdc/limits/defaults.js'
import {
  decodeFollowers,
  encodeFollowersQuestion,
  FOLLOWER_ROWS,
  type FollowerRow,
  type Followers,
} from '../../../shared/administration/revocations.js'
import { DAY, MINUTE, SECOND } from '../../../shared/time.js'
import { type Identity, local } from '../../support/realm.js'
import { type FeedScene, feedScene, revoke, settled, TestFollower } from './following.js'

/** What administrators are told about followers. */

async function following(scene: FeedScene, client: Identity, address?: string): Promise<TestFollower> {
  const follower = await TestFollower.open(scene, client, address)
  await follower.follow()
  return follower
}

async function followers(scene: FeedScene, seq: number, wait = 0): Promise<Followers> {
  return decodeFollowers(await scene.call('followers', encodeFollowersQuestion({ seq, wait })))
}

const short = ({ principal, address, seen, connected, silentFor }: FollowerRow) =>
  `${principal.split('@')[0]} ${address} ${seen} ${connected ? 'connected' : 'gone'} ${silentFor}`

describe('followers', () => {
  it('names first those that have not applied the entry, and when each was last heard', async () => {
    const scene = await feedScene()
    const [orders, billing, stock] = [
      await following(scene, await scene.add('orders'), '192.0.2.1'),
      await following(scene, await scene.add('billing'), '192.0.2.2'),
      await following(scene, await scene.add('stock'), '192.0.2.3'),
    ]
    await revoke(scene, 2)
    await settled()
    scene.clock.pass(3_000)
    await orders.call('seen', 2)
    await billing.call('seen', 1)
    scene.clock.pass(500)
    stock.channel.close()
    scene.clock.pass(1_500)
    const { rows, ...counts } = await followers(scene, 2)
    expect(rows.map(short)).toEqual([
      'billing 192.0.2.2 1 connected 2000',
      'stock 192.0.2.3 0 gone 5000',
      'orders 192.0.2.1 2 connected 2000',
    ])
    expect(counts).toEqual({ applied: 1, silent: 2, keptFor: 5_000 })
  })

  it('of a log that does not have the entry are not asked for', async () => {
    const scene = await feedScene()
    await revoke(scene)
    await expect(followers(scene, 2)).rejects.toMatchObject({ code: 'malformed' })
    await expect(scene.call('followers', [1, MINUTE + 1])).rejects.toMatchObject({ code: 'malformed' })
    expect((await followers(scene, 1)).rows).toEqual([])
  })

  it('are waited for until all that are connected have applied the entry', async () => {
    const scene = await feedScene()
    const all = [
      await following(scene, await scene.add('a')),
      await following(scene, await scene.add('b')),
      await following(scene, await scene.add('c')),
    ] as const
    await revoke(scene)
    await settled()
    let answered: Followers | undefined
    const asked = followers(scene, 1, MINUTE).then(answer => {
      answered = answer
    })
    await all[0].call('seen', 1)
    all[1].channel.close()
    await settled()
    expect(answered).toBeUndefined()
    // One that joins meanwhile is waited for too.
    const late = await following(scene, await scene.add('d'))
    await all[2].call('seen', 1)
    await settled()
    expect(answered).toBeUndefined()
    await late.call('seen', 1)
    await asked
    expect(answered).toMatchObject({ applied: 3, silent: 1 })
    // The ends of three channels, and the look at who does not read.
    expect(scene.clock.timers.all).toBe(4)
  })

  it('are waited for no longer than was asked', async () => {
    const scene = await feedScene()
    await following(scene, await scene.add('orders'))
    await revoke(scene)
    await settled()
    let answered: Followers | undefined
    const asked = followers(scene, 1, 5 * SECOND).then(answer => {
      answered = answer
    })
    await settled()
    scene.clock.advance(4_999)
    await settled()
    expect(answered).toBeUndefined()
    scene.clock.advance(1)
    await asked
    expect(answered).toMatchObject({ applied: 0, silent: 1 })
  })

  it('are not waited for by a KDC that closes', async () => {
    const scene = await feedScene()
    await following(scene, await scene.add('orders'))
    await revoke(scene)
    await settled()
    const asked = followers(scene, 1, MINUTE)
    await settled()
    scene.realm.feed.close()
    expect(await asked).toMatchObject({ silent: 1 })
    expect(await followers(scene, 1, MINUTE)).toMatchObject({ silent: 1 })
  })

  it('that come back to their address take their old place, elsewhere not', async () => {
    const scene = await feedScene()
    const orders = await scene.add('orders')
    const first = await following(scene, orders, '192.0.2.1')
    first.channel.close()
    expect((await followers(scene, 0)).rows.map(short)).toEqual(['orders 192.0.2.1 0 gone 0'])
    const second = await following(scene, orders, '192.0.2.1')
    const third = await following(scene, orders, '192.0.2.1')
    second.channel.close()
    expect((await followers(scene, 0)).rows.map(short)).toEqual(['orders 192.0.2.1 0 connected 0'])
    third.channel.close()
    await following(scene, orders, '192.0.2.2')
    expect((await followers(scene, 0)).rows.map(short)).toEqual([
      'orders 192.0.2.1 0 gone 0',
      'orders 192.0.2.2 0 connected 0',
    ])
  })

  it('that left are forgotten after a day, and so are all but the last addresses of a principal', async () => {
    const scene = await feedScene()
    const orders = await scene.add('orders')
    for (let i = 0; i < FOLLOWERS.ADDRESSES_KEPT + 3; i++) {
      const follower = await following(scene, orders, `192.0.2.${i}`)
      follower.channel.close()
    }
    const { rows } = await followers(scene, 0)
    expect(rows.map(({ address }) => address).sort()).toEqual(
      Array.from({ length: FOLLOWERS.ADDRESSES_KEPT }, (_, i) => `192.0.2.${i + 3}`).sort(),
    )
    scene.clock.pass(DAY - 1)
    expect((await followers(scene, 0)).rows).toHaveLength(FOLLOWERS.ADDRESSES_KEPT)
    scene.clock.pass(1)
    expect((await followers(scene, 0)).rows).toEqual([])
  })

  it('are at most as many of one principal as there may be; the oldest makes room', async () => {
    const scene = await feedScene()
    const orders = await scene.add('orders')
    const other = await following(scene, await scene.add('other'))
    const all: TestFollower[] = []
    for (let i = 0; i < FOLLOWERS.OF_PRINCIPAL + 2; i++) all.push(await following(scene, orders))
    expect(all.filter(({ isOver }) => isOver)).toEqual(all.slice(0, 2))
    expect(other.isOver).toBe(false)
    expect(await followers(scene, 0)).toMatchObject({ applied: FOLLOWERS.OF_PRINCIPAL + 1 })
  })

  it('are none if their channel ended while they began to follow', async () => {
    const scene = await feedScene()
    const { feed } = scene.realm
    const orders = await TestFollower.open(scene, await scene.add('orders'))
    const follow = feed.follow.bind(feed)
    feed.follow = async (channel, position) => {
      const follower = await follow(channel, position)
      orders.channel.close()
      return follower
    }
    await orders.say('follow', null, null, null)
    expect((await followers(scene, 0)).rows).toMatchObject([{ connected: false }])
  })

  it('are told by number where there are more than an answer has room for', async () => {
    const scene = await feedScene()
    const { feed } = scene.realm
    const channelOf = (i: number) => ({
      principal: local(`service/${i}`),
      address: '192.0.2.1',
      names: local('x'),
      isOver: false,
      send: async () => {},
      end: () => {},
    })
    for (let i = 0; i < FOLLOWER_ROWS + 5; i++) {
      const follower = await feed.follow(channelOf(i), null)
      follower.flow()
    }
    await revoke(scene)
    const { rows, silent } = await followers(scene, 1)
    expect([rows.length, silent]).toEqual([FOLLOWER_ROWS, FOLLOWER_ROWS + 5])
  })

  it('that are two addresses of one principal are told in the log, once for each that comes', async () => {
    const scene = await feedScene()
    const orders = await scene.add('orders')
    await following(scene, orders, '192.0.2.1')
    await following(scene, orders, '192.0.2.1')
    const doubled = () => scene.logger.lines.filter(({ message }) => message.startsWith('two addresses'))
    expect(doubled()).toEqual([])
    const elsewhere = await following(scene, orders, '192.0.2.2')
    expect(doubled()).toMatchObject([
      { level: 'warn', fields: { principal: local('orders'), addresses: ['192.0.2.1', '192.0.2.2'] } },
    ])
    elsewhere.channel.close()
    await following(scene, orders, '192.0.2.1')
    expect(doubled()).toHaveLength(1)
  })

  it('leave nothing behind', async () => {
    const scene = await feedScene()
    const orders = await scene.add('orders')
    for (let i = 0; i < 20; i++) {
      const follower = await following(scene, orders)
      follower.channel.close()
    }
    expect(scene.clock.timers.all).toBe(0)
    expect((await followers(scene, 0)).rows).toHaveLength(1)
  })
})

describe('an event', () => {
  it('goes to all followers of one principal, behind the answer that is on its way', async () => {
    const scene = await feedScene()
    const orders = await scene.add('orders')
    const [one, two] = [await following(scene, orders), await following(scene, orders)]
    const other = await following(scene, await scene.add('other'))
    scene.realm.feed.tell(local('orders'), { name: 'rotate', fields: [] })
    for (const follower of [one, two]) expect(follower.heard).toEqual([{ name: 'rotate', fields: [] }])
    expect(other.heard).toEqual([])
    const asked = one.say('alive')
    scene.realm.feed.tell(local('orders'), { name: 'rotate', fields: [] })
    await asked
    expect(one.heard).toHaveLength(3)
  })
})
