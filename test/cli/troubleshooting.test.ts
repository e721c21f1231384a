import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { snippetsOf } from '../end-to-end/snippets.js'
import { runCommand } from './run-command.js'

/** Every command of docs/troubleshooting.md, in a folder with the keytabs that it names, one after another. */

let realm: TestRealm
let folder = ''
const home = process.cwd()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-troubleshooting-'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('admin2', 'web', 'orders')
  await realm.allow('admin2', 'kdc', { claims: { role: 'admin' } })
  for (const name of ['admin2', 'web', 'orders']) {
    await writeFile(join(folder, `${name}.keytab`), realm.keytab(name), { mode: 0o600 })
  }
  process.chdir(folder)
})

afterAll(async () => {
  process.chdir(home)
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const env = () => ({ ORTHRUS_KDC: realm.kdc.url, ORTHRUS_KEYTAB: 'admin2.keytab' })

/** The parts of an answer that are another each time. */
function steady(text: string): string {
  return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
}

it('has commands that run as they stand there, and the first answer as it is', async () => {
  const commands = snippetsOf('docs/troubleshooting.md').flatMap(({ language, code }) =>
    language === 'sh' ? code.split('\n').filter(line => line.startsWith('orthrus ')) : [],
  )
  expect(commands.length).toBeGreaterThan(2)
  for (const [i, command] of commands.entries()) {
    // `orthrus doctor` compares the clocks, so the KDC's goes on.
    const keepUp = (): void => realm.clock.advance(Math.max(0, systemClock.now() - realm.clock.now()))
    keepUp()
    const going = setInterval(keepUp, 5)
    const ran = runCommand(command.split(' ').slice(1), { env: env() })
    const { code, out, err } = await ran.finally(() => clearInterval(going))
    expect(`${command}: ${code} ${err}`).toBe(`${command}: 0 `)
    if (i === 0) expect(steady(documentText())).toContain(steady(out))
  }
})

function documentText(): string {
  return readFileSync(join(home, 'docs/troubleshooting.md'), 'utf8')
}
