import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { connect } from '../../client/connect.js'
import { LoginFolder } from '../../client/kept-login/login-files.node.js'
import { parsePrincipal } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { snippetsOf } from '../end-to-end/snippets.js'
import { runCommand } from './run-command.js'

/** Every command of docs/people.md, one after another: a person with a password, from the first login to the last. */

const ANN = parsePrincipal('ann@demo.example')
const PASSWORDS = ['correct horse battery', 'another horse battery']

let realm: TestRealm
let folder = ''
let logins: LoginFolder

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-people-page-'))
  logins = new LoginFolder(join(folder, 'logins'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('admin2', 'orders')
  await realm.allow('admin2', 'kdc', { claims: { role: 'admin' } })
  await writeFile(join(folder, 'admin2.keytab'), realm.keytab('admin2'), { mode: 0o600 })
})

afterAll(async () => {
  await realm.close()
  // With the keys that the kernel keeps for them.
  for (const login of await logins.list()) await logins.erase(login)
  await rm(folder, { recursive: true, force: true })
})

/** What a person types at a terminal, or a pipe brings. */
function typing(lines: readonly string[], isTTY: boolean): void {
  const input = Object.assign(Readable.from(lines.map(line => `${line}\n`)), { isTTY })
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(input as never)
}

const KDC = () => ({ ORTHRUS_KDC: realm.kdc.url, ORTHRUS_LOGINS: logins.folder })

const snippets = snippetsOf('docs/people.md')
const commandsAs = (mark: string) =>
  snippets
    .filter(each => each.mark === mark && each.language === 'sh')
    .flatMap(({ code }) => code.trim().split('\n'))

/** What each says, as it stands on the page. */
const SAYS: readonly (readonly [RegExp, RegExp])[] = [
  [/^orthrus login/, /^logged in as ann@demo\.example: ends in [89] h, and can be renewed for 6 d\n$/],
  [/^orthrus get/, /^orders@demo\.example +ends in \d+ min\n$/],
  [
    /^orthrus tickets/,
    /^ann@demo\.example +ends in [89] h +renewable for 6 d\n {2}orders +ends in \d+ min\n(?:not sealed .*\n)?$/,
  ],
  [/^orthrus logout/, /^erased the login of ann@demo\.example from this machine/],
  [
    /^orthrus passwd/,
    /^changed the password .* sessions have ended, here and elsewhere: orthrus login ann@demo/,
  ],
]

it('has commands of an administrator that run as they stand there', async () => {
  expect(commandsAs('as admin').length).toBe(2)
  for (const line of commandsAs('as admin')) {
    const [, words = '', command = line] = /^echo '([^']*)' \| (.*)$/.exec(line) ?? []
    typing([words], false)
    const env = { ...KDC(), ORTHRUS_KEYTAB: join(folder, 'admin2.keytab') }
    expect(await runCommand(command.split(' ').slice(1), { env })).toMatchObject({ code: 0, err: '' })
  }
})

it('has commands that print a script for each shell', async () => {
  const commands = commandsAs('')
  expect(commands.length).toBe(3)
  for (const line of commands) {
    const { code, out } = await runCommand(line.split(' ').slice(1))
    expect([line, code, out.length > 10_000]).toEqual([line, 0, true])
  }
})

it('has commands of a person that say what stands there, and leave no password anywhere', async () => {
  const commands = commandsAs('as ann')
  expect(commands.length).toBe(8)
  for (const line of commands) {
    // The prompts of passwd are answered by a pipe, since a terminal gives one line at a time.
    const isPasswd = line === 'orthrus passwd'
    typing(isPasswd ? PASSWORDS : PASSWORDS.slice(0, 1), !isPasswd)
    const { code, out, err } = await runCommand(line.split(' ').slice(1), { env: KDC() })
    const [, said = /^$/] = SAYS.find(([command]) => command.test(line)) ?? []
    expect([line, code, err.replace('Password of ann@demo.example: \n', '')]).toEqual([line, 0, ''])
    expect(out).toMatch(said)
    if (line.startsWith('orthrus get')) {
      const file = logins.pathOf(ANN)
      const modes = await Promise.all(
        [file, dirname(file)].map(async path => (await stat(path)).mode & 0o777),
      )
      expect(modes).toEqual([0o600, 0o700])
    }
    expect(out + err).not.toMatch(/horse/)
  }
  expect(await logins.list()).toEqual([])
})

it('has a program that acts as the person', async () => {
  const [program] = snippets.filter(({ language }) => language === 'ts')
  await writeLogin()
  vi.stubEnv('ORTHRUS_LOGINS', logins.folder)
  const said = vi.spyOn(console, 'log').mockImplementation(() => {})
  const Program = Object.getPrototypeOf(async () => {}).constructor
  await new Program('connect', (program?.code ?? '').replace(/^import .*$/gm, ''))(connect)
  expect(said.mock.calls).toEqual([['admin2@demo.example has a ticket for orders@demo.example']])
  vi.unstubAllEnvs()
})

/** A login without a password, which would take a while. */
async function writeLogin(): Promise<void> {
  const { loginOf } = await import('../support/logins.js')
  await realm.allow('admin2', 'orders')
  await logins.write(await loginOf(realm, 'admin2'))
}
