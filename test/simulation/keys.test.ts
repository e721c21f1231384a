import { describe, expect, it } from 'vitest'
import { USUAL_WITH_KEYS } from './enough.js'
import { again, FIRST, REQUESTS, RUNS, simulateAll, TIMEOUT } from './runs.js'
import { simulate } from './simulate.js'
import { KEYS_CHANGE } from './world.js'

/**
 * The same over a network that also disturbs what the KDC says of revocations, while everybody changes keys and hosts
 * join (docs/protocol.md sections 10 and 12).
 */

/** Fewer and smaller, as services then ask the KDC every 5 s. */
const KEY_RUNS = Math.ceil(RUNS / 3)
const KEY_REQUESTS = Math.ceil(REQUESTS / 3)

describe('a realm whose keys change', { timeout: TIMEOUT }, () => {
  it('loses no key and no call to a rotation, and believes no ticket long after it was revoked', async () => {
    await simulateAll({
      runs: KEY_RUNS,
      requests: KEY_REQUESTS,
      settings: KEYS_CHANGE,
      usual: USUAL_WITH_KEYS,
    })
  })

  it('repeats the same run by its seed', async () => {
    const [one, other] = [await simulate(FIRST, 60, KEYS_CHANGE), await simulate(FIRST, 60, KEYS_CHANGE)]
    expect(other.lines, again(FIRST, 1)).toEqual(one.lines)
  })
})
