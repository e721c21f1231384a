import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Realm } from '../../client/index.js'
import { startRealm } from '../../testing/index.js'
import { endAtLast, root, temporaryFolder } from './processes.js'

/**
 * A handler of `orthrus/fetch-handler` in Deno and in Bun, by their own servers, as far as these are here: on the PATH, or
 * where ORTHRUS_DENO and ORTHRUS_BUN say. They are no dependency.
 */

const SERVER = `
import process from 'node:process'
import { requireTicket } from 'orthrus/fetch-handler'
import { loadService } from 'orthrus/service'

const service = await loadService({ keytab: process.env.KEYTAB })
await service.ready()
const answers = {
  '/json': async request => Response.json(await request.json()),
  '/echo': request => new Response(request.body),
  '/none': () => new Response(null, { status: 204 }),
  '/same': () => new Response(null, { status: 304, headers: { etag: '"1"' } }),
  '/gone': () => new Response(null, { status: 303, headers: { location: '/hello' } }),
  '/large': () => new Response(new Uint8Array(3_000_000)),
  '/fault': () => {
    throw new Error('no database')
  },
}
const fetch = requireTicket({ service, cors: { origins: ['https://app.example'] } }, (request, ticket) => {
  const answer = answers[new URL(request.url).pathname] ?? (() => new Response('hello ' + ticket.client))
  return answer(request)
})
const tell = ({ port }) => console.log(port)
if (globalThis.Deno) Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: tell }, fetch)
else tell(Bun.serve({ port: 0, hostname: '127.0.0.1', fetch }))
`

const RUNTIMES = {
  deno: ['run', '--quiet', '--allow-all', '--node-modules-dir=manual'],
  bun: [],
} as const

type Runtime = keyof typeof RUNTIMES

function commandOf(runtime: Runtime): string | undefined {
  const named = process.env[`ORTHRUS_${runtime.toUpperCase()}`]
  const found = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, runtime))
  return [named ?? [], found].flat().find(path => existsSync(path))
}

async function startIn(runtime: Runtime, command: string): Promise<{ web: Realm; url: string }> {
  const { folder, remove } = await temporaryFolder()
  const realm = await startRealm()
  onTestFinished(async () => {
    await realm.close()
    await remove()
  })
  await realm.add('web', 'shop')
  await realm.allow('web', 'shop')
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/orthrus'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder, 'server.js'), SERVER)
  await writeFile(join(folder, 'shop.keytab'), realm.keytab('shop'), { mode: 0o600 })
  const child = endAtLast(
    spawn(command, [...RUNTIMES[runtime], 'server.js'], {
      cwd: folder,
      env: { ...process.env, KEYTAB: 'shop.keytab', DENO_DIR: join(folder, 'deno') },
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  for await (const port of createInterface(child.stdout)) {
    realm.clock.advance(Date.now() - realm.clock.now())
    const url = `http://127.0.0.1:${port}`
    return { web: await realm.connect('web', { services: { [url]: 'shop' } }), url }
  }
  throw new Error(`${runtime} ended before it listened`)
}

async function tryAll(web: Realm, url: string, sealed: boolean): Promise<void> {
  const call = async (path: string, init: object = {}) => {
    const response = await web.fetch(url + path, { sealed, ...init })
    return [response.status, await response.text()]
  }
  const json = { method: 'POST', body: '{"sku":1}', headers: { 'content-type': 'application/json' } }
  const hello = [200, 'hello web@test.example']
  const large = 'x'.repeat(200_000)
  expect(await call('/hello?x=%20y')).toEqual(hello)
  expect(await call('/json', json)).toEqual([200, '{"sku":1}'])
  expect(await call('/echo', { method: 'PUT', body: large })).toEqual([200, large])
  expect(await call('/none')).toEqual([204, ''])
  expect(await call('/same')).toEqual([304, ''])
  expect(await call('/hello', { method: 'HEAD' })).toEqual([200, ''])
  expect(await call('/gone')).toEqual(hello)
  expect((await call('/large'))[1]).toHaveLength(3_000_000)
  expect(await call('/fault')).toEqual([500, 'internal error\n'])
}

describe.each(Object.keys(RUNTIMES) as Runtime[])('%s', runtime => {
  const command = commandOf(runtime) ?? ''
  const name = `serves what clients on Node ask, sealed and not (where it is installed, or ORTHRUS_${runtime.toUpperCase()} names it)`

  // Debian has neither, and each is larger than all that the other tests need.
  it.skipIf(command === '')(name, async () => {
    const { web, url } = await startIn(runtime, command)
    await tryAll(web, url, false)
    await tryAll(web, url, true)
    let controller!: ReadableStreamDefaultController<Uint8Array>
    const body = new ReadableStream<Uint8Array>({
      start: made => {
        controller = made
      },
    })
    controller.enqueue(Buffer.from('one'))
    const response = await web.fetch(`${url}/echo`, { method: 'POST', body, sealed: true })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('one')
    controller.enqueue(Buffer.from('two'))
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('two')
    controller.close()
    expect((await reader.read()).done).toBe(true)
    const plain = await fetch(`${url}/hello`)
    expect([plain.status, plain.headers.get('www-authenticate')]).toEqual([
      401,
      'Orthrus realm="test.example"',
    ])
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' }
    expect((await fetch(`${url}/hello`, { method: 'OPTIONS', headers })).status).toBe(204)
  })
})

it('Bun, whose node:crypto lacks ChaCha20-Poly1305, gets the cryptography that needs nothing of Node', async () => {
  const { imports } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const conditions = Object.entries<string>(imports['#primitives'])
  // The first that holds is taken, and Bun says that it is Node as well.
  expect(conditions[0]).toEqual(['bun', './dist/shared/crypto/primitives.js'])
})
