import { BoundedReplayCache } from '../service/replay/replay-cache.js'
import type { AdmissionRequest } from '../shared/accept/replay.js'
import { SIZE } from '../shared/constants.js'
import { systemRandom } from '../shared/crypto/random.js'
import { type Principal, parsePrincipal } from '../shared/principal.js'
import { HOUR, SECOND, systemClock } from '../shared/time.js'
import { type Group, makeGroup, type Sample } from './figures.js'
import type { Settings } from './settings.js'

/** The replay cache with a million requests of the last minute in it. */

const MAX_BYTES = 256 * 1024 * 1024
const ENTRIES = { NORMAL: 1_000_000, QUICK: 20_000 } as const
const PIECE = 10_000
/** One presenter may fill a quarter. */
const PRESENTERS = 64
/** The span over which time stamps are spread, of the 60 s and 5 s that a service accepts. */
const SPREAD = { PAST: 40 * SECOND, FUTURE: 4 * SECOND } as const

export async function measureReplayCache(settings: Settings): Promise<Group> {
  const entries = settings.quick ? ENTRIES.QUICK : ENTRIES.NORMAL
  const samples: Sample[] = []
  if (!settings.quick) measureRound(entries / 4)
  for (let round = 0; round < settings.rounds; round++) samples.push(measureRound(entries))
  const name = `insertions, until ${entries.toLocaleString('en-US')} are live`
  return makeGroup(HEAD, [{ head: { id: 'replay.insert', name }, samples }])
}

const HEAD = {
  id: 'replay',
  title: 'The replay cache',
  note:
    'Each round fills a new cache, maxBytes raised to 256 MiB; stamps lie in any order within 44 s, presenters are 64. ' +
    'Bytes are those that the cache has allocated, by its own count.',
  columns: [
    { key: 'cpu', title: 'CPU, µs each', better: 'less' },
    { key: 'wall', title: 'elapsed, µs each', better: 'less' },
    { key: 'bytes', title: 'bytes an entry', better: 'less' },
  ],
  main: 'cpu',
} as const

function measureRound(entries: number): Sample {
  const cache = new BoundedReplayCache({ clock: systemClock, maxBytes: MAX_BYTES, floor: 0 })
  let [cpu, wall] = [0, 0]
  for (let left = entries; left > 0; left -= PIECE) {
    const requests = prepare(Math.min(PIECE, left))
    const [used, begin] = [process.cpuUsage(), performance.now()]
    for (const request of requests) cache.admit(request)
    wall += performance.now() - begin
    const { user, system } = process.cpuUsage(used)
    cpu += user + system
  }
  if (cache.size < entries) throw new Error(`of ${entries} requests ${cache.size} are in the replay cache`)
  return { cpu: cpu / entries, wall: (wall * 1000) / entries, bytes: cache.bytes / cache.size }
}

const presenters: readonly Principal[] = Array.from({ length: PRESENTERS }, (_, instance) =>
  parsePrincipal(`web/${instance}@bench.example`),
)

function prepare(count: number): AdmissionRequest[] {
  const ids = systemRandom(count * SIZE.REPLAY_ID)
  const now = Date.now()
  return Array.from({ length: count }, (_, i) => ({
    id: ids.subarray(i * SIZE.REPLAY_ID, (i + 1) * SIZE.REPLAY_ID),
    time: now - SPREAD.PAST + Math.floor(Math.random() * (SPREAD.PAST + SPREAD.FUTURE)),
    presenter: presenters[i % PRESENTERS] as Principal,
    endTime: now + HOUR,
  }))
}
