import type { IncomingMessage, ServerResponse } from 'node:http'
import { pairsOf } from '../../shared/http/header-pairs.js'
import type { Timers } from '../../shared/timers.js'
import type { RequestMessage } from '../request/message.js'
import { NodeBody } from './body.js'

/** A request of `node:http` as values. */
export function messageOf(req: IncomingMessage, res: ServerResponse, timers: Timers): RequestMessage {
  return {
    ...headOf(req),
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
