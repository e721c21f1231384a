import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../shared/time.js'
import { systemTimers } from '../../shared/timers.js'
import { startRealm } from '../../testing/index.js'
import { endAtLast, root, temporaryFolder } from './processes.js'

/** The chat of examples/chat: one process for the service, and one for each person. */

/** Real time, as other processes have it. */
const clock = { ...systemClock, ...systemTimers, advance: () => {}, set: () => {} }

function start(name: string, args: string[], env: object) {
  const file = join(root, 'dist/examples/chat', `${name}.js`)
  const child = spawn(process.execPath, [file, ...args], { env: { ...process.env, ...env } })
  endAtLast(child)
  const out: string[] = []
  const errors: string[] = []
  child.stdout.on('data', chunk => out.push(...String(chunk).trim().split('\n')))
  child.stderr.on('data', chunk => errors.push(String(chunk)))
  return { child, exited: once(child, 'exit'), out, errors }
}

it('tells everybody in a room what the others say, and who says it', { timeout: 60_000 }, async () => {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  const realm = await startRealm({ clock })
  onTestFinished(() => realm.close())
  await realm.add('chat', 'web', 'ann')
  const keytabs = new Map<string, string>()
  for (const name of ['chat', 'web', 'ann']) {
    keytabs.set(name, join(folder, `${name}.keytab`))
    await writeFile(keytabs.get(name) ?? '', realm.keytab(name), { mode: 0o600 })
  }
  await realm.allow('web', 'chat')
  await realm.allow('ann', 'chat')
  const env = (name: string) => ({ ORTHRUS_KDC: realm.kdc.url, ORTHRUS_KEYTAB: keytabs.get(name) })
  const chat = start('service', [], { ...env('chat'), LISTEN: '127.0.0.1:0' })
  await expect.poll(() => chat.out[0]).toMatch(/listens on ws:/)
  const URL = /ws:\S+/.exec(chat.out[0] ?? '')?.[0]
  const ann = start('client', [], { ...env('ann'), URL })
  await expect.poll(() => ann.out).toEqual(['ann@test.example came'])
  const web = start('client', [], { ...env('web'), URL })
  await expect.poll(() => ann.out.at(-1)).toBe('web@test.example came')
  web.child.stdin.write('hello\n')
  await expect.poll(() => ann.out.at(-1)).toBe('web@test.example said: hello')
  await expect.poll(() => web.out).toEqual(['web@test.example came', 'web@test.example said: hello'])
  web.child.stdin.end()
  expect(await web.exited).toEqual([0, null])
  await expect.poll(() => ann.out.at(-1)).toBe('web@test.example left')
  chat.child.kill('SIGTERM')
  expect(await chat.exited).toEqual([0, null])
  // Its room was cut off, and did not just end.
  await ann.exited
  expect(ann.errors.join('')).toContain('channel_broken')
})
