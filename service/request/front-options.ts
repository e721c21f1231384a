import type { KnownOptions } from '../../shared/options.js'
import { type CorsOptions, type CorsPolicy, createCorsPolicy } from './cors.js'
import { externalTarget } from './external-target.js'

/** What a gate is told of what stands between it and its clients: browsers, and proxies that rewrite paths. */
export interface FrontOptions<Req> {
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
  readonly externalUrl?: (req: Req) => string
}

export const FRONT_OPTIONS: KnownOptions<FrontOptions<never>> = {
  cors: true,
  pathPrefix: true,
  externalUrl: true,
}

export interface Front<Req> {
  readonly cors: CorsPolicy | undefined
  /** Path and query as the client bound them. @throws TypeError for what is no URL */
  readonly targetOf: (req: Req) => string
}

/**
 * @param gate what it requires to be covered
 * @param arrivedTarget path and query as they arrived
 * @throws TypeError if an option does not exist or cannot be meant so
 */
export function createFront<Req>(
  options: FrontOptions<Req>,
  { requireCovered, coverResponse }: Record<'requireCovered' | 'coverResponse', readonly string[]>,
  arrivedTarget: (req: Req) => string,
): Front<Req> {
  const covered = { request: requireCovered, response: coverResponse }
  const cors = options.cors && createCorsPolicy(options.cors, covered)
  return { cors, targetOf: externalTarget(options, arrivedTarget) }
}
