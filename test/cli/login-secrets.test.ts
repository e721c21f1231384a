import { readFile, writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { expect, it, onTestFinished, vi } from 'vitest'
import { connect } from '../../client/connect.js'
import { LoginFolder } from '../../client/kept-login/login-files.node.js'
import { revealKey } from '../../shared/crypto/keys.js'
import { parsePrincipal } from '../../shared/principal.js'
import { systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm } from '../../testing/index.js'
import { TestLogger } from '../support/logger.js'
import { temporaryLogins } from '../support/logins.js'
import { runCommand } from './run-command.js'

/** A day of a person's, with everything written down that anybody could read of it, and looked through for the secrets of it. */

const ANN = parsePrincipal('ann@demo.example')
const PASSWORD = 'the canary sings at dawn'

/** A secret as it might be written. */
function spellings(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes)
  return [
    buffer.toString('hex'),
    buffer.toString('base64').replace(/=+$/, ''),
    buffer.toString('base64url'),
    buffer.toString('latin1'),
    [...bytes].join(','),
    [...bytes].join(', '),
  ]
}

it('no secret of a login shows in what a command, a program or an error says', async () => {
  const realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  onTestFinished(() => realm.close())
  await realm.add('root', 'orders', 'billing')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  const { folder } = await temporaryLogins()
  const keytab = `${folder}.keytab`
  await writeFile(keytab, realm.keytab('root'), { mode: 0o600 })
  const said: string[] = []
  const run = async (...args: string[]): Promise<void> => {
    const input = Object.assign(Readable.from([`${PASSWORD}\n`]), { isTTY: false })
    vi.spyOn(process, 'stdin', 'get').mockReturnValue(input as never)
    const env = { ORTHRUS_KDC: realm.kdc.url, ORTHRUS_LOGINS: folder }
    const { out, err } = await runCommand(args, { env })
    said.push(out, err)
  }
  await run('admin', 'add', 'ann', '--password', '--keytab', keytab)
  await run('admin', 'allow', 'ann', 'orders', '--keytab', keytab)
  await run('login', 'ann@demo.example', '--password-stdin')
  await run('login', 'ann@demo.example', '--password-stdin', '--json')
  const logins = new LoginFolder(folder)
  const file = logins.pathOf(ANN)
  const secrets: Uint8Array[] = []
  const learn = async (): Promise<void> => {
    const { tgt, tickets } = await logins.read(ANN)
    for (const grant of [tgt, ...tickets.map(each => each.grant)])
      secrets.push(revealKey(grant.key), grant.ticket.subarray(-32))
  }
  for (const json of [[], ['--json']]) {
    await run('get', 'orders', 'billing', ...json)
    await run('tickets', ...json)
    await run('inspect', file, ...json)
    await run('inspect', await readFile(file, 'utf8'), ...json)
    await run('admin', 'list', ...json)
    await run('login', 'ann', '--password-stdin', '--kdc', 'ws://127.0.0.1:1', ...json)
    await run('call', 'http://127.0.0.1:1/', '--service', 'orders', ...json)
  }
  await learn()
  expect(secrets.length).toBeGreaterThan(3)
  const logger = new TestLogger()
  const program = await connect({ login: true, loginFolder: folder, logger, clock: realm.clock })
  const ticket = await program.getServiceTicket('orders')
  const failure = await program.getServiceTicket('billing').catch((cause: unknown) => cause)
  for (const each of [program, ticket, failure, await logins.read(ANN), logins])
    said.push(inspect(each, { depth: 20, showHidden: true }), JSON.stringify(each) ?? '', String(each))
  said.push(JSON.stringify(logger.lines))
  program.close()
  const text = await readFile(file, 'utf8')
  for (const damaged of [text.slice(0, -9), text.replace(/.{20}\n$/, '\n'), `${text}${text}`]) {
    await writeFile(file, damaged, { mode: 0o600 })
    for (const command of ['tickets', 'inspect']) {
      await run(command, ...(command === 'inspect' ? [file] : []))
      await run(command, ...(command === 'inspect' ? [damaged] : []), '--json')
    }
  }
  await writeFile(file, text, { mode: 0o600 })
  await run('logout')
  const all = said.join('\n')
  expect(all).toContain('logged in as ann@demo.example')
  for (const spelling of [PASSWORD, ...secrets.flatMap(spellings)])
    expect(all.includes(spelling), 'a secret is shown').toBe(false)
  // The file has them, so that what is looked for is what there is.
  for (const line of text.split('\n').slice(1, -1)) expect(all).not.toContain(line.slice(30, 70))
})
