import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Refusal } from '../../shared/accept/refusal.js'
import type { WireCode } from '../../shared/errors.js'
import { formatChallenge, statusOf } from '../../shared/http/headers.js'
import type { Principal } from '../../shared/principal.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import { runAfter } from '../../shared/timers.js'
import type { ResponseMethods } from '../response/buffer.js'
import { takeOver } from '../response/proof.js'
import { announcesBody } from './body.js'
import { targetOf } from './head.js'
import type { ServiceParts } from './service.js'

/** A request that was not let through, as the service's own side is told of it. */
export interface RefusedRequest {
  /** Absent where the request came without credentials. */
  readonly code: WireCode | undefined
  /** For people; it says more than the answer did. */
  readonly reason: string
  /** Who presented the request, where that was proved. */
  readonly presenter: Principal | undefined
}

/** Tuning, not protocol: how long the rest of a refused body is taken and thrown away, milliseconds. */
const LINGER = 2_000
/** And how much of it, bytes. */
const LINGER_BYTES = 1024 * 1024
const PATH_LOGGED = 256

/** Answers without credentials: the challenge alone. */
export function challenge(req: IncomingMessage, res: ServerResponse, service: ServiceParts): RefusedRequest {
  const refused = { code: undefined, reason: 'the request has no credentials', presenter: undefined }
  service.logger.info(requestFields(req), refused.reason)
  answer(req, res, service, 401, formatChallenge({ realm: service.realm }), 'authentication required')
  return refused
}

/** Answers with the refusal's ERROR (docs/protocol.md section 8, HTTP binding). */
export function refuseRequest(
  req: IncomingMessage,
  res: ServerResponse,
  service: ServiceParts,
  refusal: Refusal,
): RefusedRequest {
  const { wireCode: code, reason, presenter, reply } = refusal
  service.logger.warn({ code, reason, presenter, ...requestFields(req) }, 'a request was refused')
  const value = formatChallenge({ realm: service.realm, code, error: reply })
  answer(req, res, service, statusOf(code), value, code)
  return { code, reason, presenter }
}

/** Method and path, for the log; a query can hold what a log should not. */
export function requestFields(req: IncomingMessage): {
  method: string | undefined
  path: string | undefined
} {
  return { method: req.method, path: pathOf(targetOf(req))?.slice(0, PATH_LOGGED) }
}

function answer(
  req: IncomingMessage,
  res: ServerResponse,
  service: ServiceParts,
  status: number,
  value: string,
  text: string,
): void {
  const own = takeOver(res)
  if (res.writableEnded) return
  if (res.headersSent) {
    res.destroy()
    return
  }
  const body = Buffer.from(`${text}\n`)
  const unread = announcesBody(req) && !(req.complete && req.readableDidRead)
  if (unread || status === statusOf('too_large')) own.setHeader('connection', 'close')
  own.writeHead(status, {
    'www-authenticate': value,
    'cache-control': 'no-store',
    'content-type': 'text/plain; charset=utf-8',
    'content-length': body.length,
  })
  if (req.complete || !unread) own.end(body)
  else endAfterBody(req, own, service, body)
}

/**
 * A connection closed upon bytes that nobody took is reset, and the client may lose the answer with it. So the
 * answer goes out at once, and the connection ends when the client has said what it had to say.
 */
function endAfterBody(req: IncomingMessage, own: ResponseMethods, service: ServiceParts, body: Buffer): void {
  let left = LINGER_BYTES
  const end = (): void => {
    cancel()
    req.off('data', discard).off('end', end).off('close', end)
    own.end()
  }
  const discard = (piece: Buffer | string): void => {
    left -= piece.length
    if (left < 0) end()
  }
  const cancel = runAfter(service.timers, LINGER, end)
  own.flushHeaders()
  own.write(body)
  req.on('data', discard).on('end', end).on('close', end)
}
