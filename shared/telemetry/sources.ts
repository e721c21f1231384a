import type { Principal } from '../principal.js'

/** What is counted, by name. */
export interface Counts {
  readonly [name: string]: number | undefined
}

/** Of a service, what its numbers are read from: what `loadService` gives has it. */
export interface CountedService {
  readonly principal: Principal
  readonly state: {
    readonly ready: boolean
    readonly feed?: { readonly age: number | undefined; readonly revocations: number } | undefined
    readonly keys: readonly { readonly kvno: number; readonly age: number | undefined }[]
  }
  metrics(): {
    readonly events: Counts
    readonly refused: Counts
    readonly passedWithoutTicket: number
    readonly openChannels: number
    readonly ticketCache: { readonly tickets: number; readonly hits: number; readonly misses: number }
    readonly replayCache:
      | { readonly entries: number; readonly capacity: number; readonly bytes: number }
      | undefined
  }
}

/** Of a realm of a client, what its numbers are read from: what `connect` gives has it. */
export interface CountedRealm {
  readonly client: Principal
  metrics(): {
    readonly events: Counts
    readonly refusedTickets: Counts
    readonly refusedCalls: Counts
    readonly tickets: number
    readonly kdcConnected: boolean
  }
}
