import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { endAtLast } from '../end-to-end/processes.js'
import { type Passage, Relay } from './relay.js'

/** Three members of a real etcd, whose connections to each other and to their clients can each be cut. */

const run = promisify(execFile)
const PROGRAM = process.env.ORTHRUS_ETCD ?? 'etcd'
const CONTROL = process.env.ORTHRUS_ETCDCTL ?? 'etcdctl'

function isInstalled(): boolean {
  try {
    for (const [program, word] of [
      [PROGRAM, '--version'],
      [CONTROL, 'version'],
    ] as const)
      execFileSync(program, [word], { stdio: 'ignore', env: { ...process.env, ETCDCTL_API: '3' } })
    return true
  } catch {
    return false
  }
}

/** False, after a word about it, where etcd is not installed. */
export const hasEtcdCluster = isInstalled()
if (!hasEtcdCluster)
  console.warn('etcd and etcdctl are not installed: what needs a cluster of etcd is skipped')

export type MemberName = 'a' | 'b' | 'c'
export const MEMBERS: readonly MemberName[] = ['a', 'b', 'c']

interface Ports {
  readonly client: number
  readonly peer: number
}

interface Member extends Ports {
  readonly name: MemberName
  /** In front of its port for peers, which tell who they are in a header of etcd. */
  readonly relay: Relay
  child: ChildProcess | undefined
  isStopped: boolean
}

export class EtcdCluster {
  readonly #folder: string
  readonly #members = new Map<MemberName, Member>()
  /** Of the members' ids, in hexadecimal digits. */
  readonly #ids = new Map<string, MemberName>()
  #generation = 1

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async start(folder: string): Promise<EtcdCluster> {
    const cluster = new EtcdCluster(folder)
    const ports = await freePorts(2 * MEMBERS.length)
    for (const [index, name] of MEMBERS.entries()) {
      const [client = 0, peer = 0] = ports.slice(2 * index)
      const relay = await Relay.start(peer, first => cluster.#dialler(first))
      cluster.#members.set(name, { name, client, peer, relay, child: undefined, isStopped: false })
    }
    for (const name of MEMBERS) cluster.#spawn(name, 'new')
    await cluster.ready()
    return cluster
  }

  /** The port at which clients reach the member itself, past every relay. */
  portOf(name: MemberName): number {
    return this.#member(name).client
  }

  /** The id of its process, which runs. */
  pidOf(name: MemberName): number {
    const { child } = this.#member(name)
    if (child?.pid === undefined) throw new Error(`the member ${name} does not run`)
    return child.pid
  }

  isUp(name: MemberName): boolean {
    const { child, isStopped } = this.#member(name)
    return child !== undefined && !isStopped
  }

  /** The member that leads, by the word of the first one that is up and knows; `undefined` if none does. */
  async leader(): Promise<MemberName | undefined> {
    for (const name of MEMBERS) {
      if (!this.isUp(name)) continue
      const status = await this.#status(name)
      if (status?.leader !== undefined && status.leader !== '0') return this.#ids.get(status.leader)
    }
    return undefined
  }

  async kill(name: MemberName): Promise<void> {
    const member = this.#member(name)
    const { child } = member
    if (child === undefined) return
    member.child = undefined
    member.isStopped = false
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  stop(name: MemberName): void {
    const member = this.#member(name)
    member.isStopped = true
    member.child?.kill('SIGSTOP')
  }

  continue(name: MemberName): void {
    const member = this.#member(name)
    member.isStopped = false
    member.child?.kill('SIGCONT')
  }

  /** With the data that it had. */
  restart(name: MemberName): void {
    if (this.#member(name).child === undefined) this.#spawn(name, 'existing')
  }

  /** The connections from this member to the others and back. */
  setPeers(name: MemberName, passage: Passage): void {
    for (const other of MEMBERS) {
      if (other === name) this.#member(name).relay.set(passage)
      else this.#member(other).relay.set(passage, name)
    }
  }

  /** Resolves when every member that runs knows a leader and answers. */
  async ready(patience = 20_000): Promise<void> {
    const until = Date.now() + patience
    for (const name of MEMBERS) {
      while (this.#member(name).child !== undefined) {
        const status = await this.#status(name)
        if (status !== undefined && status.leader !== '0') break
        if (Date.now() > until) throw new Error(`etcd member ${name} does not become ready`)
        await sleep(50)
      }
    }
  }

  /** Forgets the history of all keys up to the present. */
  async compact(): Promise<void> {
    for (const name of MEMBERS) {
      if (!this.isUp(name)) continue
      const { revision } = (await this.#status(name)) ?? {}
      if (revision === undefined) continue
      await this.#control(name, 'compact', String(revision)).catch(() => undefined)
      return
    }
  }

  /** @returns the file of a snapshot that has everything up to now */
  async save(): Promise<string> {
    const file = join(this.#folder, `saved-${this.#generation}.db`)
    // A snapshot has what its member has, which the answer to a linearizable question brings up to date.
    await this.#control('a', 'get', 'anything')
    await this.#control('a', 'snapshot', 'save', file)
    return file
  }

  /** All members end, and begin again with what was in the snapshot. */
  async restore(file: string): Promise<void> {
    for (const name of MEMBERS) await this.kill(name)
    const generation = ++this.#generation
    for (const name of MEMBERS) {
      rmSync(this.#dataOf(name), { recursive: true, force: true })
      await run(
        CONTROL,
        [
          ...['snapshot', 'restore', file, '--name', name, '--data-dir', this.#dataOf(name)],
          ...['--initial-cluster', this.#initial(), '--initial-cluster-token', `restored-${generation}`],
          ...['--initial-advertise-peer-urls', this.#peerUrl(name)],
        ],
        { env: { ...process.env, ETCDCTL_API: '3' } },
      )
    }
    this.#ids.clear()
    for (const name of MEMBERS) this.#spawn(name, 'existing')
    await this.ready()
  }

  async close(): Promise<void> {
    for (const name of MEMBERS) {
      this.#member(name).relay.close()
      await this.kill(name)
    }
  }

  #member(name: MemberName): Member {
    return this.#members.get(name) as Member
  }

  #dataOf(name: MemberName): string {
    return join(this.#folder, `etcd-${name}`)
  }

  #peerUrl(name: MemberName): string {
    return `http://127.0.0.1:${this.#member(name).relay.port}`
  }

  #initial(): string {
    return MEMBERS.map(name => `${name}=${this.#peerUrl(name)}`).join(',')
  }

  #spawn(name: MemberName, state: 'new' | 'existing'): void {
    const { client, peer } = this.#member(name)
    const url = `http://127.0.0.1:${client}`
    const child = spawn(
      PROGRAM,
      [
        ...['--name', name, '--data-dir', this.#dataOf(name)],
        ...['--listen-client-urls', url, '--advertise-client-urls', url],
        ...['--listen-peer-urls', `http://127.0.0.1:${peer}`],
        ...['--initial-advertise-peer-urls', this.#peerUrl(name)],
        ...['--initial-cluster', this.#initial(), '--initial-cluster-state', state],
        ...['--logger', 'zap', '--log-level', 'error', '--log-outputs', 'stderr'],
      ],
      { stdio: 'ignore', env: { ...process.env, GOMAXPROCS: '1' } },
    )
    this.#member(name).child = endAtLast(child)
  }

  async #status(
    name: MemberName,
  ): Promise<{ readonly leader: string; readonly revision: number } | undefined> {
    try {
      const { stdout } = await this.#control(name, 'endpoint', 'status', '-w', 'json')
      const { header, leader } = statusIn(stdout)
      this.#ids.set(hex(header.member_id), name)
      return { leader: hex(leader), revision: Number(header.revision) }
    } catch {
      return undefined
    }
  }

  #control(name: MemberName, ...args: string[]) {
    const options = [
      '--endpoints',
      `127.0.0.1:${this.portOf(name)}`,
      '--command-timeout',
      '1s',
      '--dial-timeout',
      '1s',
    ]
    return run(CONTROL, [...options, ...args], { env: { ...process.env, ETCDCTL_API: '3' } })
  }

  /** Members name themselves in each request to another; what asks for something else is of nobody in particular. */
  #dialler(first: Buffer): string | undefined {
    if (first.length === 0) return undefined
    const head = first.toString('latin1')
    const [, id] = /\r\nx-server-from: ([0-9a-f]+)\r\n/i.exec(head) ?? []
    if (id !== undefined) return this.#ids.get(id) ?? 'unknown'
    return head.includes('\r\n\r\n') ? 'unknown' : undefined
  }
}

interface Status {
  readonly header: { readonly member_id: string; readonly revision: string }
  readonly leader: string | undefined
}

/** Ids have 64 bits, which a number of JavaScript has not, so they are read as they are written. */
function statusIn(text: string): Status {
  const whole = text.replace(/":(\d{10,})/g, '":"$1"')
  const [{ Status }] = JSON.parse(whole) as [{ readonly Status: Status }]
  return Status
}

function hex(decimal: string | undefined): string {
  return BigInt(decimal ?? 0).toString(16)
}

/** Ports that the system has free. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
