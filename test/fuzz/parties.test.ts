import { describe } from 'vitest'
import { partyEntries } from './entries.js'
import { fuzzAll } from './run.js'

/** KDC, service and client under what comes to them, changed before and behind its MACs. */

const groups = await partyEntries()

const TITLES: Record<keyof typeof groups, string> = {
  kdc: 'any bytes from a client of the KDC',
  service: 'any bytes from a client of a service',
  client: 'any bytes in place of an answer to a client',
  feed: 'any bytes in place of the log of what is revoked',
}

for (const [group, entries] of Object.entries(groups)) {
  describe(TITLES[group as keyof typeof groups], () => fuzzAll(entries))
}
