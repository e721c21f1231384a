import type { RealmResponse } from '../request/http-response.js'

/** What an agent needs of its realm. */
export interface AgentParts {
  /** `Realm.fetch`, with the options of the agent. */
  fetch(url: URL, init: AgentInit): Promise<RealmResponse>
}

/** A request of an agent. `dispatcher` makes the connections. */
export interface AgentInit extends RequestInit {
  readonly dispatcher: unknown
}
