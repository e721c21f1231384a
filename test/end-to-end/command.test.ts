import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from '../cli/run-here.js'
import { type KdcProcess, orthrus, root, run, startKdc, temporaryFolder } from './processes.js'

const CLI = join(root, 'dist/cli/orthrus.js')
/** How long processes may take to start and end on a busy machine, milliseconds. */
const BUSY = 120_000
/** More than any test needs at a time. */
const CONNECTIONS = 8
let folder = ''
let remove = async (): Promise<void> => {}
let kdc: KdcProcess

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
  expect((await orthrus(folder, 'init', 'demo.example')).code).toBe(0)
  kdc = await startKdc(folder, undefined, [], ['--connections', String(CONNECTIONS)])
}, BUSY)
afterAll(async () => {
  expect(await kdc.end('SIGTERM')).toBe(0)
  await remove()
}, BUSY)

it('a master key that its group can read, as on a volume with fsGroup, is accepted with the option that the error names', async () => {
  await chmod(join(folder, 'orthrus-data/master.key'), 0o640)
  const refused = await orthrus(folder, 'kdc')
  expect(refused.err).toMatch(
    /master\.key can be read or changed by others \(mode 640\).*--allow-readable-master-key/,
  )
  // Past the key: the database is in use by the KDC of this test.
  const accepted = await orthrus(folder, 'kdc', '--allow-readable-master-key')
  expect(accepted.err).toMatch(/the database in .* is in use/)
})

it(
  'a KDC has as many connections as it was told, and closes the oldest for one more',
  async () => {
    const sockets = Array.from({ length: CONNECTIONS + 1 }, () =>
      connect(Number(new URL(kdc.url).port), '127.0.0.1'),
    )
    const closed = Promise.race(sockets.map(async socket => once(socket, 'close')))
    await Promise.all(sockets.map(socket => once(socket, 'connect')))
    await closed
    expect(sockets.filter(socket => socket.closed)).toHaveLength(1)
    for (const socket of sockets) socket.destroy()
  },
  BUSY,
)

describe('a person', () => {
  it(
    'is not registered where the password of another one is missing or too short',
    async () => {
      const add = (input: string, ...names: string[]) =>
        runHere(['admin', 'add', ...names, '--password', '--kdc', kdc.url], { folder, input })
      for (const [input, message] of [
        ['correct horse battery\n', 'no password came for carol@demo.example'],
        ['correct horse battery\nshort\n', 'that for carol@demo.example'],
      ] as const)
        expect(await add(input, 'bob', 'carol')).toEqual({
          code: 2,
          out: '',
          err: expect.stringContaining(message),
        })
      expect(await add('correct horse battery\nbattery horse correct\n', 'bob', 'carol')).toEqual({
        code: 0,
        out: expect.stringMatching(/added bob@demo\.example.*\nadded carol@demo\.example/),
        err: '',
      })
    },
    BUSY,
  )

  it(
    'is registered with a password from standard input, and gets tickets with it',
    async () => {
      const at = ['--kdc', kdc.url]
      const typed = (input: string, ...args: string[]) =>
        run(process.execPath, [CLI, ...args, ...at], folder, input)
      const here = (input: string, ...args: string[]) => runHere([...args, ...at], { folder, input })
      expect(await here('too short\n', 'admin', 'add', 'alice', '--password')).toMatchObject({
        code: 2,
        err: expect.stringContaining('12 characters'),
      })
      const added = await typed('correct horse battery\n', 'admin', 'add', 'alice', '--password')
      expect(added).toEqual({ code: 0, out: expect.stringContaining('added alice@demo.example'), err: '' })
      await here('', 'admin', 'add', 'orders')
      await here('', 'admin', 'allow', 'alice', 'orders')
      const get = ['get', 'orders', '--principal', 'alice@demo.example', '--password']
      expect(await typed('correct horse battery\n', ...get)).toMatchObject({
        code: 0,
        out: expect.stringContaining('orders@demo.example'),
      })
      expect(await here('wrong horse battery\n', ...get)).toMatchObject({
        code: 1,
        err: expect.stringContaining('password_wrong'),
      })
      const passwd = ['passwd', 'alice@demo.example']
      expect(await here('wrong horse battery\nanother horse battery\n', ...passwd)).toMatchObject({
        code: 1,
        err: expect.stringContaining('password_wrong'),
      })
      expect(await here('correct horse battery\na horse\n', ...passwd)).toMatchObject({ code: 2 })
      expect(await typed('correct horse battery\nanother horse battery\n', ...passwd)).toEqual({
        code: 0,
        out: expect.stringContaining('changed the password of alice@demo.example; all sessions have ended'),
        err: '',
      })
      expect((await here('correct horse battery\n', ...get)).code).toBe(1)
      const reset = await typed('a third horse battery\n', 'admin', 'reset-password', 'alice', '--wait', '1s')
      expect(reset).toMatchObject({
        code: 0,
        err: '',
        out: expect.stringContaining('sessions have ended'),
      })
      expect((await here('another horse battery\n', ...get)).code).toBe(1)
      expect((await here('a third horse battery\n', ...get)).code).toBe(0)
      expect(kdc.log()).not.toMatch(/horse/)
    },
    BUSY,
  )
})

it('a command ends quietly when the reader of its output has gone', async () => {
  const { code, err } = await run('sh', ['-c', `"${process.execPath}" "${CLI}" --help | true`], folder)
  expect({ code, err }).toEqual({ code: 0, err: '' })
})
