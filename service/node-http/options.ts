import type { KnownOptions } from '../../shared/options.js'
import { createGate, KNOWN_BY_GATES, type RequireTicketOptions, type TicketGate } from '../request/options.js'

/** Options of `requireTicket` for `node:http`. */
export interface NodeTicketOptions extends RequireTicketOptions {
  /**
   * Whether a refusal that `onRefused` does not answer goes to the framework's error handlers, as the `RequestRefused` that
   * `next` is called with; what they answer goes out as what `onRefused` writes does. Middleware only. Default false.
   */
  readonly passRefusals?: boolean
}

const KNOWN: KnownOptions<NodeTicketOptions> = { ...KNOWN_BY_GATES, passRefusals: true }

/** The options of one `requireTicket` for `node:http`, checked and complete. */
export interface NodeGate extends TicketGate {
  readonly passRefusals: boolean
}

/** @throws TypeError if an option does not exist, or cannot be meant so */
export function createNodeGate(options: NodeTicketOptions): NodeGate {
  const gate = createGate(options, KNOWN)
  const { passRefusals = false } = options
  if (typeof passRefusals !== 'boolean') throw new TypeError('passRefusals is true or false')
  return { ...gate, passRefusals }
}
