import type { Principal } from '../../shared/principal.js'

/** A request that was sent, or was to be. */
export interface SentRequest {
  readonly url: URL
  readonly service: Principal
  /** Whether its body is a stream, sent as it is sealed. */
  readonly isStreamed: boolean
}
