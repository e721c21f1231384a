import type { IncomingMessage, ServerResponse } from 'node:http'
import { runAfter, type Timers } from '../../shared/timers.js'
import type { ResponseMessage } from '../request/message.js'
import type { ResponseMethods } from '../response/buffer.js'
import { groupHeaders } from '../response/headers.js'
import { takeOver } from '../response/refusal.js'
import { restoreHeaders } from '../response/standing-headers.js'
import { announcesBody, wasRead } from './body.js'

/** Tuning, not protocol: for how long the rest of a refused body is read and dropped, milliseconds. */
const LINGER = 2_000
/** And how much of it, bytes. */
const LINGER_BYTES = 1024 * 1024

const TOO_LARGE = 413

/** Sends a refusal in place of whatever the handler may have begun to answer. */
export function answerWith(
  req: IncomingMessage,
  res: ServerResponse,
  timers: Timers,
  { status, headers, body }: ResponseMessage,
): void {
  const own = takeOver(res)
  if (res.writableEnded) return
  if (res.headersSent) {
    res.destroy()
    return
  }
  const unread = announcesBody(req) && !wasRead(req)
  if (unread || status === TOO_LARGE) own.setHeader('connection', 'close')
  restoreHeaders(res, (name, value) => own.setHeader(name, value))
  own.writeHead(status, Object.fromEntries(groupHeaders(headers.flat())))
  if (req.complete || !unread) own.end(body)
  else endAfterBody(req, own, timers, body)
}

/**
 * Closing a connection on bytes that nobody read resets it, and the client may lose the answer with it. So the answer
 * goes out at once, and the connection ends when the client has sent what it had to send.
 */
function endAfterBody(req: IncomingMessage, own: ResponseMethods, timers: Timers, body: Uint8Array): void {
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
  const cancel = runAfter(timers, LINGER, end)
  own.flushHeaders()
  own.write(body)
  req.on('data', discard).on('end', end).on('close', end)
}
