import type { IncomingMessage } from 'node:http'
import type { KnownOptions } from '../../shared/options.js'
import { createFront, FRONT_OPTIONS, type Front, type FrontOptions } from '../request/front-options.js'
import { createGate, KNOWN_BY_GATES, type RequireTicketOptions, type TicketGate } from '../request/options.js'
import { targetOf } from './request.js'

/** Options of `requireTicket` for `node:http`. */
export interface NodeTicketOptions extends RequireTicketOptions, FrontOptions<IncomingMessage> {
  /**
   * Whether a refusal that `onRefused` does not answer goes to the framework's error handlers, as the `RequestRefused` that
   * `next` is called with; what they answer goes out as what `onRefused` writes does. Middleware only. Default false.
   */
  readonly passRefusals?: boolean
}

/** Options with which every request that reaches the handler has a ticket. */
export interface StrictTicketOptions extends NodeTicketOptions {
  /** For a gate with it there is `PermittingTicketOptions`, whose handler gets a ticket that may be undefined. */
  readonly permitWithoutTicket?: false
}

const KNOWN: KnownOptions<NodeTicketOptions> = { ...KNOWN_BY_GATES, ...FRONT_OPTIONS, passRefusals: true }

/** The options of one `requireTicket` for `node:http`, checked and complete. */
export interface NodeGate extends TicketGate, Front<IncomingMessage> {
  readonly passRefusals: boolean
}

/** @throws TypeError if an option does not exist, or cannot be meant so */
export function createNodeGate(options: NodeTicketOptions): NodeGate {
  const gate = createGate(options, KNOWN)
  const { passRefusals = false } = options
  if (typeof passRefusals !== 'boolean') throw new TypeError('passRefusals is true or false')
  return { ...gate, ...createFront(options, gate, targetOf), passRefusals }
}
