import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:net'
import { malformed, OrthrusError } from '../../shared/errors.js'
import { runAfter, type Timers } from '../../shared/timers.js'
import { ByteCollector } from '../response/byte-collector.js'

/** The client went away; there is nobody to answer. */
export class RequestAborted extends Error {
  override readonly name = 'RequestAborted'
}

export interface BodyOptions {
  /** Bytes. */
  readonly maxBody: number
  /** How long the rest of it may take, milliseconds. */
  readonly timeout: number
  readonly timers: Timers
}

/** Whether the head of the request says that a body comes, be it an empty one. */
export function announcesBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || announcedLength(req) > 0
}

function announcedLength(req: IncomingMessage): number {
  return Number(req.headers['content-length'] ?? 0)
}

/** @throws TypeError where somebody read the announced body before, so that nobody can know what was sent */
export function requireUnread(req: IncomingMessage): void {
  if (!req.readableDidRead && req.readableFlowing !== true && req.readableEncoding === null) return
  throw new TypeError(
    'the body was read before requireTicket saw it: mount requireTicket before body parsers',
  )
}

/**
 * The whole of an announced body (docs/protocol.md section 8, step 9), which stays readable: whoever reads the request afterwards
 * finds it as if nobody had.
 * @throws OrthrusError `too_large`; `binding_mismatch` where it takes too long; `malformed` for trailers
 * @throws RequestAborted
 */
export async function readBody(
  req: IncomingMessage,
  res: ServerResponse,
  options: BodyOptions,
): Promise<Uint8Array> {
  if (announcedLength(req) > options.maxBody) throw tooLarge(options.maxBody)
  continueIfExpected(req, res)
  const body = await collect(req, options)
  if (req.rawTrailers.length > 0) throw malformed('trailers, which nothing covers')
  return body
}

function tooLarge(maxBody: number): OrthrusError {
  return new OrthrusError('too_large', `a body of more than ${maxBody} bytes`, { final: true })
}

/** Node does so by itself, unless the server listens to `checkContinue` and hands such requests on. */
function continueIfExpected(req: IncomingMessage, res: ServerResponse): void {
  if (req.headers.expect?.toLowerCase() !== '100-continue' || req.httpVersion !== '1.1') return
  const { server } = req.socket as typeof req.socket & { readonly server?: Server }
  if (server !== undefined && server.listenerCount('checkContinue') > 0) res.writeContinue()
}

function collect(req: IncomingMessage, { maxBody, timeout, timers }: BodyOptions): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const body = new ByteCollector(maxBody)
    const settle = (fault: Error | undefined): void => {
      cancel()
      req.off('readable', read).off('close', abort).off('error', abort)
      if (fault !== undefined) reject(fault)
      else {
        // Put back before 'end': Node emits that only once nothing is left to read.
        if (body.length > 0) req.unshift(body.bytes())
        resolve(body.bytes())
      }
    }
    const abort = (): void => settle(new RequestAborted('the client went away amid its request'))
    const read = (): void => {
      if (!drain(req, body)) settle(tooLarge(maxBody))
      else if (req.complete) settle(undefined)
    }
    const cancel = runAfter(timers, timeout, () => settle(late()))
    if (req.destroyed) return abort()
    // A body that is all here and empty must not be listened for: Node would answer with 'end'.
    if (req.complete && req.readableLength === 0) return settle(undefined)
    req.on('readable', read).on('close', abort).on('error', abort)
  })
}

/** Reads what is there, and not beyond: Node would then emit 'end'. False where the limit is passed. */
function drain(req: IncomingMessage, body: ByteCollector): boolean {
  while (req.readableLength > 0) {
    const piece: Buffer | null = req.read()
    if (piece !== null && !body.append(piece)) return false
  }
  return true
}

/** The rest of the body did not come in time. */
export function late(): OrthrusError {
  return new OrthrusError('binding_mismatch', 'the body did not arrive in time', { final: true })
}
