import type { KnownOptions } from '../../shared/options.js'
import { createGate, KNOWN_BY_GATES, type RequireTicketOptions, type TicketGate } from '../request/options.js'
import { type CorsOptions, type CorsPolicy, createCorsPolicy } from './cors.js'

/** Options of `requireTicket` for `node:http`. */
export interface NodeTicketOptions extends RequireTicketOptions {
  /**
   * Whether a refusal that `onRefused` does not answer goes to the framework's error handlers, as the `RequestRefused` that
   * `next` is called with; what they answer goes out as what `onRefused` writes does. Middleware only. Default false.
   */
  readonly passRefusals?: boolean
  /**
   * Lets pages of these origins call from a browser: what it asks first is answered without a ticket, and every response
   * says that they may read it. Give it to the outermost gate, where requests with the method OPTIONS come by. Default: no
   * page of another origin may call.
   */
  readonly cors?: CorsOptions
}

const KNOWN: KnownOptions<NodeTicketOptions> = { ...KNOWN_BY_GATES, passRefusals: true, cors: true }

/** The options of one `requireTicket` for `node:http`, checked and complete. */
export interface NodeGate extends TicketGate {
  readonly passRefusals: boolean
  readonly cors: CorsPolicy | undefined
}

/** @throws TypeError if an option does not exist, or cannot be meant so */
export function createNodeGate(options: NodeTicketOptions): NodeGate {
  const gate = createGate(options, KNOWN)
  const { passRefusals = false } = options
  if (typeof passRefusals !== 'boolean') throw new TypeError('passRefusals is true or false')
  const covered = { request: gate.requireCovered, response: gate.coverResponse }
  const cors = options.cors && createCorsPolicy(options.cors, covered)
  return { ...gate, passRefusals, cors }
}
