import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { rolldown } from 'rolldown'
import { endAtLast, root } from '../end-to-end/processes.js'
import { MEMBERS, type MemberName } from './etcd-cluster.js'
import type { Seal, Stall } from './history.js'
import type { KdcOrders, Order, Told } from './kdc-orders.js'
import { Relay } from './relay.js'

/** The machines of clients and services stand in two racks, each with connections of its own; the driver has its own. */
export const RACKS = ['east', 'west', 'driver'] as const
export type Rack = (typeof RACKS)[number]

/** How often a KDC is started that does not come up. */
const STARTS = 10

/** A KDC in a process of its own, behind relays on all sides. */
export interface KdcHostOptions {
  readonly name: string
  readonly folder: string
  readonly program: string
  readonly realm: string
  readonly masterKey: Uint8Array
  readonly portOf: (member: MemberName) => number
}

export class KdcHost {
  readonly name: string
  /** Milliseconds by which its wall clock is wrong. */
  offset = 0
  readonly #options: KdcHostOptions
  readonly #members: ReadonlyMap<MemberName, Relay>
  readonly #fronts: ReadonlyMap<Rack, Relay>
  #child: ChildProcess | undefined
  #isStopped = false

  private constructor(
    options: KdcHostOptions,
    members: ReadonlyMap<MemberName, Relay>,
    fronts: ReadonlyMap<Rack, Relay>,
  ) {
    this.name = options.name
    this.#options = options
    this.#members = members
    this.#fronts = fronts
  }

  static async start(options: KdcHostOptions): Promise<KdcHost> {
    const members = new Map<MemberName, Relay>()
    for (const member of MEMBERS) members.set(member, await Relay.start(options.portOf(member)))
    const fronts = new Map<Rack, Relay>()
    for (const rack of RACKS) fronts.set(rack, await Relay.start())
    const host = new KdcHost(options, members, fronts)
    await host.restart()
    return host
  }

  url(rack: Rack): string {
    return `ws://127.0.0.1:${this.front(rack).port}`
  }

  front(rack: Rack): Relay {
    return this.#fronts.get(rack) as Relay
  }

  get isUp(): boolean {
    return this.#child !== undefined && !this.#isStopped
  }

  /** Of its connections to all members or to one. */
  setEtcd(passage: Parameters<Relay['set']>[0], member?: MemberName): void {
    for (const [name, relay] of this.#members) if (member === undefined || member === name) relay.set(passage)
  }

  /** As what runs services on a machine does it: again and again, until it runs. */
  async restart(): Promise<void> {
    for (let tries = 1; ; tries++) {
      const failure = await this.#start()
      if (failure === undefined) return
      if (tries === STARTS) throw new Error(failure)
    }
  }

  /** @returns why it did not start */
  async #start(): Promise<string | undefined> {
    const { name, program, realm, masterKey } = this.#options
    const orders: KdcOrders = {
      name,
      realm,
      masterKey: Buffer.from(masterKey).toString('base64url'),
      endpoints: [...this.#members.values()].map(({ port }) => `127.0.0.1:${port}`),
      seals: this.#sealsFile,
      log: this.#logFile,
    }
    const child = endAtLast(
      spawn(process.execPath, ['--enable-source-maps', program, JSON.stringify(orders)], {
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      }),
    )
    let said = ''
    child.stderr?.on('data', chunk => {
      said += String(chunk)
    })
    this.#child = child
    this.offset = 0
    const exited = once(child, 'exit').then(() => {
      if (this.#child !== child) return undefined
      this.#child = undefined
      for (const relay of this.#fronts.values()) relay.leadTo(undefined)
      return undefined
    })
    const ready = once(child, 'message').then(([told]) => told as Told)
    const first = await Promise.race([ready, exited])
    if (first?.says !== 'ready') return `${name} did not start: ${said}`
    for (const relay of this.#fronts.values()) relay.leadTo(first.port)
    return undefined
  }

  tell(order: Order): void {
    this.#child?.send(order)
    if (order.do === 'step clock') this.offset += order.by
  }

  /** Resolves when it has stopped right after its lease was kept alive. */
  async stopAfterKeepAlive(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.tell({ do: 'stop after keep-alive' })
    // One that etcd does not answer keeps nothing alive.
    await Promise.race([once(child, 'message'), once(child, 'exit'), sleep(2_000)])
    this.stop()
  }

  stop(): void {
    this.#isStopped = true
    this.#child?.kill('SIGSTOP')
  }

  continue(): void {
    this.#isStopped = false
    this.#child?.kill('SIGCONT')
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#isStopped = false
    for (const relay of this.#fronts.values()) relay.leadTo(undefined)
    if (child === undefined) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }

  async close(): Promise<void> {
    await this.kill()
    for (const relay of [...this.#members.values(), ...this.#fronts.values()]) relay.close()
  }

  /** All that it has drawn ids for, and when the machine gave it no time. */
  told(): (Seal | Stall)[] {
    if (!existsSync(this.#sealsFile)) return []
    const lines = readFileSync(this.#sealsFile, 'utf8').split('\n').slice(0, -1)
    return lines.map(line => {
      const [first = '', at, ended] = line.split(' ')
      if (first === 'stall') return { kind: 'stall', of: this.name, began: Number(at), ended: Number(ended) }
      return { kind: 'seal', kdc: this.name, ticketId: first, at: Number(at) }
    })
  }

  /** How often its log has this, with what its earlier processes said. */
  timesSaid(text: string): number {
    return readFileSync(this.#logFile, 'utf8').split(text).length - 1
  }

  get #logFile(): string {
    return join(this.#options.folder, `${this.name}.log`)
  }

  get #sealsFile(): string {
    return join(this.#options.folder, `${this.name}.seals`)
  }
}

const TWINS = [
  'shared/ws',
  'shared/crypto/primitives',
  'shared/base64url',
  'shared/keytab/keytab-file',
  'shared/telemetry/diagnostics',
]

/** Makes one file of a KDC from the sources, faults put in on purpose included. @returns its path */
export async function bundleKdc(folder: string): Promise<string> {
  const alias = Object.fromEntries(
    TWINS.map(path => [`#${path.split('/').at(-1)}`, join(root, `${path}.node.ts`)]),
  )
  const bundle = await rolldown({
    input: join(root, 'test/cluster/kdc-process.ts'),
    platform: 'node',
    external: id => !id.startsWith('.') && !id.startsWith('/') && !id.startsWith('#'),
    resolve: { alias, extensionAlias: { '.js': ['.ts', '.js'] } },
    logLevel: 'silent',
  })
  const file = join(folder, 'kdc.mjs')
  await bundle.write({ file, format: 'esm', codeSplitting: false, sourcemap: true })
  await bundle.close()
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  return file
}
