import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startRealm } from '../../testing/realm.js'

const SERVICE = fileURLToPath(new URL('../../dist/service/index.js', import.meta.url))

/** Follows the KDC, closes nothing, and says by its exit code whether something kept it alive: 0 or 7. */
const SCRIPT = `
  const { loadService } = await import(process.env.SERVICE)
  const { isFollowed, ...options } = JSON.parse(process.env.ORDER)
  const service = await loadService(options)
  while (isFollowed && !service.state.ready) await new Promise(resolve => setTimeout(resolve, 5))
  setTimeout(() => process.exit(7), 60_000).unref()
`

async function exitCode(order: (url: string) => object): Promise<unknown> {
  // The clocks of the processes are the machine's, so the realm's has to be near.
  const realm = await startRealm()
  onTestFinished(() => realm.close())
  realm.clock.set(Date.now())
  await realm.add('orders')
  const ORDER = JSON.stringify({ keytab: { text: realm.keytab('orders') }, ...order(realm.kdc.url) })
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    env: { ...process.env, SERVICE, ORDER },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [code] = await once(child, 'exit')
  return code
}

describe('a process whose service follows the KDC', () => {
  it('is not kept alive by its channel', async () => {
    expect(await exitCode(kdc => ({ kdc, isFollowed: true }))).toBe(0)
  })

  it('is not kept alive by a KDC that cannot be reached', async () => {
    expect(await exitCode(() => ({ kdc: 'ws://127.0.0.1:9', isFollowed: false }))).toBe(0)
  })
})
