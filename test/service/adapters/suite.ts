import type { Adapter } from './adapter.js'
import { describeBodies } from './bodies.js'
import { describeConnections } from './connections.js'
import { describeRequests } from './requests.js'
import { describeResponses } from './responses.js'

/** What every adapter of `requireTicket` must do, whatever the framework: the same cases over the same wire. */
export function describeAdapter(name: string, adapter: Adapter): void {
  for (const describe of [describeRequests, describeBodies, describeResponses, describeConnections]) {
    describe(name, adapter)
  }
}
