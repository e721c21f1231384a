import { describe, expect, it } from 'vitest'
import { local } from '../../support/realm.js'
import { feedScene, settled, TestFollower } from './following.js'

const seqs = (follower: TestFollower) => follower.entries().map(({ seq }) => seq)

describe('a follower', () => {
  it('of an empty log is told 1 and 0, then of each entry to come', async () => {
    const scene = await feedScene()
    const orders = await TestFollower.open(scene, await scene.add('orders'))
    const { logId } = scene.realm.record
    expect(await orders.follow()).toEqual({ logId, oldest: 1, newest: 0, time: scene.clock.now() })
    await scene.add('web')
    await scene.call('disable', [local('web')])
    await settled()
    expect(seqs(orders)).toEqual([1])
    expect(await orders.call('seen', 1)).toEqual([])
    expect(await orders.alive()).toEqual({ logId, oldest: 1, newest: 1, time: scene.clock.now() })
  })
})
