import { BoundedReplayCache } from '../service/replay/replay-cache.js'
import { SECOND } from '../shared/time.js'
import { prepareStamped } from './admissions.js'
import type { Sample } from './figures.js'

/** What it costs the requests that come just then that a replay cache forgets very many others at once. */

const PIECE = 10_000

/**
 * Admits requests that all have one stamp, so that they are forgotten in the same moment, then lets that moment pass and
 * admits further ones until nothing is left to do. The clock is one that the bench sets, and requests between the two keep
 * the cache from being empty, which would be simpler.
 * @param entries how many are forgotten. @param maxBytes of the cache
 */
export function measureForgetting(entries: number, maxBytes: number): Sample {
  let now = Date.now()
  const clock = { now: () => now, monotonic: () => now }
  const cache = new BoundedReplayCache({ clock, maxBytes, floor: 0 })
  const [first, later] = [now, now + 4 * SECOND]
  for (let left = entries; left > 0; left -= PIECE) {
    for (const request of prepareStamped(Math.min(PIECE, left), () => first)) cache.admit(request)
  }
  for (const request of prepareStamped(PIECE, () => later)) cache.admit(request)
  if (cache.size !== entries + PIECE) throw new Error(`of ${entries} requests ${cache.size} were admitted`)
  now += 62 * SECOND
  const following = prepareStamped(2 * PIECE, () => now)
  globalThis.gc?.()
  let longest = 0
  const used = process.cpuUsage()
  for (const request of following) {
    const begin = performance.now()
    cache.admit(request)
    longest = Math.max(longest, performance.now() - begin)
  }
  const { user, system } = process.cpuUsage(used)
  if (cache.size !== 3 * PIECE) throw new Error(`${cache.size} requests are in the replay cache`)
  return { cpu: (user + system) / following.length, longest }
}
