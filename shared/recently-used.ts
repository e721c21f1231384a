import { LRUCache } from 'lru-cache'

/**
 * A map that forgets what was used least recently for what comes above its bound. It takes room as it fills: a cache
 * with the library's `max` takes all of its room at once, which for 100,000 entries costs 13 ms and 3 MiB at each start.
 * @param most entries, a whole number from 1. @throws TypeError for another number
 */
export function recentlyUsed<K extends {}, V extends {}>(most: number): LRUCache<K, V> {
  return new LRUCache({ maxSize: most, sizeCalculation: () => 1 })
}
