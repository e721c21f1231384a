import type { Adapter } from './adapter.js'
import { describeBodies } from './bodies.js'
import { describeConnections } from './connections.js'
import { describeOther } from './either.js'
import { describeEvents, describeEventsOfOthers } from './events.js'
import { describeFront } from './front.js'
import { describeRequests } from './requests.js'
import { describeResponses } from './responses.js'

export interface SuiteOptions {
  /** Whether it can let something else decide where there is no ticket. Default true. */
  readonly hasOr?: boolean
}

/** What every adapter of `requireTicket` must do, whatever the framework: the same cases over the same wire. */
export function describeAdapter(name: string, adapter: Adapter, { hasOr = true }: SuiteOptions = {}): void {
  const parts = [describeRequests, describeBodies, describeResponses, describeConnections, describeFront]
  const all = [...parts, describeEvents, ...(hasOr ? [describeOther, describeEventsOfOthers] : [])]
  for (const describe of all) describe(name, adapter)
}
