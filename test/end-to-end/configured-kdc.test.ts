import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createServer, connect as dial } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect as dialTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAuthority, createIdentity, type Identity } from '../../bench/first-call/certificate.js'
import { runCommand } from '../cli/run-command.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { endAtLast, root } from './processes.js'

/** KDC processes that get their settings as operators give them: by a file, by systemd, as the first of a container. */

const CLI = join(root, 'dist/cli/orthrus.js')
const authority = createAuthority()

let realm: FaultRealm
let config = ''
const at = (name: string) => join(realm.folder, name)

beforeAll(async () => {
  realm = await makeRealm([])
  config = at('kdc.toml')
  // The key is not with the data: the command is the only way to it.
  await rename(join(realm.data, 'master.key'), at('moved.key'))
  await writeFile(at('vault.sh'), `#!/bin/sh\n[ "$1" = get ] && exec /bin/cat "${at('moved.key')}"\n`, {
    mode: 0o700,
  })
  const settings = [
    `data = ${JSON.stringify(realm.data)}`,
    'listen = "127.0.0.1:0"',
    `master-key-command = "${at('vault.sh')} get"`,
    'log-level = "info"',
  ]
  await writeFile(config, settings.join('\n'), { mode: 0o600 })
})
afterAll(() => realm.remove())

interface Started {
  readonly pid: number
  readonly url: string
  log(): string
  /** Resolves when the log has it. */
  said(text: string): Promise<void>
  end(signal?: NodeJS.Signals, pid?: number): Promise<number | null>
}

interface Ways {
  readonly before?: readonly string[]
  readonly options?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** A file that the process gets as its fourth. */
  readonly fd?: number
}

function run({ before = [], options = [], env = {}, fd }: Ways) {
  const words = [...before, process.execPath, CLI, 'kdc', '--config', config, '--json', ...options]
  const stdio = ['ignore', 'pipe', 'pipe', ...(fd === undefined ? [] : [fd])] as (
    | 'ignore'
    | 'pipe'
    | number
  )[]
  const child = endAtLast(
    spawn(words[0] as string, words.slice(1), { stdio, env: { ...process.env, ...env } }),
  )
  let log = ''
  child.stderr?.on('data', chunk => {
    log += String(chunk)
  })
  return { child, log: () => log }
}

async function start(ways: Ways = {}): Promise<Started> {
  const { child, log } = run(ways)
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const [line] = await Promise.race([once(lines, 'line'), exited])
  if (typeof line !== 'string') throw new Error(`the KDC did not start: ${log()}`)
  return {
    pid: child.pid as number,
    url: (JSON.parse(line) as { url: string }).url,
    log,
    said: text => expect.poll(log).toContain(text),
    end: async (signal = 'SIGTERM', pid = child.pid as number) => {
      process.kill(pid, signal)
      const [code] = (await exited) as [number | null]
      return code
    },
  }
}

async function writeIdentity({ certificate, key }: Pick<Identity, 'certificate' | 'key'>): Promise<void> {
  await writeFile(at('tls.crt'), certificate)
  await writeFile(at('tls.key'), key, { mode: 0o600 })
}

function shownBy(url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const ca = authority.identity.certificate
    const socket = dialTls({ host: hostname, port: Number(port), ca }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

describe('orthrus kdc --config', () => {
  it('serves by the file, with the master key of the command, and reads a certificate again at SIGHUP', async () => {
    await writeIdentity(createIdentity(authority, 'first'))
    const kdc = await start({ options: ['--tls-cert', at('tls.crt'), '--tls-key', at('tls.key')] })
    expect(kdc.url).toMatch(/^wss:/)
    expect(await shownBy(kdc.url)).toBe('first')
    await writeIdentity(createIdentity(authority, 'second'))
    process.kill(kdc.pid, 'SIGHUP')
    await kdc.said('the certificate was read again')
    expect(await shownBy(kdc.url)).toBe('second')
    await chmod(at('tls.key'), 0o644)
    process.kill(kdc.pid, 'SIGHUP')
    await kdc.said('the certificate stays as it was')
    expect(kdc.log()).toMatch(/TLS key .*can be read or changed by others .*chmod 600/)
    expect(await shownBy(kdc.url)).toBe('second')
    expect(await kdc.end()).toBe(0)
    expect(kdc.log()).not.toMatch(/orthrusmaster1_\w/)
  })
})

/** A command that this machine has. */
const has = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

describe('under systemd', () => {
  it.skipIf(process.platform === 'win32')(
    'takes the socket that was opened for it, and keeps the limits of its variables',
    async () => {
      const server = createServer()
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as { port: number }
      const { fd } = (server as unknown as { _handle: { fd: number } })._handle
      const handed = ['sh', '-c', 'export LISTEN_PID=$$; exec "$@"', 'sh']
      const env = { LISTEN_FDS: '1', ORTHRUS_LIMITS_CONNECTIONS_PER_ADDRESS: '1' }
      const kdc = await start({ before: handed, options: ['--listen', 'systemd'], env, fd })
      expect(kdc.url).toBe(`ws://127.0.0.1:${port}`)
      server.close()
      // The limit is in force: the second connection of the address takes the place of the first.
      const first = dial(port, '127.0.0.1')
      const closed = once(first.resume(), 'close')
      await once(first, 'connect')
      const second = dial(port, '127.0.0.1')
      await closed
      second.destroy()
      expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200)
      expect(await kdc.end()).toBe(0)
    },
  )

  // Needs a program that tells systemd, and one that listens as systemd does: Node has no such sockets.
  it.runIf(has('systemd-notify') && has('python3'))('tells when it serves, lives and ends', async () => {
    const socket = at('notify')
    const listener = endAtLast(
      spawn('python3', ['-c', LISTENER, socket], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    const told: string[] = []
    createInterface({ input: listener.stdout }).on('line', line => told.push(line))
    await expect.poll(() => existsSync(socket)).toBe(true)
    const kdc = await start({ env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' } })
    await expect.poll(() => told).toContain('READY=1')
    await expect.poll(() => told.filter(line => line === 'WATCHDOG=1').length).toBeGreaterThan(1)
    expect(await kdc.end()).toBe(0)
    await expect.poll(() => told).toContain('STOPPING=1')
    expect(told.find(line => line.startsWith('STATUS='))).toBe(`STATUS=demo.example on ${kdc.url}`)
  })

  it('goes on and says so where systemd cannot be told', async () => {
    await mkdir(at('bin'), { recursive: true })
    const kdc = await start({ env: { NOTIFY_SOCKET: at('nobody'), PATH: at('bin') } })
    await kdc.said('systemd was not told')
    expect((await fetch(`${kdc.url.replace('ws', 'http')}/health`)).status).toBe(200)
    expect(await kdc.end()).toBe(0)
  })
})

/** Prints each message as a line, and lets go of what systemd-notify waits for. */
const LISTENER = `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    data, ancillary, _, _ = s.recvmsg(4096, 4096)
    for level, kind, fds in ancillary:
        if kind == socket.SCM_RIGHTS:
            for fd in array.array('i', fds[:len(fds) // 4 * 4]): os.close(fd)
    print(data.decode(), flush=True)
`

const canUnshare = spawnSync('unshare', ['--pid', '--fork', '--kill-child', 'true']).status === 0

// Needs the right to make a namespace of processes, as root or an engine of containers has it.
describe.runIf(canUnshare)('as the first process of a container', () => {
  const before = ['unshare', '--pid', '--fork', '--kill-child']
  /** The process in the namespace, as it is called outside of it. */
  const inside = (pid: number) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim())

  it('ends at SIGTERM as it should', async () => {
    const kdc = await start({ before })
    expect(readFileSync(`/proc/${inside(kdc.pid)}/status`, 'utf8')).toMatch(/^NSpid:\t\d+\t1$/m)
    expect(await kdc.end('SIGTERM', inside(kdc.pid))).toBe(0)
    await kdc.said('KDC closed')
  })

  it('ends at SIGTERM while it waits for its master key', async () => {
    const { child, log } = run({ before, options: ['--master-key-command', 'sleep 60'] })
    const exited = once(child, 'exit')
    const isWaiting = () => {
      const first = inside(child.pid as number)
      return first > 0 && readFileSync(`/proc/${first}/task/${first}/children`, 'utf8') !== ''
    }
    await expect.poll(isWaiting).toBe(true)
    process.kill(inside(child.pid as number), 'SIGTERM')
    expect([await exited, log()]).toEqual([[143, null], ''])
  })
})

describe('examples/systemd', () => {
  const folder = join(root, 'examples/systemd')

  it.runIf(has('systemd-analyze'))('are units that systemd takes, and that give little away', async () => {
    await mkdir(at('units'), { recursive: true })
    for (const name of readdirSync(folder)) {
      const text = await readFile(join(folder, name), 'utf8')
      await writeFile(at(`units/${name}`), text.replaceAll('/usr/bin/orthrus', process.execPath))
    }
    const units = readdirSync(folder).filter(name => /\.(?:service|socket|timer)$/.test(name))
    expect(units.length).toBeGreaterThan(1)
    for (const unit of units) {
      const verified = spawnSync('systemd-analyze', ['verify', at(`units/${unit}`)], { encoding: 'utf8' })
      expect([unit, verified.status, verified.stderr]).toEqual([unit, 0, ''])
    }
    const security = ['security', '--offline=yes', '--threshold=20', at('units/orthrus-kdc.service')]
    execFileSync('systemd-analyze', security, { stdio: 'ignore' })
  })

  it('kill no program for a call that they refuse: Node asks for some that it can do without', async () => {
    const services = readdirSync(folder).filter(name => name.endsWith('.service'))
    expect(services.length).toBeGreaterThan(1)
    for (const name of services) {
      const lines = (await readFile(join(folder, name), 'utf8')).split('\n')
      const kinds = lines.filter(line => /^SystemCall(?:Filter|ErrorNumber)=/.test(line))
      expect([name, kinds.at(-1)]).toEqual([name, 'SystemCallErrorNumber=EPERM'])
    }
  })

  it('has settings that the KDC takes', async () => {
    await writeFile(at('example.toml'), await readFile(join(folder, 'kdc.toml')), { mode: 0o600 })
    expect(await runCommand(['kdc', '--config', at('example.toml'), '--print-config'])).toMatchObject({
      code: 0,
      err: '',
    })
  })
})
