import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../shared/time.js'
import { systemTimers } from '../../shared/timers.js'
import { startRealm } from '../../testing/index.js'
import { endAtLast, root, run, temporaryFolder } from './processes.js'

/** The programs of examples/ that no other test here runs, and that each of them is run by one. */

it('every program of examples/ is run by a test', () => {
  const folder = join(root, 'test')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const tests = files.filter(name => name.endsWith('.test.ts') && !name.endsWith('house.test.ts'))
  const texts = tests.map(name => readFileSync(join(folder, name), 'utf8'))
  const examples = readdirSync(join(root, 'examples'))
  expect(examples.length).toBeGreaterThanOrEqual(5)
  const idle = examples.filter(name => !texts.some(text => text.includes(`examples/${name}`)))
  expect(idle).toEqual([])
})

it('two-hops: a request is handed on, and what was handed on is worthless to others', async () => {
  const { code, out, err } = await run(process.execPath, ['dist/examples/two-hops/two-hops.js'], root)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain(
    'web     | got: the bill of web@demo.example: one book for web@demo.example (reader), asked for by billing@demo.example\n',
  )
  expect(out).toMatch(/^orders {2}\| .*client=web@demo\.example via=billing@demo\.example/m)
  expect(out.trim().split('\n').at(-1)).toMatch(/^stranger\| .*credential_invalid/)
})

/** Real time, as other processes have it. */
const clock = { ...systemClock, ...systemTimers, advance: () => {}, set: () => {} }

it('hello: the service knows its client, and the client its service', { timeout: 60_000 }, async () => {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  const realm = await startRealm({ clock })
  onTestFinished(() => realm.close())
  await realm.add('orders', 'web')
  await realm.allow('web', 'orders', { claims: { role: 'reader' } })
  const envOf = async (name: string) => {
    const keytab = join(folder, `${name}.keytab`)
    await writeFile(keytab, realm.keytab(name), { mode: 0o600 })
    return { ...process.env, ORTHRUS_KDC: realm.kdc.url, ORTHRUS_KEYTAB: keytab }
  }
  const program = (name: string) => join(root, 'dist/examples/hello', `${name}.js`)
  const env = { ...(await envOf('orders')), LISTEN: '127.0.0.1:0' }
  const service = endAtLast(spawn(process.execPath, [program('service')], { env, stdio: 'pipe' }))
  const exited = once(service, 'exit')
  const [line] = await once(service.stdout, 'data')
  expect(String(line)).toMatch(/^orders@test\.example listens on http:\/\/127\.0\.0\.1:\d+\n$/)
  const URL = `${/http:\S+/.exec(String(line))?.[0]}/hello`
  const client = endAtLast(
    spawn(process.execPath, [program('client')], {
      env: { ...(await envOf('web')), URL },
      stdio: 'pipe',
    }),
  )
  const [[said], [code]] = await Promise.all([once(client.stdout, 'data'), once(client, 'exit')])
  expect([String(said), code]).toEqual(['200 hello web@test.example, your role is reader\n', 0])
  service.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})
