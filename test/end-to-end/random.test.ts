import { fork } from 'node:child_process'
import cluster from 'node:cluster'
import { type EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../shared/bytes.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { root } from './processes.js'

/** Random bytes are drawn ahead in blocks: a block must be of one process or thread alone. */

const script = join(root, 'dist/test/end-to-end/draw-process.js')

async function heard(from: EventEmitter): Promise<string[]> {
  const [drawn] = (await once(from, 'message')) as [string[]]
  return drawn
}

describe('random bytes', () => {
  it('differ in each forked process, cluster worker and thread, and in the one that made them', async () => {
    cluster.setupPrimary({ exec: script })
    const own = () => Array.from({ length: 200 }, () => toHex(systemRandom(24)))
    const before = own()
    const drawn = await Promise.all([
      ...[1, 2].map(() => heard(fork(script))),
      ...[1, 2].map(() => heard(cluster.fork())),
      ...[1, 2].map(() => heard(new Worker(script))),
    ])
    cluster.disconnect()
    const all = [before, ...drawn, own()].flat()
    expect(all).toHaveLength(8 * 200)
    expect(new Set(all).size).toBe(all.length)
  })
})
