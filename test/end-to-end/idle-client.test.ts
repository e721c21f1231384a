import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startRealm } from '../../testing/realm.js'

const CLIENT = fileURLToPath(new URL('../../dist/client/index.js', import.meta.url))

/** Gets a ticket, closes nothing, and says by its exit code whether something kept it alive: 0 or 7. */
const SCRIPT = `
  const { connect } = await import(process.env.CLIENT)
  const { kdc, text, ...options } = JSON.parse(process.env.ORDER)
  const realm = await connect({ kdc, keytab: { text }, ...options })
  await realm.getServiceTicket('orders')
  setTimeout(() => process.exit(7), options.keepProcessAlive ? 1 : 60_000).unref()
`

async function exitCode(options: object): Promise<unknown> {
  // The clocks of the processes are the machine's, so the realm's has to be near.
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  realm.clock.set(Date.now())
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders')
  const order = JSON.stringify({ kdc: realm.kdc.url, text: realm.keytab('web'), ...options })
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    env: { ...process.env, CLIENT, ORDER: order },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [code] = await once(child, 'exit')
  return code
}

describe('a process whose realm is idle', () => {
  it('ends when its work has ended', async () => {
    expect(await exitCode({})).toBe(0)
  })

  it('goes on if it asked for that', async () => {
    expect(await exitCode({ keepProcessAlive: true })).toBe(7)
  })
})
