import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { endianness } from 'node:os'

/** Which user of this machine has the other end of a connection over the loopback. */

/** Linux lists the connections of all users there, each with the user who made it. */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const

/**
 * Established, or ended in one direction. In other states the connection is over, and the table says user 0 whoever had it. It
 * says so too, and gives no inode, once the program of a connection has gone.
 */
const STATES: ReadonlySet<string> = new Set(['01', '04', '05', '08'])

/** Whether this system can say it. */
export const KNOWS_PEERS = process.platform === 'linux'

/** @returns the number of the user; `undefined` if it cannot be known */
export async function userOfPeer(socket: Socket, read: ReadTable = readTable): Promise<number | undefined> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || localAddress === undefined) return undefined
  // The other end has the same pair, the other way round.
  const own = [remoteAddress, remotePort, localAddress, localPort] as const
  for (const path of TABLES) {
    const user = findUser(await read(path), ...own)
    if (user !== undefined) return user
  }
  return undefined
}

type ReadTable = (path: string) => Promise<string>

/** A machine without IPv6 has no table of it. */
const readTable: ReadTable = sharing(path => readFile(path, 'latin1').catch(() => ''))

/**
 * Reads one file once at a time, since the kernel writes a whole table for each reading. Those who ask meanwhile share the
 * next reading, which begins after their connections did.
 * @param read never rejects
 */
export function sharing(read: ReadTable): ReadTable {
  const running = new Map<string, Promise<string>>()
  const next = new Map<string, Promise<string>>()
  const begin: ReadTable = path => {
    const reading = read(path).finally(() => running.delete(path))
    running.set(path, reading)
    return reading
  }
  return path => {
    const before = running.get(path)
    if (before === undefined) return begin(path)
    const waiting =
      next.get(path) ??
      before.then(() => {
        next.delete(path)
        return begin(path)
      })
    next.set(path, waiting)
    return waiting
  }
}

/**
 * Looks for the line of one end of a connection: its address, its port, and those of the other end. A table has a line for
 * each connection of the machine, so that it is searched, and not taken apart.
 */
export function findUser(
  table: string,
  address: string,
  port: number | undefined,
  otherAddress: string,
  otherPort: number | undefined,
): number | undefined {
  for (const keyOf of [key, mappedKey]) {
    const ends = `: ${keyOf(address, port)} ${keyOf(otherAddress, otherPort)} `
    const at = table.indexOf(ends)
    if (at === -1) continue
    const [line = ''] = table.slice(at + ends.length, at + ends.length + LINE_MAX).split('\n')
    const [state = '', , , , user, , inode] = line.trim().split(/\s+/)
    if (user !== undefined && inode !== '0' && STATES.has(state)) return Number(user)
  }
  return undefined
}

/** More than what stands behind the two ends. */
const LINE_MAX = 200

/** As the kernel prints it: words of four bytes in the order of the machine. */
function key(address: string, port: number | undefined): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  return `${words(bytesOf(plain))}:${portOf(port)}`
}

/** A program may use an IPv6 socket for an IPv4 address. */
function mappedKey(address: string, port: number | undefined): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  const mapped = plain.includes('.')
    ? [...new Array<number>(10).fill(0), 0xff, 0xff, ...bytesOf(plain)]
    : bytesOf(plain)
  return `${words(mapped)}:${portOf(port)}`
}

function words(bytes: readonly number[]): string {
  const groups = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.slice(4 * i, 4 * i + 4))
  const ordered = endianness() === 'LE' ? groups.map(group => group.reverse()) : groups
  return ordered
    .flat()
    .map(byte => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase()
}

function portOf(port = 0): string {
  return port.toString(16).padStart(4, '0').toUpperCase()
}

/** Of an address on the loopback. */
function bytesOf(address: string): number[] {
  if (address.includes('.')) return address.split('.').map(Number)
  if (address === '::1') return [...new Array<number>(15).fill(0), 1]
  return []
}
