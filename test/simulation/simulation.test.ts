import { describe, it } from 'vitest'
import { USUAL } from './enough.js'
import { REQUESTS, RUNS, simulateAll, TIMEOUT } from './runs.js'
import { KEYS_STAY } from './world.js'

/**
 * Clients that follow section 8 of docs/protocol.md over a network that drops, delays, copies, alters and forges, with
 * clocks that step and processes that restart. `runs.ts` says how a run is repeated.
 */

describe('a client that follows section 8', { timeout: TIMEOUT }, () => {
  it('has nothing handled twice, learns the truth, and is served once all is well', async () => {
    await simulateAll({ runs: RUNS, requests: REQUESTS, settings: KEYS_STAY, usual: USUAL })
  })
})
