import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What to call when a connection is over. */
const waiting = new WeakMap<Socket, Set<() => void>>()

/**
 * Whether the response is over, or nobody is left to answer. The response alone does not tell: where a connection ends,
 * Node says so to the response that is being sent, and to none of those that wait behind it.
 */
export function isOver(req: IncomingMessage, res: ServerResponse): boolean {
  return res.closed || res.destroyed || socketOf(req)?.destroyed === true
}

/** Calls `run` once, when the request is over. */
export function whenOver(req: IncomingMessage, res: ServerResponse, run: () => void): void {
  if (isOver(req, res)) {
    run()
    return
  }
  const socket = socketOf(req)
  const all = socket === undefined ? new Set<() => void>() : (waiting.get(socket) ?? listenTo(socket))
  all.add(run)
  res.once('close', () => {
    if (all.delete(run)) run()
  })
}

/** A server that makes its requests itself may give them none. */
function socketOf({ socket }: { readonly socket?: Socket }): Socket | undefined {
  return socket
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
