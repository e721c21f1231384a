import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Three members of an etcd of the demonstration's own. */

interface Member {
  readonly name: string
  readonly client: number
  readonly peer: number
  child: ChildProcess | undefined
}

/** Says what to install where etcd is missing. @throws Error */
export function requireEtcd(): void {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' })
  } catch {
    throw new Error(
      'etcd is not installed: on Debian and Ubuntu run "apt-get install etcd-server", on macOS "brew install etcd"; elsewhere see https://etcd.io/docs/latest/install/',
    )
  }
}

export class Members {
  readonly #members: readonly Member[]
  readonly #folder: string

  private constructor(folder: string, members: readonly Member[]) {
    this.#folder = folder
    this.#members = members
  }

  static async start(folder: string): Promise<Members> {
    const ports = await freePorts(6)
    const all = ['e1', 'e2', 'e3'].map((name, i) => {
      return { name, client: ports[2 * i] ?? 0, peer: ports[2 * i + 1] ?? 0, child: undefined }
    })
    const members = new Members(folder, all)
    for (const member of all) members.#spawn(member)
    while ((await members.leader()) === undefined) await sleep(50)
    return members
  }

  /** `etcd://` and all members, and the place of the realm. */
  storeOf(realm: string): string {
    return `etcd://${this.#members.map(({ client }) => `127.0.0.1:${client}`).join(',')}/orthrus/${realm}`
  }

  /** The name of the member that leads, as it says itself; `undefined` while none does. */
  async leader(): Promise<string | undefined> {
    for (const { name, client, child } of this.#members) {
      if (child === undefined) continue
      const metrics = await fetch(`http://127.0.0.1:${client}/metrics`).then(
        response => response.text(),
        () => '',
      )
      if (/^etcd_server_is_leader 1$/m.test(metrics)) return name
    }
    return undefined
  }

  /** As a machine ends that loses its power. */
  async kill(name: string): Promise<void> {
    const member = this.#members.find(one => one.name === name)
    const { child } = member ?? {}
    if (member === undefined || child === undefined) return
    member.child = undefined
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async stop(): Promise<void> {
    for (const { name } of this.#members) await this.kill(name)
  }

  #spawn(member: Member): void {
    const { name, client, peer } = member
    const others = this.#members.map(one => `${one.name}=http://127.0.0.1:${one.peer}`)
    const [clients, peers] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`]
    member.child = spawn(
      'etcd',
      [
        ...['--name', name, '--data-dir', join(this.#folder, name), '--log-level', 'error'],
        ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
        ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
        ...['--initial-cluster', others.join(',')],
      ],
      { stdio: 'ignore' },
    )
  }
}

/** Ports that the system has free. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
