import type { IncomingMessage, ServerResponse } from 'node:http'
import { pairsOf } from '../../shared/http/header-pairs.js'
import type { Timers } from '../../shared/timers.js'
import type { RequestMessage } from '../request/message.js'
import { NodeBody } from './body.js'

/**
 * A request of `node:http` as values. Written out, as what each request goes through is: V8 gives an object with a spread
 * in it a hidden class of its own, and whatever reads one then looks its fields up each time.
 */
export function messageOf(req: IncomingMessage, res: ServerResponse, timers: Timers): RequestMessage {
  const { method, target } = headOf(req)
  return {
    method,
    target,
    headers: pairsOf(req.rawHeaders),
    body: NodeBody.of(req, res, timers),
  }
}

export function headOf(req: IncomingMessage): Pick<RequestMessage, 'method' | 'target'> {
  return { method: req.method ?? '', target: targetOf(req) }
}

/** As on the request line. Frameworks cut `url` where they mount, and keep the whole in `originalUrl`. */
export function targetOf(req: IncomingMessage & { readonly originalUrl?: unknown }): string {
  return typeof req.originalUrl === 'string' ? req.originalUrl : (req.url ?? '')
}
