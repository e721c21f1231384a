import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { requireTicket } from '../../service/require-ticket.js'
import { startRealm } from '../../testing/realm.js'
import { endAtLast, orthrus, root, temporaryFolder } from './processes.js'

/** Which modules a command loads. Each of them takes time at every start, so a command loads what it runs on. */

const CLI = join(root, 'dist/cli/orthrus.js')
const module = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`

/** Writes the address of each module that the process loads to its descriptor 3. */
const LISTING = module(`
  import { writeSync } from 'node:fs'
  export function load(url, context, next) {
    writeSync(3, url + '\\n')
    return next(url, context)
  }`)
const BEFORE = module(`import { register } from 'node:module'; register(${JSON.stringify(LISTING)})`)

interface Loaded {
  readonly code: unknown
  readonly out: string
  /** Sources of the project, as `cli/get.ts`. */
  readonly files: readonly string[]
  /** Packages that have a module among the loaded, by name. */
  readonly packages: readonly string[]
}

function loadedBy(...args: string[]): Promise<Loaded> {
  return loadedUntil(() => {}, ...args)
}

/** @param begun called when the command says something for the first time */
async function loadedUntil(begun: (child: ChildProcess) => void, ...args: string[]): Promise<Loaded> {
  const child = endAtLast(
    spawn(process.execPath, ['--import', BEFORE, CLI, ...args], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    }),
  )
  child.stdout?.once('data', () => begun(child))
  const [out, list, [code]] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream),
    text(child.stdio[3] as NodeJS.ReadableStream),
    once(child, 'close'),
  ])
  const paths = list.split('\n').filter(url => url.startsWith('file:'))
  const names = paths.map(url => fileURLToPath(url).replaceAll('\\', '/'))
  const packages = names.flatMap(name => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(name)?.[1] ?? [])
  const files = names.filter(name => name.includes('/dist/')).flatMap(sourcesIn)
  return { code, out, files, packages: [...new Set(packages)].sort() }
}

/** A chunk says above each of its sources which one it is. */
function sourcesIn(chunk: string): string[] {
  return readFileSync(chunk, 'utf8').match(/(?<=^\/\/ )(?:cli|client|kdc|service|shared)\/\S+\.ts$/gm) ?? []
}

const partsIn = (files: readonly string[], ...folders: string[]): string[] =>
  files.filter(file => folders.some(folder => file.startsWith(`${folder}/`))).sort()

/** What the help says about the KDC: its defaults, and which networks it refuses to trust. */
const OF_HELP = [
  'kdc/data-files.ts',
  'kdc/limits/defaults.ts',
  'kdc/transport/address.ts',
  'kdc/transport/trusted-proxies.ts',
]

describe('orthrus loads', () => {
  it.each(['--version', '-V'])('neither a command nor a parser to print its version for %s', async flag => {
    const { code, out, files, packages } = await loadedBy(flag)
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect({ code, out, packages }).toEqual({ code: 0, out: `${version}\n`, packages: [] })
    expect(files).toContain('cli/orthrus.ts')
    expect(partsIn(files, 'client', 'kdc', 'service')).toEqual([])
    expect(files.filter(file => file.startsWith('cli/')).sort()).toEqual(['cli/failure.ts', 'cli/orthrus.ts'])
  })

  it('neither the client nor the KDC to print the help of all commands', async () => {
    const { code, files, packages } = await loadedBy('--help')
    expect({ code, packages }).toEqual({ code: 0, packages: ['commander'] })
    expect(files).toContain('cli/admin-rotate.ts')
    expect(partsIn(files, 'client', 'kdc', 'service')).toEqual(OF_HELP)
  })

  it('nothing of the KDC to inspect a keytab, and opens no connection', async () => {
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    await realm.add('web')
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    const keytab = join(folder, 'web.keytab')
    await writeFile(keytab, realm.keytab('web'))
    const { code, out, files, packages } = await loadedBy('inspect', keytab)
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('web@test.example kvno 1') })
    expect(partsIn(files, 'kdc', 'service').filter(file => !OF_HELP.includes(file))).toEqual([])
    expect(packages).toEqual(['@noble/ciphers', 'commander'])
  })

  it('the client, and nothing of the KDC, to get a ticket', async () => {
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    // The command reads the machine's clock.
    realm.clock.set(Date.now())
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    const keytab = join(folder, 'web.keytab')
    await writeFile(keytab, realm.keytab('web'), { mode: 0o600 })
    const { code, out, files, packages } = await loadedBy(
      ...['get', 'orders', '--keytab', keytab, '--kdc', realm.kdc.url],
    )
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('orders@test.example') })
    expect(files).toContain('client/connect.ts')
    expect(partsIn(files, 'kdc', 'service').filter(file => !OF_HELP.includes(file))).toEqual([])
    // And `ws`, which is required: that is not listed.
    expect(packages).toEqual(['@noble/ciphers', 'commander'])
  })

  it('the client, and nothing of the KDC or of services, to call one', async () => {
    const realm = await startRealm()
    onTestFinished(() => realm.close())
    realm.clock.set(Date.now())
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    const keytab = join(folder, 'web.keytab')
    await writeFile(keytab, realm.keytab('web'), { mode: 0o600 })
    const service = await realm.loadService('orders')
    const server = createServer(requireTicket({ service }, (_, res) => res.end('called'))).listen(
      0,
      '127.0.0.1',
    )
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const login = ['--keytab', keytab, '--kdc', realm.kdc.url]
    const { code, out, files, packages } = await loadedBy('call', url, '--service', 'orders', ...login)
    expect({ code, out }).toEqual({ code: 0, out: 'called' })
    expect(files).toContain('cli/call-fetch.ts')
    expect(partsIn(files, 'kdc', 'service').filter(file => !OF_HELP.includes(file))).toEqual([])
    expect(packages).toEqual(['@noble/ciphers', 'commander'])
  })

  it('nothing of the console, of metrics or of etcd in a KDC that has none of them', async () => {
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    expect(await orthrus(folder, 'init', 'demo.example')).toMatchObject({ code: 0 })
    const { code, out, files, packages } = await loadedUntil(
      child => child.kill('SIGTERM'),
      ...['kdc', '--data', join(folder, 'orthrus-data'), '--listen', '127.0.0.1:0', '--log-level', 'error'],
    )
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('listens on') })
    expect(files).toContain('kdc/main.ts')
    // Each of the two is asked whether it is wanted; `--help` speaks of what `--console-host` takes.
    expect(partsIn(files, 'cli/console', 'cli/metrics')).toEqual([
      'cli/console/host-name.ts',
      'cli/console/serve-console.ts',
      'cli/metrics/serve-metrics.ts',
    ])
    expect(partsIn(files, 'kdc/store/etcd', 'service')).toEqual([])
    expect(packages).toEqual(['@noble/ciphers', 'commander', 'level', 'pino'])
  })
})
