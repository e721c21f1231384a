import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Chance } from '../support/chance.js'
import type { DiskEvent } from './disk-trace.js'

/**
 * A disk as it may be after a power cut, by what POSIX promises and nothing more: a file has what was synced, a folder
 * has the names that it had when it was synced.
 */

interface Node {
  readonly isFolder: boolean
  data: Buffer
  synced: Buffer
}

interface OpenFile {
  readonly node: Node
  readonly path: string
  readonly appends: boolean
  offset: number
}

/**
 * How much of what was not synced is there: nothing; the names; or the names and some first part of what was written.
 */
export const LUCK = ['nothing', 'names', 'parts'] as const
export type Luck = (typeof LUCK)[number]

export class Disk {
  /** The folder that is looked at; it was there before. */
  readonly #root: string
  readonly #names = new Map<string, Node>()
  #syncedNames = new Map<string, Node>()
  readonly #files = new Map<number, OpenFile>()

  constructor(root: string) {
    this.#root = root
  }

  /** @returns whether it changed anything below the root. */
  apply(event: DiskEvent): boolean {
    switch (event.call) {
      case 'open':
        return this.#open(event)
      case 'write':
        return this.#write(event)
      case 'truncate': {
        const file = this.#files.get(event.fd)
        if (file === undefined) return false
        file.node.data = file.node.data.subarray(0, event.length)
        return true
      }
      case 'sync':
        return this.#sync(event.fd)
      case 'close':
        this.#files.delete(event.fd)
        return false
      default:
        return this.#rename(event)
    }
  }

  /** What is left of the root, put into another folder. */
  async leave(luck: Luck, chance: Chance, to: string): Promise<void> {
    const names = luck === 'nothing' ? this.#syncedNames : this.#names
    // A folder's path is the beginning of the paths in it, and so comes first.
    for (const [path, node] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!this.#isReached(path, names)) continue
      const place = join(to, path.slice(this.#root.length))
      if (node.isFolder) await mkdir(place, { recursive: true, mode: 0o700 })
      else await writeFile(place, luck === 'parts' ? partOf(node, chance) : node.synced, { mode: 0o600 })
    }
  }

  #isReached(path: string, names: ReadonlyMap<string, Node>): boolean {
    for (let at = dirname(path); at !== this.#root; at = dirname(at)) if (!names.has(at)) return false
    return true
  }

  #isInside(path: string): boolean {
    return path.startsWith(`${this.#root}/`)
  }

  #open({ path, fd, flags }: DiskEvent & { call: 'open' }): boolean {
    this.#files.delete(fd)
    const isRoot = path === this.#root
    if (!this.#isInside(path) && !isRoot) return false
    const known = isRoot ? folder() : this.#names.get(path)
    const node = known ?? { isFolder: false, data: Buffer.alloc(0), synced: Buffer.alloc(0) }
    if (!isRoot) this.#names.set(path, node)
    const cut = flags.has('O_TRUNC') && node.data.length > 0
    if (cut) node.data = Buffer.alloc(0)
    this.#files.set(fd, { node, path, appends: flags.has('O_APPEND'), offset: 0 })
    return known === undefined || cut
  }

  #write({ fd, bytes, offset }: DiskEvent & { call: 'write' }): boolean {
    const file = this.#files.get(fd)
    if (file === undefined) return false
    const { node } = file
    const at = offset ?? (file.appends ? node.data.length : file.offset)
    const data = Buffer.alloc(Math.max(node.data.length, at + bytes.length))
    node.data.copy(data)
    bytes.copy(data, at)
    node.data = data
    if (offset === undefined) file.offset = at + bytes.length
    return true
  }

  #sync(fd: number): boolean {
    const file = this.#files.get(fd)
    if (file === undefined) return false
    const { node, path } = file
    if (!node.isFolder) {
      node.synced = node.data
      return true
    }
    const isHere = (name: string) => dirname(name) === path
    this.#syncedNames = new Map([
      ...[...this.#syncedNames].filter(([name]) => !isHere(name)),
      ...[...this.#names].filter(([name]) => isHere(name)),
    ])
    return true
  }

  #rename(event: Exclude<DiskEvent, { fd: number }>): boolean {
    const { path } = event
    if (!this.#isInside(path)) return false
    const node = this.#names.get(path)
    if (event.call === 'mkdir') this.#names.set(path, folder())
    else if (event.call === 'unlink') this.#names.delete(path)
    else if (node !== undefined) this.#names.set(event.to, node)
    if (event.call === 'rename') {
      this.#names.delete(path)
      if (node?.isFolder === true) this.#moveInside(path, event.to)
    }
    return true
  }

  /** The content of a folder goes with it, under whichever of its two names the folder has after the cut. */
  #moveInside(from: string, to: string): void {
    for (const [path, node] of [...this.#names].filter(([path]) => path.startsWith(`${from}/`))) {
      this.#names.delete(path)
      this.#names.set(to + path.slice(from.length), node)
    }
    for (const [path, node] of [...this.#syncedNames].filter(([path]) => path.startsWith(`${from}/`))) {
      this.#syncedNames.set(to + path.slice(from.length), node)
    }
  }
}

function folder(): Node {
  return { isFolder: true, data: Buffer.alloc(0), synced: Buffer.alloc(0) }
}

/** Some first part of what was added at the end; what was overwritten is the old or the new. */
function partOf({ data, synced }: Node, chance: Chance): Buffer {
  if (data.subarray(0, synced.length).equals(synced)) {
    return data.subarray(0, synced.length + chance.below(data.length - synced.length + 1))
  }
  return chance.pick([data, synced])
}
