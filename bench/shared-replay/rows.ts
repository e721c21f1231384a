import { spawnSync } from 'node:child_process'
import type { MeasuredRow, RowHead, Sample } from '../figures.js'
import { withChildren } from '../processes.js'
import type { Settings } from '../settings.js'

/** What a replay cache costs that several processes share. */

const REQUESTS = { NORMAL: 20_000, QUICK: 500 } as const

const MACHINE: RowHead = { id: 'replay.machine', name: 'asked of the process that keeps it, both ends' }
const CLIENTS = [
  { client: 'ioredis', head: { id: 'replay.redis.ioredis', name: 'asked of a Redis server, by ioredis' } },
  { client: 'redis', head: { id: 'replay.redis.redis', name: 'asked of a Redis server, by node-redis' } },
] as const

/** Without the rows of Redis, after a word about it, where no server is installed. */
export async function measureSharedCaches({ quick, rounds }: Settings): Promise<MeasuredRow[]> {
  const count = quick ? REQUESTS.QUICK : REQUESTS.NORMAL
  const rows: MeasuredRow[] = []
  if (process.platform === 'linux')
    rows.push({ head: MACHINE, samples: await measure('machine', count, rounds) })
  if (spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status !== 0) {
    process.stderr.write('redis-server is not installed: what a cache in Redis costs is left out\n')
    return rows
  }
  for (const { client, head } of CLIENTS) {
    rows.push({ head, samples: await measure('redis', { count, client }, rounds) })
  }
  return rows
}

function measure(order: string, argument: unknown, rounds: number): Promise<Sample[]> {
  return withChildren(['shared-replay/process.js'], async child => {
    const samples: Sample[] = []
    for (let round = 0; round < rounds; round++) samples.push(await child.ask<Sample>(order, argument))
    return samples
  })
}
