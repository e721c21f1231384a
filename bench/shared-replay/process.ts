import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { ServiceKeys } from '../../service/keys.js'
import { createRedisReplayCache, type RedisClient } from '../../service/redis.js'
import { MachineReplayCache } from '../../service/replay/machine-cache.js'
import type { ReplayCache } from '../../shared/accept/replay.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { sharedCacheName } from '../../shared/crypto/lock.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { parsePrincipal } from '../../shared/principal.js'
import { type Clock, SECOND, systemClock } from '../../shared/time.js'
import { systemTimers } from '../../shared/timers.js'
import { prepareAdmissions } from '../admissions.js'
import type { Sample } from '../figures.js'
import { serve } from '../processes.js'

/** A process of a service that asks for the replay cache of all of them, as many at a time as a busy one has open. */

const AT_A_TIME = 64
/** How far back the clock is when a cache is opened, so that the time after its start is over. */
const STARTED = 55 * SECOND

/** A server that ends with this process, however that ends. */
const LIVES_WITH_US = 'redis-server "$@" & read -r _; kill -9 $!; wait'

const service = parsePrincipal(`orders/${process.pid}@bench.example`)

class StartedClock implements Clock {
  back = STARTED
  now = (): number => systemClock.now() - this.back
  monotonic = (): number => systemClock.monotonic() - this.back
}

const common = (clock: Clock) => ({ service, clock, timers: systemTimers, report: complain })

function complain(event: object): void {
  process.stderr.write(`${JSON.stringify(event)}\n`)
}

/** Both ends are in this process: the first cache has it, the second one asks. */
async function machine(count: number): Promise<Sample> {
  const clock = new StartedClock()
  const keys = new ServiceKeys([{ kvno: 1, key: new LongTermKey(systemRandom(32)) }])
  const first = await MachineReplayCache.open({ ...common(clock), keys })
  const second = await MachineReplayCache.open({ ...common(clock), keys })
  clock.back = 0
  try {
    await measure(second, Math.ceil(count / 10))
    return await measure(second, count)
  } finally {
    second.close()
    first.close()
  }
}

async function redis({
  count,
  client: kind,
}: {
  count: number
  client: 'ioredis' | 'redis'
}): Promise<Sample> {
  const folder = mkdtempSync(join(tmpdir(), 'orthrus-bench-redis-'))
  const path = join(folder, 'socket')
  const args = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '']
  const server = spawn('sh', ['-c', LIVES_WITH_US, 'sh', ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  for await (const line of createInterface(server.stdout)) if (/ready to accept/i.test(line)) break
  server.stdout.resume()
  const operator = new Redis(path)
  const client = await clientOf(kind, path)
  try {
    const clock = new StartedClock()
    const shared = createRedisReplayCache({ client: client.own, timeout: 10 * SECOND })
    const cache = await shared.openReplayCache(common(clock))
    await operator.hset(`orthrus:{${sharedCacheName(service)}}`, 'floor', '0')
    clock.back = 0
    await measure(cache, Math.ceil(count / 10))
    const before = await stateOf(operator)
    const sample = await measure(cache, count)
    const after = await stateOf(operator)
    return {
      ...sample,
      server: (after.cpu - before.cpu) / count,
      bytes: (after.memory - before.memory) / count,
    }
  } finally {
    client.end()
    operator.disconnect()
    const ended = once(server, 'exit')
    server.stdin.end()
    await ended
    rmSync(folder, { recursive: true })
  }
}

async function clientOf(kind: 'ioredis' | 'redis', path: string): Promise<{ own: RedisClient; end(): void }> {
  if (kind === 'ioredis') {
    const own = new Redis(path)
    return { own, end: () => own.disconnect() }
  }
  const own = createClient({ socket: { path, tls: false } })
  await own.connect()
  return { own, end: () => own.destroy() }
}

/** Microseconds of CPU, and bytes, that the server has used so far. */
async function stateOf(operator: Redis): Promise<{ cpu: number; memory: number }> {
  const [cpu, memory] = [await operator.info('cpu'), await operator.info('memory')]
  const numberIn = (text: string, name: string) =>
    Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1])
  const seconds = numberIn(cpu, 'used_cpu_user') + numberIn(cpu, 'used_cpu_sys')
  return { cpu: seconds * 1e6, memory: numberIn(memory, 'used_memory') }
}

async function measure(cache: ReplayCache, count: number): Promise<Sample> {
  const requests = prepareAdmissions(count)
  globalThis.gc?.()
  const [used, begin] = [process.cpuUsage(), performance.now()]
  let next = 0
  const asking = async (): Promise<void> => {
    for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
      const { refusal } = await cache.admit(request)
      if (refusal !== undefined) throw new Error(`a request was refused: ${refusal}`)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, asking))
  const wall = performance.now() - begin
  const { user, system } = process.cpuUsage(used)
  return { cpu: (user + system) / count, wall: (wall * 1000) / count }
}

serve({ machine, redis })
