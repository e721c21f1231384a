import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { assertionKeyFrom } from '../../cli/proxy/assertion.js'
import { runCommand } from '../cli/run-command.js'
import { endAtLast, orthrus, root, run, startKdc, temporaryFolder } from './processes.js'
import { snippetsOf } from './snippets.js'

/** `orthrus proxy` as processes, by the commands of docs/unchanged-programs.md: curl and Python's urllib call a server of Python's, which reads bodies by their length alone. */

const CLI = join(root, 'dist/cli/orthrus.js')

const SERVER = `
import hashlib, http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('content-length') or 0))
        facts = [self.command, self.path, self.headers.get('x-orthrus-client'), len(body), hashlib.sha256(body).hexdigest()]
        answer = json.dumps(facts).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_GET = do_POST
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
`

const CLIENT = `
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1] + '/py').read().decode())
for size in sys.argv[2:]:
    print(urllib.request.urlopen(sys.argv[1] + '/py', data=b'x' * int(size)).read().decode())
`

const SIZES = [3, 100_000, 5_000_000]

async function firstLine(child: ChildProcess): Promise<string> {
  let log = ''
  child.stderr?.on('data', piece => {
    log += String(piece)
  })
  if (child.stdout === null) throw new Error('nothing is read of it')
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit'),
  ])
  if (typeof line !== 'string') throw new Error(`it did not start: ${log}`)
  return line
}

/** @returns where it listens, and what ends it */
async function startProxy(cwd: string, kdc: string, ...args: string[]) {
  const env = { ...process.env, ORTHRUS_KDC: kdc }
  const child = endAtLast(
    spawn(process.execPath, [CLI, 'proxy', ...args, '--json'], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  const exited = once(child, 'exit')
  const { listen } = JSON.parse(await firstLine(child)) as { listen: string }
  const end = async (): Promise<unknown> => {
    child.kill('SIGTERM')
    return (await exited)[0]
  }
  return { listen, end }
}

const isThere = (command: string, word = '--version'): boolean => spawnSync(command, [word]).status === 0

const missing = ['curl', 'python3'].filter(command => !isThere(command))
const name = `curl and Python call a program that knows nothing of tickets${missing.length > 0 ? ` (skipped: no ${missing.join(', ')} here)` : ''}`

/** The blocks of the page in order, each a command or some. */
const [tunnelAdmin, tunnelServe, tunnelConnect, proxyAdmin, proxyServe, proxyCall, assertionKey, ...others] =
  snippetsOf('docs/unchanged-programs.md').map(({ code }) => code)

/** The words of a block's only command, behind `orthrus`. @param ports what stands in place of the ports of the page */
function wordsOf(block = '', ports: Readonly<Record<string, string>> = {}): string[] {
  const words = block.trim().split(/\s+/)
  if (words.shift() !== 'orthrus') throw new Error(`it is no command of orthrus: ${block}`)
  return words.map(word => word.replace(/(?<=:)\d+$/, port => ports[port] ?? port))
}

it('the page has a command or some in each of its blocks, which parse as they stand there', async () => {
  expect(others).toEqual([])
  // Those of the proxy run below.
  for (const block of [tunnelServe, tunnelConnect]) {
    const words = wordsOf(block).map(word => word.replace(/^(\w+)\.keytab$/, '/nowhere/$1.keytab'))
    const { code, err } = await runCommand(words, { env: { ORTHRUS_KDC: 'ws://127.0.0.1:9' } })
    expect([code, err]).toEqual([1, expect.stringContaining('/nowhere/')])
  }
  const page = readFileSync(join(root, 'docs/unchanged-programs.md'), 'utf8')
  const [map = ''] = /orthrus proxy call --listen 8070 --map .*/.exec(page) ?? []
  const mapped = await runCommand(wordsOf(map.replace('web.keytab', '/nowhere/web.keytab')))
  expect([mapped.code, mapped.err]).toEqual([1, expect.stringContaining('/nowhere/web.keytab')])
})

it.skipIf(missing.length > 0)(
  name,
  async () => {
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    await orthrus(folder, 'init', 'demo.example')
    const kdc = await startKdc(folder)
    const commands = `orthrus admin add web\n${tunnelAdmin}${proxyAdmin}`.trim().split('\n')
    for (const command of commands)
      expect([command, (await orthrus(folder, ...wordsOf(command), '--kdc', kdc.url)).code]).toEqual([
        command,
        0,
      ])
    const server = endAtLast(spawn('python3', ['-c', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] }))
    const ports: Record<string, string> = { 8000: await firstLine(server), 8080: '0', 8070: '0' }
    const served = await startProxy(folder, kdc.url, ...wordsOf(proxyServe, ports).slice(1))
    ports[8080] = served.listen.replace(/^.*:/, '')
    const called = await startProxy(folder, kdc.url, ...wordsOf(proxyCall, ports).slice(1))
    const made = await run('sh', ['-c', assertionKey ?? ''], folder)
    if (isThere('openssl', 'version'))
      expect([made.code, (await assertionKeyFrom(join(folder, 'assertion.key'), false)).length]).toEqual([
        0, 32,
      ])
    const url = `http://${called.listen}`
    const answerTo = (method: string, path: string, size: number): unknown[] => [
      method,
      path,
      'web@demo.example',
      size,
      createHash('sha256').update('x'.repeat(size)).digest('hex'),
    ]
    const curl = async (...args: string[]) =>
      JSON.parse((await run('curl', ['-s', ...args], folder)).out || '"none"')
    expect(await curl(`${url}/a?b`)).toEqual(answerTo('GET', '/a?b', 0))
    for (const size of SIZES) {
      await writeFile(join(folder, 'body'), 'x'.repeat(size))
      expect(await curl('--data-binary', '@body', `${url}/`)).toEqual(answerTo('POST', '/', size))
    }
    const python = await run('python3', ['-c', CLIENT, url, ...SIZES.map(String)], folder)
    expect(
      python.out
        .trim()
        .split('\n')
        .map(line => JSON.parse(line)),
    ).toEqual([answerTo('GET', '/py', 0), ...SIZES.map(size => answerTo('POST', '/py', size))])
    expect(await Promise.all([called.end(), served.end()])).toEqual([0, 0])
    expect(await kdc.end('SIGTERM')).toBe(0)
  },
  90_000,
)
