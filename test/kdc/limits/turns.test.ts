import { describe, expect, it } from 'vitest'
import { Turns } from '../../../kdc/limits/turns.js'
import { turns } from '../../support/turns.js'

describe('work that takes turns', () => {
  it('runs once in each turn of the event loop, one source after the other, and leaves nothing behind', async () => {
    const queue = new Turns()
    const order: string[] = []
    for (const name of ['a1', 'a2', 'a3', 'b1']) {
      void queue.wait(name.slice(0, 1)).then(() => order.push(name))
    }
    await turns(1)
    expect(order).toEqual(['a1'])
    await turns(1)
    expect(order).toEqual(['a1', 'b1'])
    await turns(3)
    expect(order).toEqual(['a1', 'b1', 'a2', 'a3'])
    expect(queue.sources).toBe(0)
  })
  it('forgets the finished work of a source that always has more', async () => {
    const queue = new Turns()
    let done = 0
    const count = (): void => void done++
    for (let i = 0; i < 10; i++) void queue.wait('a').then(count)
    for (let i = 0; i < 200; i++) {
      void queue.wait('a').then(count)
      await turns(1)
    }
    expect(done).toBe(200)
    expect(queue.kept).toBeLessThanOrEqual(2 * 10)
    await turns(10)
    expect(done).toBe(210)
    expect(queue.kept).toBe(0)
  })
})
