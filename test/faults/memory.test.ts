import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startKdc } from '../end-to-end/processes.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { MEASURED_FLAG, type Measured, median, meter, mib } from './measured.js'
import { startService } from './service-process.js'
import { SteadyLoad } from './steady-load.js'

/**
 * Whether a KDC and a service that run for long grow. Ten minutes of wall time under load are tested, so it is only in
 * the slow set. First the caches of tickets are filled, which are bounded and would look like growth until they are
 * full. Then minute 2 is compared with minute 10, each by the median of a minute's samples.
 */

const slow = process.env.ORTHRUS_SLOW === '1'
const MINUTE = 60_000
const LENGTH = Number(process.env.ORTHRUS_MEMORY_MINUTES ?? 10) * MINUTE
/** More tickets than either remembers (4,096). */
const LOGINS = 4_400
/** Milliseconds between two deeds, and between two samples. */
const STEP = 20
const SAMPLE = LENGTH / 60
/**
 * Growth from minute 2 to minute 10, bytes. Of the heap 0.6 MiB were measured (names that become known, less and less)
 * where 1 KiB kept of each connection would be 1.6; what is resident swings by 13 MiB from minute to minute.
 */
const BOUND = { heapUsed: 1.5 * 2 ** 20, external: 2 * 2 ** 20, rss: 16 * 2 ** 20, descriptors: 8 } as const

const CLIENTS = Array.from({ length: 40 }, (_, i) => `web/${i}`)

let realm: FaultRealm
beforeEach(async () => {
  if (slow) realm = await makeRealm([...CLIENTS, 'orders'], [['web/*', 'orders']])
})
afterEach(async () => {
  if (slow) await realm.remove()
})

interface Sample {
  /** Milliseconds since the first. */
  readonly at: number
  readonly kdc: Measured
  readonly service: Measured
}

async function sampleUnderLoad(load: SteadyLoad, take: () => Promise<Omit<Sample, 'at'>>): Promise<Sample[]> {
  const begun = performance.now()
  const samples: Sample[] = []
  for (let next = 0; ; ) {
    const at = performance.now() - begun
    if (at >= LENGTH) return samples
    if (at >= next) {
      samples.push({ at, ...(await take()) })
      next += SAMPLE
    }
    load.step()
    await wait(STEP)
  }
}

/** Of the minute that begins there; of a shorter run, the same share of it. */
function at(samples: readonly Sample[], minute: number, what: (sample: Sample) => number): number {
  const [from, to] = [(minute / 10) * LENGTH, ((minute + 1) / 10) * LENGTH]
  return median(samples.filter(sample => sample.at >= from && sample.at < to).map(what))
}

describe.runIf(slow)('under ten minutes of load', () => {
  it(
    'neither the KDC nor a service grows or keeps descriptors',
    async () => {
      const kdc = await startKdc(realm.folder, undefined, ['env', `NODE_OPTIONS=${MEASURED_FLAG}`])
      const service = await startService(realm, 'orders', [MEASURED_FLAG])
      const meters = { kdc: meter(kdc.child), service: meter(service.child) }
      const load = await SteadyLoad.open({ realm, kdc: kdc.url, service: service.url, clients: CLIENTS })
      await load.fill(LOGINS)
      const samples = await sampleUnderLoad(load, async () => ({
        kdc: await meters.kdc(),
        service: await meters.service(),
      }))
      load.close()
      console.log([...load.counts].map(([name, count]) => `${count} ${name}`).join(', '))
      for (const party of ['kdc', 'service'] as const) {
        for (const what of ['heapUsed', 'external', 'rss', 'descriptors'] as const) {
          const minutes = Array.from({ length: 10 }, (_, minute) =>
            at(samples, minute, sample => sample[party][what]),
          )
          console.log(
            `${party} ${what}: ${minutes.map(v => (what === 'descriptors' ? v : mib(v))).join(', ')}`,
          )
        }
      }
      for (const party of ['kdc', 'service'] as const) {
        for (const what of ['heapUsed', 'external', 'rss', 'descriptors'] as const) {
          // Against the most at the beginning: a page that the platform gave back and took again is no growth.
          const before = Math.max(...[0, 1, 2].map(minute => at(samples, minute, s => s[party][what])))
          const growth = at(samples, 9, s => s[party][what]) - before
          expect(growth, `growth of ${what} of the ${party}`).toBeLessThan(BOUND[what])
        }
      }
      expect(await service.end('SIGTERM')).toBe(0)
      expect(await kdc.end('SIGTERM')).toBe(0)
    },
    LENGTH + 10 * MINUTE,
  )
})
