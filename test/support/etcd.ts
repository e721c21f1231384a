import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createEtcd, type EtcdOptions } from '../../kdc/store/etcd/client/client.js'
import type { Etcd } from '../../kdc/store/etcd/etcd.js'
import { endAtLast, temporaryFolder } from '../end-to-end/processes.js'

/** Real members of etcd, on free ports of loopback, in folders of their own. */

/** ORTHRUS_ETCD names another program than Debian's. */
const PROGRAM = process.env.ORTHRUS_ETCD ?? 'etcd'

/** As `etcd --version` says it; undefined, after a word about it, where it is not installed. */
export const etcdVersion = versionOf()
export const hasEtcd = etcdVersion !== undefined
if (!hasEtcd) console.warn('etcd is not installed: the tests of the store on it are skipped')

function versionOf(): string | undefined {
  try {
    return /Version: (\S+)/.exec(execFileSync(PROGRAM, ['--version'], { encoding: 'utf8' }))?.[1]
  } catch {
    return undefined
  }
}

/** The program that its operators use; undefined where it is not installed. */
export const hasEtcdctl = hasEtcd && isThere(process.env.ORTHRUS_ETCDCTL ?? 'etcdctl')

function isThere(program: string): boolean {
  try {
    execFileSync(program, ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export interface EtcdSettings {
  readonly args?: readonly string[]
  /** Its members serve clients over TLS, as these further arguments say. */
  readonly tls?: boolean
  /** The folder of a member's data that is there already. */
  readonly data?: string
  /** What is trusted of TLS by `isReady`. */
  readonly client?: Partial<EtcdOptions>
}

export class EtcdMember {
  readonly url: string
  readonly args: readonly string[]
  #child: ChildProcess | undefined
  #log = ''

  constructor(url: string, args: readonly string[]) {
    this.url = url
    this.args = args
  }

  get log(): string {
    return this.#log
  }

  start(): void {
    const child = spawn(PROGRAM, this.args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => {
        this.#log = (this.#log + String(chunk)).slice(-100_000)
      })
    }
    this.#child = endAtLast(child)
  }

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
}

/** Members that know each other; they may not be ready yet. */
export class EtcdHouse {
  readonly members: EtcdMember[]
  readonly folder: string
  readonly #settings: EtcdSettings
  readonly #clients: Etcd[] = []
  readonly #remove: () => Promise<void>

  private constructor(
    members: EtcdMember[],
    folder: string,
    settings: EtcdSettings,
    remove: () => Promise<void>,
  ) {
    this.members = members
    this.folder = folder
    this.#settings = settings
    this.#remove = remove
  }

  /** @param count of members */
  static async start(count = 1, settings: EtcdSettings = {}): Promise<EtcdHouse> {
    const { folder, remove } = await temporaryFolder('orthrus-etcd-')
    const ports = await freePorts(2 * count)
    const peers = ports.slice(count).map(port => `http://127.0.0.1:${port}`)
    const cluster = peers.map((url, i) => `m${i}=${url}`).join(',')
    const members = peers.map((peer, i) => {
      const url = `${settings.tls ? 'https' : 'http'}://127.0.0.1:${ports[i]}`
      const data = settings.data ?? join(folder, `m${i}`)
      return new EtcdMember(url, [
        ...['--name', `m${i}`, '--data-dir', data, '--log-level', 'error', '--logger', 'zap'],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', cluster],
        ...(settings.args ?? []),
      ])
    })
    for (const member of members) member.start()
    const house = new EtcdHouse(members, folder, settings, remove)
    await house.ready()
    return house
  }

  get endpoints(): string[] {
    return this.members.map(({ url }) => url)
  }

  /** Closed with the house. */
  client(options: Partial<EtcdOptions> = {}): Etcd {
    const { endpoints, deadline = 5_000, ...rest } = { endpoints: this.endpoints, ...options }
    const client = createEtcd({ endpoints, deadline, ...rest })
    this.#clients.push(client)
    return client
  }

  /** Resolves when each of these members answers for the cluster. */
  async ready(members: readonly EtcdMember[] = this.members): Promise<void> {
    for (const { url } of members) {
      const client = createEtcd({ endpoints: [url], deadline: 2_000, ...this.#settings.client })
      for (let tries = 0; ; tries++) {
        const failure = await client.range({ key: 'ready' }).then(
          () => undefined,
          (cause: Error) => cause,
        )
        if (failure === undefined || /user name is empty/.test(failure.message)) break
        if (tries > 1_000) throw failure
        await sleep(20)
      }
      await client.close()
    }
  }

  /** What an operator types. @returns what it says */
  operate(...args: readonly string[]): Promise<string> {
    return this.operateAt([...this.members.keys()], ...args)
  }

  /** As `operate`, at these members alone. */
  async operateAt(members: readonly number[], ...args: readonly string[]): Promise<string> {
    const endpoints = members.map(at => this.endpoints[at]).join(',')
    const program = process.env.ORTHRUS_ETCDCTL ?? 'etcdctl'
    const { stdout } = await promisify(execFile)(program, [...args, '--endpoints', endpoints], {
      env: { ...process.env, ETCDCTL_API: '3' },
    })
    return stdout
  }

  /**
   * Others must have been up for five seconds before etcd lets anybody change its members, and a busy machine may lose
   * an answer.
   */
  async #insist(isDone: RegExp, act: () => Promise<string>): Promise<void> {
    for (let tries = 0; ; tries++) {
      const failure = await act().then(
        () => undefined,
        (cause: Error) => cause,
      )
      if (failure === undefined || isDone.test(failure.message)) return
      if (tries > 100) throw failure
      await sleep(250)
    }
  }

  /** Another member, without data, in the place of one that is gone for good. */
  async replace(at: number): Promise<void> {
    const old = this.members[at]
    if (old === undefined) throw new Error('no member')
    const peer = old.args[old.args.indexOf('--listen-peer-urls') + 1] ?? ''
    const others = [...this.members.keys()].filter(other => other !== at)
    const [, id = ''] =
      new RegExp(`^([0-9a-f]+), started, m${at},`, 'm').exec(
        await this.operateAt(others, 'member', 'list'),
      ) ?? []
    await this.#insist(/not found/, () => this.operateAt(others, 'member', 'remove', id))
    await this.#insist(/already exists/, () =>
      this.operateAt(others, 'member', 'add', `n${at}`, '--peer-urls', peer),
    )
    const args = old.args.map(arg => arg.replaceAll(`m${at}=`, `n${at}=`))
    args[args.indexOf('--name') + 1] = `n${at}`
    args[args.indexOf('--data-dir') + 1] = join(this.folder, `n${at}`)
    const member = new EtcdMember(old.url, [...args, '--initial-cluster-state', 'existing'])
    this.members[at] = member
    member.start()
    await this.ready([member])
  }

  /** Makes the data of its one member from a snapshot. @param name of the folder */
  async restore(snapshot: string, name: string): Promise<void> {
    const [, peer = ''] = /--initial-cluster,m0=([^,]+)/.exec(this.members[0]?.args.join(',') ?? '') ?? []
    const cluster = ['--name', 'm0', '--initial-cluster', `m0=${peer}`, '--initial-advertise-peer-urls', peer]
    await this.operate('snapshot', 'restore', snapshot, '--data-dir', join(this.folder, name), ...cluster)
  }

  async end(): Promise<void> {
    for (const client of this.#clients) await client.close()
    for (const member of this.members) await member.kill()
    await this.#remove()
  }
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  for (const server of servers) {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  }
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  for (const server of servers) await new Promise(resolve => server.close(resolve))
  return ports
}
