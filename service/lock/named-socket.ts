import { connect, createServer, type Server, type Socket } from 'node:net'
import { codeOf } from '../../shared/folder.node.js'
import { SECOND } from '../../shared/time.js'
import { inBackground, runAfter, systemTimers } from '../../shared/timers.js'

/**
 * Sockets that have a name and no file: an abstract Unix socket on Linux, a named pipe on Windows. The system gives a
 * name to one process at a time, and takes it back when that process ends, however it ends. A process that only stands
 * still keeps it.
 */

/** How long a holder may take to answer, milliseconds. */
const PATIENCE = SECOND
/** The longest answer that is read, bytes. */
const ANSWER_MAX = 256

/** What the system says of a name that nobody holds. */
const NOBODY: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT'])

/** Whether this system has such names. */
export const hasNamedSockets = process.platform === 'linux' || process.platform === 'win32'

export function socketPath(name: string): string {
  return process.platform === 'win32' ? `\\\\.\\pipe\\orthrus-${name}` : `\0orthrus-${name}`
}

/**
 * Holds the name for as long as the server is open. It does not keep the process alive.
 * @returns undefined if somebody holds the name
 * @throws the system's error if it cannot be held for another reason
 */
export async function holdName(name: string, serve: (socket: Socket) => void): Promise<Server | undefined> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    serve(socket)
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // A worker of node:cluster would share the name with all others, because its primary listens for it.
      server.listen({ path: socketPath(name), exclusive: true }, resolve)
    })
  } catch (cause) {
    if (codeOf(cause) === 'EADDRINUSE') return undefined
    throw cause
  }
  server.on('error', () => {})
  return server.unref()
}

/** What the holder of a name says: a text, empty if it says nothing in time. Undefined if nobody holds the name. */
export async function askHolder(name: string): Promise<string | undefined> {
  const socket = connect(socketPath(name))
  const cancel = runAfter(inBackground(systemTimers), PATIENCE, () => socket.destroy())
  try {
    return await answerOf(socket)
  } finally {
    cancel()
    socket.destroy()
  }
}

function answerOf(socket: Socket): Promise<string | undefined> {
  return new Promise(resolve => {
    let answer = Buffer.alloc(0)
    const over = (): void => resolve(answer.toString('utf8'))
    socket.on('data', piece => {
      answer = Buffer.concat([answer, piece])
      if (answer.length > ANSWER_MAX) socket.destroy()
    })
    // Any other failure, as that of a holder whose queue is full, is one of a name that is held.
    socket.on('error', cause => (NOBODY.has(codeOf(cause)) ? resolve(undefined) : over()))
    socket.on('end', over)
    socket.on('close', over)
  })
}
