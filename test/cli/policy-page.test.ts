import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { parsePolicyFile } from '../../shared/administration/policy-file.js'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { snippetsOf } from '../end-to-end/snippets.js'
import { runCommand } from './run-command.js'

/** Every command of docs/policy.md, one after another, with the file that the page shows. */

let realm: TestRealm
let folder = ''
const home = process.cwd()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-policy-page-'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('admin2', 'alice', 'web', 'orders', 'billing', 'reports')
  await realm.allow('admin2', 'kdc', { claims: { role: 'admin' } })
  await writeFile(join(folder, 'admin2.keytab'), realm.keytab('admin2'), { mode: 0o600 })
  process.chdir(folder)
})

afterAll(async () => {
  process.chdir(home)
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

it('has commands that run as they stand there, and a file that they take', async () => {
  const commands = snippetsOf('docs/policy.md')
    .filter(({ language }) => language === 'sh')
    .flatMap(({ code }) => code.trim().split('\n'))
  expect(commands.length).toBeGreaterThan(15)
  for (const line of commands) {
    const [, command = '', into, wanted = '0'] =
      /^(.*?)(?: > (\S+))?(?: +# exit code (\d))?$/.exec(line) ?? []
    const env = { ORTHRUS_KDC: realm.kdc.url, ORTHRUS_KEYTAB: 'admin2.keytab' }
    const { code, out, err } = await runCommand(command.split(' ').slice(1), { env })
    expect(`${line}: ${code} ${err.replace(/^orthrus: note: .*\n$/, '')}`).toBe(`${line}: ${wanted} `)
    if (into === undefined) continue
    expect(parsePolicyFile(out).rules.length).toBeGreaterThan(2)
    await writeFile(into, await shownFile())
  }
})

it('has a program that runs as it stands there', async () => {
  const [program] = snippetsOf('docs/policy.md').filter(({ language }) => language === 'ts')
  const code = (program?.code ?? '').replace(/^import .*$/gm, '')
  vi.spyOn(console, 'log').mockImplementation(() => {})
  const { connectAdmin, NO_TERMS } = await import('../../client/admin.js')
  const Program = Object.getPrototypeOf(async () => {}).constructor
  await new Program('connectAdmin', 'NO_TERMS', 'kdc', code)(connectAdmin, NO_TERMS, realm.kdc.url)
  const [web, orders] = ['web', 'orders'].map(name => `${name}@demo.example`) as [never, never]
  expect(await realm.administration.rule(web, orders)).toMatchObject({ claims: [['role', 'reader']] })
})

/** The file of the page, in a realm whose administrator is another one too. */
async function shownFile(): Promise<string> {
  const page = await readFile(join(home, 'docs/policy.md'), 'utf8')
  const [, shown = ''] = /^```text\n(# orthrus policy 1\n.*?)^```$/ms.exec(page) ?? []
  expect(parsePolicyFile(shown).expectations).toHaveLength(4)
  return `${shown}allow admin2 kdc --claim role=admin\n`
}
