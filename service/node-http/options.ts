import type { IncomingMessage } from 'node:http'
import type { KnownOptions } from '../../shared/options.js'
import { createGate, KNOWN_BY_GATES, type RequireTicketOptions, type TicketGate } from '../request/options.js'
import { type CorsOptions, type CorsPolicy, createCorsPolicy } from './cors.js'
import { externalTarget } from './external-target.js'

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
  /**
   * What a proxy in front takes from the beginning of paths before it passes requests on, such as `/api`: the client bound
   * the whole path. Caveats on paths mean the whole path too. Default: nothing.
   */
  readonly pathPrefix?: string
  /**
   * The URL that the client asked for, where a proxy rewrites it in another way: whole, or path and query as they stood on
   * the client's request line. It must follow from the path and query that the handler acts on, and from nothing that
   * anybody else can write, such as a header: else a request for one thing would be let through as one for another.
   */
  readonly externalUrl?: (req: IncomingMessage) => string
}

const KNOWN: KnownOptions<NodeTicketOptions> = {
  ...KNOWN_BY_GATES,
  passRefusals: true,
  cors: true,
  pathPrefix: true,
  externalUrl: true,
}

/** The options of one `requireTicket` for `node:http`, checked and complete. */
export interface NodeGate extends TicketGate {
  readonly passRefusals: boolean
  readonly cors: CorsPolicy | undefined
  /** Path and query as the client bound them. */
  readonly targetOf: (req: IncomingMessage) => string
}

/** @throws TypeError if an option does not exist, or cannot be meant so */
export function createNodeGate(options: NodeTicketOptions): NodeGate {
  const gate = createGate(options, KNOWN)
  const { passRefusals = false } = options
  if (typeof passRefusals !== 'boolean') throw new TypeError('passRefusals is true or false')
  const covered = { request: gate.requireCovered, response: gate.coverResponse }
  const cors = options.cors && createCorsPolicy(options.cors, covered)
  return { ...gate, passRefusals, cors, targetOf: externalTarget(options) }
}
