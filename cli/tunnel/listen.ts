import { lstat, stat, unlink } from 'node:fs/promises'
import { type AddressInfo, connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { OrthrusError } from '../../shared/errors.js'
import { codeOf } from '../../shared/folder.node.js'
import { type Place, shownPlace } from './place.js'

/** Only the owner may connect to a socket that is made under it. */
const OWNER_ONLY = 0o177

/**
 * Listens there. A Unix socket is only for the owner of the process, from its first moment on; one that a process left
 * behind is replaced.
 * @returns where it listens, with the port that it got
 * @throws OrthrusError `unavailable` if it cannot, or where the path is no socket, or one in use
 */
export async function listenOn(server: Server, place: Place): Promise<Place> {
  if ('path' in place) await makeRoom(place.path)
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => reject(cannotListen(place, cause)))
    const mask = 'path' in place ? process.umask(OWNER_ONLY) : undefined
    try {
      server.listen(place, () => {
        server.removeAllListeners('error')
        // Without a listener, running out of file descriptors would end the process.
        server.on('error', () => {})
        resolve()
      })
    } finally {
      // The socket was made within the call.
      if (mask !== undefined) process.umask(mask)
    }
  })
  return 'path' in place ? place : { host: place.host, port: (server.address() as AddressInfo).port }
}

/** @throws OrthrusError `unavailable` */
async function makeRoom(path: string): Promise<void> {
  const there = await lstat(path).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw cannotListen({ path }, cause)
  })
  if (there === undefined) {
    await requireFolder(path)
    return
  }
  if (!there.isSocket()) throw inTheWay(path, 'is there, and is no socket', 'nothing is put in its place')
  if (await answers(path)) throw inTheWay(path, 'is in use by another process', 'end it')
  await unlink(path).catch((cause: unknown) => {
    throw cannotListen({ path }, cause)
  })
}

/** The system says of a socket in a folder that there is not what it says of one in a folder of others. */
async function requireFolder(path: string): Promise<void> {
  const folder = dirname(path)
  const code = await stat(folder).then(
    there => (there.isDirectory() ? undefined : 'ENOTDIR'),
    (cause: unknown) => codeOf(cause),
  )
  if (code !== undefined) throw cannotListen({ path }, Object.assign(new Error(code), { code }))
}

/** Whether a process listens there. Where that cannot be found out, the socket is not ours to remove. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', cause => resolve(codeOf(cause) !== 'ECONNREFUSED'))
  })
}

function inTheWay(path: string, reason: string, hint: string): OrthrusError {
  return new OrthrusError('unavailable', `unix:${path} ${reason}`, {
    final: true,
    hint: `${hint}, or name another path`,
  })
}

const REASONS: ReadonlyMap<string, readonly [reason: string, hint: string]> = new Map([
  [
    'EADDRINUSE',
    ['is in use already', 'end what listens there, or name another; port 0 takes any that is free'],
  ],
  ['EACCES', ['is not allowed to this user', 'name a port above 1023']],
  [
    'EADDRNOTAVAIL',
    ['is not an address of this machine', 'name one of its own; 0.0.0.0 stands for all of them'],
  ],
  ['ENOTFOUND', ['has a host name that has no address', 'check the name, or give an address']],
  ['ENOENT', ['is in a folder that does not exist', 'make the folder first']],
  ['ENOTDIR', ['is in something that is no folder', 'name another path']],
])

/** The same where there is no port. */
const REASONS_OF_SOCKETS: typeof REASONS = new Map([
  ['EACCES', ['is not allowed to this user', 'name a folder that the user may write to']],
  ['EADDRINUSE', ['is in use already', 'end what listens there, or name another path']],
])

function cannotListen(place: Place, cause: unknown): OrthrusError {
  const code = codeOf(cause)
  const own = 'path' in place ? REASONS_OF_SOCKETS.get(code) : undefined
  const [reason, hint] = own ?? REASONS.get(code) ?? [`cannot be listened on: ${code}`, 'name another place']
  return new OrthrusError('unavailable', `${shownPlace(place)} ${reason}`, {
    final: true,
    cause,
    hint: `${hint} (--listen)`,
  })
}
