import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** A password in the URL of a KDC shows nowhere, whatever goes wrong. */

const PASSWORD = 'canary-9f3a'

let realm: TestRealm
let keytab = ''
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-url-'))
  realm = await startRealm({ realm: 'demo.example' })
  await realm.add('web')
  keytab = join(folder, 'web.keytab')
  await writeFile(keytab, realm.keytab('web'), { mode: 0o600 })
})

afterAll(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const urls = [
  `ws://user:${PASSWORD}@127.0.0.1:1`,
  `wss://user:${PASSWORD}@127.0.0.1:1/`,
  `ws://user:${PASSWORD}@127.0.0.1:1/#part`,
  `http://user:${PASSWORD}@127.0.0.1:1`,
  `user:${PASSWORD}@127.0.0.1:1`,
  `ws://user:${PASSWORD}@:no-port`,
]
const commands = [
  ['get', 'web'],
  ['call', 'http://127.0.0.1:1/', '--service', 'web'],
  ['delegate', 'web', '--anyone'],
  ['admin', 'list'],
]
const cases = urls.flatMap(url => commands.map(command => [url, command] as const))

it.each(cases)('no password of the URL %s shows in what %j says', async (url, command) => {
  for (const json of [[], ['--json']]) {
    const words = [...command, ...json, '--keytab', keytab]
    const outcomes = [
      await runCommand([...words, '--kdc', url]),
      await runCommand(words, { env: { ORTHRUS_KDC: url } }),
    ]
    for (const { code, out, err } of outcomes) {
      expect(code).not.toBe(0)
      expect(err).not.toBe('')
      expect(out + err).not.toContain(PASSWORD)
    }
  }
})

it('names the option or the variable that the URL came from', async () => {
  const by = (...args: string[]) =>
    runCommand(['get', 'web', '--keytab', keytab, ...args], { env: { ORTHRUS_KDC: 'nonsense' } })
  expect(await by()).toMatchObject({
    code: 2,
    err: expect.stringMatching(/ORTHRUS_KDC is not the URL of a KDC: "nonsense"; write ws:/),
  })
  expect(await by('--kdc', 'http://x')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/--kdc is not the URL of a KDC: "http:\/\/x"; write ws:/),
  })
})
