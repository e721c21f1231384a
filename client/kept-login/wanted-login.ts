import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { SourceOptions, TicketSource } from '../cache/ticket-source.js'

/** What `connect` is told of the login. */
export interface WantedLogin {
  readonly login: string | true
  readonly realm?: string | undefined
  readonly loginFolder?: string | undefined
}

export interface FoundLogin {
  /** Where its tickets come from. */
  readonly kdc: readonly string[]
  source(options: SourceOptions): TicketSource
  /** Calls the function when the person logs out elsewhere. @returns a function that is called when nobody needs the login */
  whenEnded?(run: () => void): () => void
}

/** A login that was made just now. */
export interface NewLogin {
  readonly client: Principal
  readonly kdc: readonly string[]
  readonly tgt: Grant
}
