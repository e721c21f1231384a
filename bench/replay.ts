import { BoundedReplayCache } from '../service/replay/replay-cache.js'
import { systemClock } from '../shared/time.js'
import { prepareAdmissions } from './admissions.js'
import { type Group, makeGroup, type Sample } from './figures.js'
import { measureForgetting } from './replay-forgetting.js'
import type { Settings } from './settings.js'
import { measureSharedCaches } from './shared-replay/rows.js'

/** The replay cache with a million requests of the last minute in it. */

const MAX_BYTES = 256 * 1024 * 1024
const ENTRIES = { NORMAL: 1_000_000, QUICK: 20_000 } as const
const PIECE = 10_000

export async function measureReplayCache(settings: Settings): Promise<Group> {
  const entries = settings.quick ? ENTRIES.QUICK : ENTRIES.NORMAL
  const [insertions, forgetting]: [Sample[], Sample[]] = [[], []]
  if (!settings.quick) measureRound(entries / 4)
  for (let round = 0; round < settings.rounds; round++) {
    insertions.push(measureRound(entries))
    forgetting.push(measureForgetting(entries, MAX_BYTES))
  }
  const count = entries.toLocaleString('en-US')
  const own = [
    { head: { id: 'replay.insert', name: `insertions, until ${count} are live` }, samples: insertions },
    {
      head: { id: 'replay.forget', name: `insertions while ${count} of one moment are forgotten` },
      samples: forgetting,
    },
  ]
  return makeGroup(HEAD, [...own, ...(await measureSharedCaches(settings))])
}

const HEAD = {
  id: 'replay',
  title: 'The replay cache',
  note:
    'Each round fills a new cache, maxBytes raised to 256 MiB; stamps lie in any order within 44 s, presenters are 64. ' +
    'Bytes are those that the cache has allocated, by its own count. Forgetting is measured by the longest of the 20,000 ' +
    'steps that follow, of which each admits a request. One that is shared is asked for 64 requests at a ' +
    'time, by a process that does nothing else; a Redis server on a socket of the machine says what it used itself.',
  columns: [
    { key: 'cpu', title: 'CPU, µs each', better: 'less' },
    { key: 'wall', title: 'elapsed, µs each', better: 'less' },
    { key: 'longest', title: 'longest step, ms', better: 'less' },
    { key: 'server', title: 'CPU of the server, µs each', better: 'less' },
    { key: 'bytes', title: 'bytes an entry', better: 'less' },
  ],
  main: 'cpu',
} as const

function measureRound(entries: number): Sample {
  const cache = new BoundedReplayCache({ clock: systemClock, maxBytes: MAX_BYTES, floor: 0 })
  let [cpu, wall] = [0, 0]
  for (let left = entries; left > 0; left -= PIECE) {
    const requests = prepareAdmissions(Math.min(PIECE, left))
    const [used, begin] = [process.cpuUsage(), performance.now()]
    for (const request of requests) cache.admit(request)
    wall += performance.now() - begin
    const { user, system } = process.cpuUsage(used)
    cpu += user + system
  }
  if (cache.size < entries) throw new Error(`of ${entries} requests ${cache.size} are in the replay cache`)
  return { cpu: cpu / entries, wall: (wall * 1000) / entries, bytes: cache.bytes / cache.size }
}
