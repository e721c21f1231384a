import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { requireTicket } from '../../service/require-ticket.js'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { endAtLast, root } from '../end-to-end/processes.js'
import { type BytesOutcome, runCommand, runForBytes, type Surroundings } from './run-command.js'

/** What `orthrus call` sends and prints, to the byte; in processes of their own if standard input and output matter. */

const CLI = join(root, 'dist/cli/orthrus.js')
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const BODIES: Readonly<Record<string, Buffer>> = {
  '/text': Buffer.from('no newline at its end'),
  '/windows': Buffer.from('one\r\ntwo\tthree\r\n'),
  '/escape': Buffer.from('a\u001b[2J\u001b]0;title\u0007b'),
  '/c1': Buffer.from('a\u009b2Jb'),
  '/return': Buffer.from('what was said\rwhat is seen'),
  '/line': Buffer.from('a line\n'),
  '/empty': Buffer.alloc(0),
  '/bom': Buffer.from('\ufeffafter a byte order mark\n'),
  '/binary': ALL_BYTES,
  '/latin1': Buffer.from('caf\u00e9', 'latin1'),
}

let realm: TestRealm
let server: Server
let home = ''
let folder = ''
let url = ''
let received: { method: string; type: string | undefined; body: Buffer }[] = []

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'orthrus-call-'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  await writeFile(join(home, 'web.keytab'), realm.keytab('web'), { mode: 0o600 })
  const service = await realm.loadService('orders')
  server = createServer(
    requireTicket({ service }, async (req, res) => {
      const chunks: Buffer[] = []
      for await (const chunk of req) chunks.push(chunk as Buffer)
      received.push({
        method: req.method ?? '',
        type: req.headers['content-type'],
        body: Buffer.concat(chunks),
      })
      if (req.url === '/cookies') res.setHeader('set-cookie', ['a=1', 'b=2'])
      if (req.url === '/missing') res.statusCode = 404
      if (req.url === '/never') return
      res.end(BODIES[req.url ?? ''] ?? 'ok')
    }),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

beforeEach(async () => {
  received = []
  folder = await mkdtemp(join(home, 'test-'))
})

afterAll(async () => {
  server.close()
  await realm.close()
  await rm(home, { recursive: true, force: true })
})

const wordsOf = (...args: string[]) => [
  ...['call', ...args, '--service', 'orders', '--keytab', join(home, 'web.keytab')],
  ...['--kdc', realm.kdc.url],
]
const call = (...args: string[]) => runCommand(wordsOf(...args))
const callOn = (surroundings: Surroundings, ...args: string[]) => runForBytes(wordsOf(...args), surroundings)

/** As a process of its own, with bytes on its standard input and from its standard output. */
async function callAsProcess(input: Uint8Array, ...args: string[]): Promise<BytesOutcome> {
  const child = endAtLast(spawn(process.execPath, [CLI, ...wordsOf(...args)], { stdio: 'pipe' }))
  const out: Buffer[] = []
  let err = ''
  child.stdout.on('data', chunk => out.push(chunk))
  child.stderr.on('data', chunk => {
    err += String(chunk)
  })
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number]
  return { code, out: Buffer.concat(out), err }
}

describe('standard output', () => {
  it.each(Object.keys(BODIES))('has %s byte by byte', async path => {
    const whole = { code: 0, out: BODIES[path], err: '' }
    expect(await callAsProcess(Buffer.alloc(0), `${url}${path}`)).toEqual(whole)
    expect(await callOn({ outIsTerminal: false }, `${url}${path}`)).toEqual(whole)
  })

  it.each<[string, string]>([
    ['/text', '\n'],
    ['/line', ''],
    ['/empty', ''],
    ['/bom', ''],
    ['/windows', ''],
  ])('of a terminal has %s and %j', async (path, added) => {
    const out = Buffer.concat([BODIES[path] as Buffer, Buffer.from(added)])
    expect(await callOn({ outIsTerminal: true }, `${url}${path}`)).toEqual({ code: 0, out, err: '' })
  })

  it.each(['/binary', '/latin1'])('of a terminal does not have %s, which is no text', async path => {
    expect(await callOn({ outIsTerminal: true }, `${url}${path}`)).toMatchObject({
      code: 1,
      out: Buffer.alloc(0),
      err: expect.stringMatching(/not text \(\d+ bytes\).*--output FILE/),
    })
  })

  it.each(['/escape', '/c1', '/return'])(
    'of a terminal does not have %s, which it would obey',
    async path => {
      expect(await callOn({ outIsTerminal: true }, `${url}${path}`)).toMatchObject({
        code: 1,
        out: Buffer.alloc(0),
        err: expect.stringMatching(/control characters.*--output FILE/),
      })
    },
  )
})

describe('--json', () => {
  it.each(Object.keys(BODIES))('has %s without loss, in one document', async path => {
    const { code, out, err } = await call(`${url}${path}`, '--json')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const { status, serviceProved, headers, ...rest } = JSON.parse(out)
    expect(serviceProved).toBe(true)
    expect({ status, length: headers['content-length'] }).toEqual({
      status: 200,
      length: String(BODIES[path]?.length),
    })
    const isText = path !== '/binary' && path !== '/latin1'
    expect(rest).toEqual(
      isText ? { body: BODIES[path]?.toString() } : { bodyBase64: BODIES[path]?.toString('base64') },
    )
  })

  it('is one document even if the service refuses', async () => {
    const { code, out, err } = await call(`${url}/missing`, '--json')
    expect({ code, err }).toEqual({ code: 1, err: '' })
    expect(JSON.parse(out)).toMatchObject({ status: 404, body: 'ok' })
  })

  it('has every cookie', async () => {
    expect(JSON.parse((await call(`${url}/cookies`, '--json')).out).headers['set-cookie']).toEqual([
      'a=1',
      'b=2',
    ])
  })
})

describe('the body to send', () => {
  const file = () => join(folder, 'body')

  it('is the given text itself', async () => {
    await call(`${url}/`, '-d', '{"a": 1}')
    expect(received).toEqual([
      { method: 'POST', type: 'text/plain;charset=UTF-8', body: Buffer.from('{"a": 1}') },
    ])
  })

  it('is a file, byte by byte, with the content type that is given', async () => {
    await writeFile(file(), ALL_BYTES)
    await call('PUT', `${url}/`, '-d', `@${file()}`)
    await call(`${url}/`, '-d', `@${file()}`, '-H', 'content-type: application/octet-stream')
    expect(received).toEqual([
      { method: 'PUT', type: undefined, body: ALL_BYTES },
      { method: 'POST', type: 'application/octet-stream', body: ALL_BYTES },
    ])
  })

  it.each(['-', '@-'])('is standard input for %s', async what => {
    expect(await callAsProcess(ALL_BYTES, `${url}/`, '-d', what)).toMatchObject({ code: 0, err: '' })
    expect(received).toEqual([{ method: 'POST', type: undefined, body: ALL_BYTES }])
  })

  it('may be empty', async () => {
    expect((await call(`${url}/`, '-d', '')).code).toBe(0)
    expect(received.map(({ method, body }) => [method, body.length])).toEqual([['POST', 0]])
  })

  it('is text that begins with @, or is -, behind --data-raw', async () => {
    await call(`${url}/`, '--data-raw', '@home')
    await call(`${url}/`, '--data-raw', '-')
    expect(received.map(({ method, body }) => [method, body.toString()])).toEqual([
      ['POST', '@home'],
      ['POST', '-'],
    ])
  })

  it.each([
    [['-d', '@no-such-file'], /-d @no-such-file: there is no such file; .*--data-raw '@no-such-file'/],
    [['-d', '@/'], /-d @\/: it cannot be read: EISDIR/],
    [['-d', 'x', '--data-raw', 'y'], /one body/],
    [['-d', '-', '--credential', '-'], /standard input can be the credential or the body/],
    [['get', '-d', 'x'], /GET.*body/],
  ])('%j is wrong usage, and nothing is sent', async (args, message) => {
    const [first = '', ...rest] = args
    const words = first.startsWith('-') ? [`${url}/`, ...args] : [first, `${url}/`, ...rest]
    expect(await call(...words)).toEqual({ code: 2, out: '', err: expect.stringMatching(message) })
    expect(received).toEqual([])
  })
})

describe('the method', () => {
  it.each(['get', 'Get', 'post', 'put', 'delete', 'head', 'options'])(
    '%s is sent in upper case',
    async method => {
      expect((await call(method, `${url}/`)).code).toBe(0)
      expect(received.map(each => each.method)).toEqual([method.toUpperCase()])
    },
  )

  it('is sent as PATCH, and as patch in the way that fetch sends it, with a warning of the platform', async () => {
    expect((await call('PATCH', `${url}/`)).code).toBe(0)
    expect(received.map(each => each.method)).toEqual(['PATCH'])
    // No server of Node accepts such a request line; what answers is not the service.
    const { code, out, err } = await callAsProcess(Buffer.alloc(0), 'patch', `${url}/`)
    expect({ code, out: String(out) }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(/`PATCH` is much more likely to succeed/)
  })

  it.each(['G T', 'TRACE', 'connect'])('%j is none that fetch takes', async method => {
    expect(await call(method, `${url}/`)).toMatchObject({ code: 2, err: expect.stringContaining(method) })
    expect(received).toEqual([])
  })
})

describe('--output', () => {
  const file = () => join(folder, 'answer')
  const left = () => readdir(folder)

  it('has the body byte by byte, and standard output nothing', async () => {
    expect(await call(`${url}/binary`, '--output', file())).toEqual({ code: 0, out: '', err: '' })
    expect(await readFile(file())).toEqual(ALL_BYTES)
    expect(await left()).toEqual(['answer'])
  })

  it('replaces what was there, and keeps its mode and the link to it', async () => {
    await writeFile(file(), 'longer than what comes now, by far')
    await chmod(file(), 0o640)
    await symlink('answer', join(folder, 'link'))
    await call(`${url}/line`, '-o', join(folder, 'link'))
    expect(await readFile(file(), 'utf8')).toBe('a line\n')
    expect((await stat(file())).mode & 0o777).toBe(0o640)
    expect((await left()).sort()).toEqual(['answer', 'link'])
  })

  it('has the answer of a service that refuses, and the head if that is asked for', async () => {
    expect(await call(`${url}/missing`, '-i', '-o', file())).toMatchObject({ code: 1, out: '' })
    expect(await readFile(file(), 'utf8')).toMatch(/^404\n(?:.+\n)+\nok$/)
  })

  it('is named in the document of --json', async () => {
    const { out } = await call(`${url}/binary`, '-o', file(), '--json')
    expect(JSON.parse(out)).toEqual({
      status: 200,
      serviceProved: true,
      headers: expect.objectContaining({ 'content-length': '256' }),
      output: file(),
      bytes: 256,
    })
  })

  it('- is standard output', async () => {
    expect((await call(`${url}/line`, '-o', '-')).out).toBe('a line\n')
  })

  it('keeps what was there if nothing proved arrives', async () => {
    await writeFile(file(), 'before')
    const health = `http://127.0.0.1:${realm.kdc.address.port}/health`
    expect(await call(health, '-o', file())).toMatchObject({ code: 1, out: '' })
    expect(await readFile(file(), 'utf8')).toBe('before')
    expect(await left()).toEqual(['answer'])
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('leaves nothing behind when %s ends it', async signal => {
    await writeFile(file(), 'before')
    const words = wordsOf(`${url}/never`, '-o', file())
    const child = endAtLast(spawn(process.execPath, [CLI, ...words], { stdio: 'ignore' }))
    const ended = once(child, 'close')
    const before = Date.now()
    while (received.length === 0 && Date.now() - before < 60_000)
      await new Promise(resolve => setImmediate(resolve))
    expect((await left()).length, 'the new file is there').toBe(2)
    child.kill(signal)
    expect(await ended).toEqual([null, signal])
    expect(await left()).toEqual(['answer'])
    expect(await readFile(file(), 'utf8')).toBe('before')
  })

  it('writes into a device without replacing it', async () => {
    expect(await call(`${url}/line`, '-o', '/dev/null')).toEqual({ code: 0, out: '', err: '' })
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true)
  })

  it('that cannot be written is reported before anything is sent', async () => {
    await mkdir(join(folder, 'sub'))
    for (const [name, reason] of [
      ['sub', 'is a folder: name a file'],
      ['no/such/folder', 'cannot be written: ENOENT'],
      ['/proc/answer', 'cannot be written'],
    ] as const) {
      const path = name.startsWith('/') ? name : join(folder, name)
      expect(await call(`${url}/line`, '-o', path)).toEqual({
        code: 1,
        out: '',
        err: expect.stringContaining(`${path} ${reason}`),
      })
    }
    expect(received).toEqual([])
  })
})

describe('input without end', () => {
  it('is no body: -d @FILE and standard input end at a bound, and nothing is sent', async () => {
    expect(await call(`${url}/`, '-d', '@/dev/zero')).toEqual({
      code: 2,
      out: '',
      err: expect.stringMatching(
        /^orthrus: \/dev\/zero has more than 268435456 bytes: a body is held in memory/,
      ),
    })
    expect(received).toEqual([])
  })

  it.each([
    ['inspect', ['inspect', '/dev/zero']],
    ['--credential', ['call', 'http://127.0.0.1:9/', '-s', 'orders', '--credential', '/dev/zero']],
  ])('is nothing for %s', async (_, words) => {
    expect(await runCommand(words)).toMatchObject({
      code: 2,
      err: expect.stringContaining('/dev/zero has more than 1048576 bytes'),
    })
  })
})

describe('the URL', () => {
  it.each([
    ['127.0.0.1:8080/x', /not the URL of a service: "127\.0\.0\.1:8080\/x"; write http:/],
    ['ftp://host/', /not the URL of a service/],
    ['http://ann:pass-word-7@127.0.0.1/', /leave the name and password out of the URL/],
    ['ann:pass-word-7@127.0.0.1/', /not the URL of a service; write/],
    ['ws://ann:pass-word-7@127.0.0.1/', /not the URL of a service; write/],
  ])('%s is refused, and no password is shown', async (what, message) => {
    for (const json of [[], ['--json']]) {
      const { code, out, err } = await call(what, ...json)
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(json.length > 0 ? JSON.parse(err).error.message : err).toMatch(message)
      expect(err).not.toContain('pass-word-7')
    }
  })

  it('comes after the method', async () => {
    expect(await call(`${url}/`, 'GET')).toMatchObject({
      code: 2,
      err: expect.stringContaining('[METHOD] URL'),
    })
  })
})
