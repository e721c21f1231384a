import type { VerifiedRequest } from '../../shared/accept/accept.js'
import type { RequestMessage } from '../request/message.js'
import type { ServiceParts } from '../request/service.js'

/** What an answer is proved by, whichever adapter sends it. */
export interface AnswerOptions {
  /** The request as it came. */
  readonly message: RequestMessage
  readonly verified: VerifiedRequest
  readonly service: ServiceParts
  /** Further headers that the request covers, in lower case. */
  readonly covered: readonly string[]
  /** Further headers that the response covers, in lower case and ascending order. */
  readonly coverResponse: readonly string[]
  /** Bytes. */
  readonly maxResponse: number
  /** Whether every response is sealed whose client reads sealed ones. */
  readonly sealResponses: boolean
}
