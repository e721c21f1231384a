import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What to call when a connection is over. */
const waiting = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `run` once: when what is returned is called, or when nobody is left to answer. The response alone does not tell:
 * where a connection ends, Node says so to the response that is being sent, and to none of those that wait behind it.
 */
export function unlessGone(req: IncomingMessage, res: ServerResponse, run: () => void): () => void {
  // A server that makes its requests itself may give them none.
  const { socket }: { readonly socket?: Socket } = req
  if (res.closed || socket?.destroyed) {
    run()
    return () => {}
  }
  const all = socket === undefined ? new Set<() => void>() : (waiting.get(socket) ?? listenTo(socket))
  all.add(run)
  const over = (): void => {
    if (all.delete(run)) run()
  }
  if (socket === undefined) res.once('close', over)
  return over
}

/** Calls `run` once, when the response is over, or nobody is left to answer. */
export function whenOver(req: IncomingMessage, res: ServerResponse, run: () => void): void {
  res.once('close', unlessGone(req, res, run))
}

function listenTo(socket: Socket): Set<() => void> {
  const all = new Set<() => void>()
  waiting.set(socket, all)
  socket.once('close', () => {
    for (const run of all) {
      all.delete(run)
      run()
    }
  })
  return all
}
