import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer, connect as dial } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from '../cli/run-here.js'
import { hasRedis } from '../support/redis.js'
import { type Ended, endAtLast, root, temporaryFolder } from './processes.js'
import { NOT_RUN, programOf, type Snippet, snippetsOf } from './snippets.js'

/** Runs what the documents tell a reader to run, in order, in a fresh folder. */

const slow = process.env.ORTHRUS_SLOW === '1'

const DOCUMENTS = [
  'README.md',
  'docs/operations.md',
  'docs/frameworks.md',
  'docs/packaging.md',
  'docs/delegation.md',
  'docs/channels.md',
  'docs/keys.md',
  'docs/performance.md',
  'docs/several-processes.md',
  'docs/streams.md',
  'docs/testing.md',
] as const
/** Those that a reader is told to use, each of which is another free one here. */
const PORTS = [
  '8750',
  '8080',
  '8081',
  '8082',
  '8083',
  '8084',
  '8085',
  '8086',
  '8087',
  '8088',
  '8089',
  '6379',
] as const

let folder = ''
let remove = async (): Promise<void> => {}
const ports = new Map<string, number>()
let env: NodeJS.ProcessEnv = {}

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
  await mkdir(join(folder, 'bin'))
  await symlink(join(root, 'dist/cli/orthrus.js'), join(folder, 'bin/orthrus'))
  for (const port of PORTS) ports.set(port, await freePort())
  env = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env.PATH ?? ''}`,
    ORTHRUS_KDC: withPorts('ws://127.0.0.1:8750'),
  }
})
afterAll(() => remove())

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

function withPorts(text: string): string {
  return text.replaceAll(/\b(8750|808[0-9]|6379)\b/g, port => String(ports.get(port)))
}

interface Running {
  readonly ended: Promise<Ended>
}

function start(command: string, args: readonly string[]): Running {
  const child = endAtLast(spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] }))
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => {
    out += String(chunk)
  })
  child.stderr.on('data', chunk => {
    err += String(chunk)
  })
  return { ended: once(child, 'close').then(([code]) => ({ code: code as number | null, out, err })) }
}

/** Until it listens; what ends before says why. */
async function listening({ ended }: Running, port: string): Promise<void> {
  let result: Ended | undefined
  ended.then(value => {
    result = value
  })
  for (;;) {
    if (result !== undefined) throw new Error(`it ended with ${result.code}: ${result.err}`)
    const socket = dial(ports.get(port) as number, '127.0.0.1')
    const reached = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (reached) return
    await wait(20)
  }
}

/** A command that ends by itself, and that needs nothing of the shell. */
const PLAIN = /^orthrus (?!kdc\b)[^|&;<>()$`*?'"\\\n]+$/

/**
 * The quick set starts a process for each of the README's commands, and runs those of the other documents here: most of the
 * time of a process goes into its start. The slow set types all of them.
 */
async function typeHere(line: string, input?: string): Promise<string> {
  const typed = { folder, env, ...(input === undefined ? {} : { input }) }
  const { code, out, err } = await runHere(withPorts(line).split(/ +/).slice(1), typed)
  if (code !== 0) throw new Error(`"${line}" ended with ${code}: ${err}`)
  return out
}

async function type(line: string, document: string): Promise<string> {
  if (!slow && document !== 'README.md' && PLAIN.test(line)) return typeHere(line)
  if (line.startsWith('orthrus kdc') && !line.includes('--print-config')) {
    await listening(start('sh', ['-c', `exec ${line} --listen ${withPorts('127.0.0.1:8750')}`]), '8750')
    return ''
  }
  if (line.startsWith('redis-server')) {
    await listening(start('sh', ['-c', `exec ${withPorts(line)}`]), '6379')
    return ''
  }
  const [, served] = /^npx next dev --port (\d+)$/.exec(line) ?? []
  if (served !== undefined) return await runFile('next.js', NEXT.replace('PORT', served))
  // The package is linked to this checkout without the machine's own npm knowing of it, and so is what it is tested with.
  const [, installed] = /^npm install (.+)$/.exec(line) ?? []
  if (installed !== undefined) return await installFromCheckout(installed.split(' '))
  const result = await start('sh', ['-c', withPorts(line.replace('npm link orthrus', 'true'))]).ended
  if (line.includes('npm link orthrus')) {
    await mkdir(join(folder, 'node_modules'))
    await symlink(root, join(folder, 'node_modules/orthrus'))
  }
  if (result.code !== 0) throw new Error(`"${line}" ended with ${result.code}: ${result.err}`)
  return result.out
}

async function installFromCheckout(packages: readonly string[]): Promise<string> {
  for (const name of packages) {
    const place = join(folder, 'node_modules', name)
    await mkdir(dirname(place), { recursive: true })
    await symlink(join(root, 'node_modules', name), place)
  }
  return ''
}

/** Calls the route as Next.js does, which is far too large to be installed for that. */
const NEXT = `
import { serve } from '@hono/node-server'
import { register } from './instrumentation.js'
import * as route from './app/items/[id]/route.js'
process.env.NEXT_RUNTIME = 'nodejs'
void register() // what comes before it is ready is accepted at its second attempt
const fetch = request => {
  const id = new URL(request.url).pathname.split('/').at(-1)
  return route[request.method]?.(request, { params: Promise.resolve({ id }) }) ?? new Response(null, { status: 405 })
}
serve({ fetch, hostname: '127.0.0.1', port: PORT })
`

async function runFile(name: string, code: string): Promise<string> {
  const running = await startFile(name, code)
  const [, port] = /(?:\.listen\(|\bport: )(\d+)/.exec(code) ?? []
  if (port !== undefined && port !== '0') {
    await listening(running, port)
    return ''
  }
  return toItsEnd(name, running)
}

async function writeCode(name: string, code: string): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true })
  await writeFile(join(folder, name), withPorts(code))
}

async function startFile(name: string, code: string): Promise<Running> {
  await writeCode(name, code)
  return start(process.execPath, [name])
}

async function toItsEnd(name: string, { ended }: Running): Promise<string> {
  const { code, out, err } = await ended
  if (code !== 0) throw new Error(`${name} ended with ${code} after ${out}: ${err}`)
  return out
}

/** What exports is for a later block to run. */
const MODULE = /^export /m

async function runSnippet({ language, mark, code }: Snippet, document: string): Promise<string> {
  if (language === 'ts' && MODULE.test(code)) {
    await writeCode(mark, code)
    return ''
  }
  if (language === 'ts') return runFile(mark, code)
  let out = ''
  for (const line of code.split('\n').map(line => line.replace(/\s+#.*$/, '')))
    if (line !== '') out += await type(line, document)
  return out
}

/** What a block that prints something must print. */
const SHOWN: readonly (readonly [RegExp, RegExp])[] = [
  [
    /^orthrus init install/m,
    /^master-key-file = "install\/keys\/master\.key" +# install\/kdc\.toml$.*no fault was found/ms,
  ],
  [
    /^orthrus backup before-upgrade/m,
    /no fault was found.*^data = "install\/realm" +# install\/kdc\.toml$/ms,
  ],
  [/web\.js$/m, /^hello web@demo\.example, your role is reader$/m],
  [/^orthrus admin policy web orders/m, /^allow +web +-> +orders +role=reader.*^kind +keytab$/ms],
  [/^call\.cjs$/m, /^orders@demo\.example$/m],
  [/^talk\.js$/m, /^hello web@demo\.example\nhow are you\?$/m],
  [/^tcp\.js$/m, /^hello web@demo\.example, you come from 127\.0\.0\.1$/m],
  [/^orthrus call .*\/orders\/.*--keytab web/m, /^hello web@demo\.example, your role is reader$/m],
  [/^shared-cache\.js/, /^parts\/2@demo\.example is served by two$/m],
  [/^shared-redis\.js/, /^parts\/2@demo\.example is served by two, which share a cache in Redis$/m],
  [/^restart\.js/, /^ready after a moment$/m],
  [/^watch\.js$/m, /^data: one\n\ndata: two\n\ndata: three\n\nstored\n$/],
  [/--service parts/, /^parts\/1@demo\.example has seen web@demo\.example$/m],
  [/8083\/items\/7/, /^item 7 for web@demo\.example$/m],
  [/8085\/items\/7/, /^\{"id":"7","client":"web@demo\.example"\}$/m],
  [/8086\/ --service/, /^hello web@demo\.example$/m],
  [/8087\/bills\/7/, /^bill 7 for web@demo\.example$/m],
  [/^web\.test\.js/, /^hello web@test\.example\nhello web@test\.example\npolicy_denied$/m],
  [/till\.test\.js/, /^hello web@test\.example$/m],
  [/--credential web\.credential/, /^hello web@demo\.example, your role is reader$/m],
  [/^orthrus get/m, /orders@demo\.example/],
  [
    /^orthrus admin rotate web/m,
    /kvno 2 is in web\.keytab\.new.*refused by .*\borders\b.*orders@demo\.example/s,
  ],
  [/^orthrus admin invite web/m, /joined as web@demo\.example/],
  [/^orthrus inspect orders\.keytab/m, /kvno 2/],
  [/^orthrus admin rotate admin/m, /kvno 2 is in admin\.keytab\.new.*admin@demo\.example +kvno 2 /s],
  [/^orthrus keytab refresh orthrus-data/m, /changed the key of admin@demo\.example: kvno 3/],
  [/^orthrus admin uninvite/m, /withdrew invite-/],
  [
    /^orthrus keytab refresh billing\.keytab$/m,
    /changed the key of billing@demo\.example: kvno 2\n.*kvno 2 +current.*kvno 1 +old/s,
  ],
  [/^orthrus admin list --due/m, /some key is due\nchanged the key of billing@demo\.example: kvno 3/],
  [/^orthrus admin reset-password/m, /changed the password of ann.*set the password of ann/s],
  [/^orthrus keytab show stock/m, /joined as stock@demo\.example.*kvno 1 +current/s],
  [/^orthrus join fleet/m, /joined as worker\/7@demo\.example.*role=reader/s],
]

describe.each(DOCUMENTS)('what %s tells to type works, in order', document => {
  const all = snippetsOf(document)
  const pieces = all.filter(({ mark }) => mark.startsWith('as '))

  it('has something to run', () => {
    expect(all.length).toBeGreaterThan(0)
  })

  for (const snippet of all.filter(snippet => !NOT_RUN.has(snippet.mark) && !pieces.includes(snippet))) {
    const canRun = hasRedis || !/redis/i.test(snippet.code)
    it.runIf(canRun)(
      `${snippet.place} ${snippet.language} ${snippet.mark}`,
      { timeout: 90_000 },
      async () => {
        const out = await runSnippet(snippet, document)
        for (const [about, shown] of SHOWN) {
          if (about.test(`${snippet.mark}\n${snippet.code}`)) expect(out, snippet.place).toMatch(shown)
        }
      },
    )
  }

  it.runIf(pieces.length > 0)('the blocks that continue others', async () => {
    const name = `${document.replaceAll('/', '-')}.js`
    const out = await toItsEnd(name, await startFile(name, programOf(pieces)))
    expect(out).toMatch(/done$/m)
  })
})
