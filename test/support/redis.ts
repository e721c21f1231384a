import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { onTestFinished } from 'vitest'
import { endAtLast, temporaryFolder } from '../end-to-end/processes.js'

/** Real servers of Redis or Valkey, on sockets in a folder of their own. */

function programOf(...names: string[]): string | undefined {
  return names.find(name => {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

/** ORTHRUS_REDIS_SERVER names another program than Debian's. */
const PROGRAM = programOf(process.env.ORTHRUS_REDIS_SERVER ?? 'redis-server', 'valkey-server')

/** Undefined, after a word about it, where no server is installed. */
export const hasRedis = PROGRAM !== undefined
if (!hasRedis)
  console.warn('redis-server is not installed: the tests of the cache that it shares are skipped')

export class RedisServer {
  readonly path: string
  readonly #args: readonly string[]
  #child: ChildProcess | undefined

  constructor(path: string, args: readonly string[]) {
    this.path = path
    this.#args = args
  }

  async start(): Promise<void> {
    rmSync(this.path, { force: true })
    const dir = join(this.path, '..')
    const own = [
      '--port',
      '0',
      '--unixsocket',
      this.path,
      '--dir',
      dir,
      '--save',
      '',
      '--repl-diskless-sync-delay',
      '0',
      ...this.#args,
    ]
    const child = spawn(PROGRAM as string, own, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = endAtLast(child)
    for await (const line of createInterface(child.stdout)) if (/ready to accept/i.test(line)) break
    child.stdout.resume()
  }

  /** As a power cut does it: what was not written is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Its operator, at this very server. */
  async operate<Result>(task: (operator: Redis) => Promise<Result>): Promise<Result> {
    const operator = new Redis(this.path)
    try {
      return await task(operator)
    } finally {
      operator.disconnect()
    }
  }

  /** It has all of the other's data, and follows what happens there. */
  async follow(other: RedisServer): Promise<void> {
    await this.operate(async operator => {
      await operator.replicaof('127.0.0.1', await other.#port())
      for (;;) {
        const info = await operator.info('replication')
        if (info.includes('master_link_status:up')) return
        await sleep(5)
      }
    })
  }

  /** Replication knows no sockets. The port is one that the system has free. */
  async #port(): Promise<number> {
    return await this.operate(async operator => {
      const [, port] = (await operator.config('GET', 'port')) as string[]
      if (Number(port) > 0) return Number(port)
      await operator.config('SET', 'port', await freePort())
      return await this.#port()
    })
  }

  async promote(): Promise<void> {
    await this.operate(operator => operator.replicaof('NO', 'ONE'))
  }

  /** As if the time that follows a start or a loss had passed on the server. */
  async passStart(): Promise<void> {
    await this.operate(async operator => {
      for (const key of await operator.keys('orthrus:*')) {
        if (key.endsWith('}')) await operator.hset(key, 'floor', '0')
      }
    })
  }
}

/** Servers, and the one path by which clients reach whichever of them serves. */
export class RedisHouse {
  readonly path: string
  readonly #folder: string
  #servers = 0

  private constructor(folder: string) {
    this.#folder = folder
    this.path = join(folder, 'serving')
  }

  static async open(): Promise<RedisHouse> {
    const { folder, remove } = await temporaryFolder('orthrus-redis-')
    onTestFinished(remove)
    return new RedisHouse(folder)
  }

  async start(...args: string[]): Promise<RedisServer> {
    const server = new RedisServer(join(this.#folder, `server-${++this.#servers}`), args)
    await server.start()
    onTestFinished(() => server.kill())
    if (!existsSync(this.path)) this.serveBy(server)
    return server
  }

  /** Who connects from now on reaches this server. */
  serveBy(server: RedisServer): void {
    const next = join(this.#folder, 'next')
    symlinkSync(server.path, next)
    renameSync(next, this.path)
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
