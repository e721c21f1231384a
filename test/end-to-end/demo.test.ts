import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { hasEtcd } from '../support/etcd.js'
import { endAtLast, root, run } from './processes.js'

const slow = process.env.ORTHRUS_SLOW === '1'

it('the demonstration does everything that it says, and ends', async () => {
  const { code, out, err } = await run(process.execPath, ['dist/examples/demo/demo.js'], root)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  for (const told of [
    /web proved itself to orders/,
    /orders proved itself to web/,
    /replay/,
    /tampered body/,
    /fake service/,
  ]) {
    expect(out).toMatch(told)
  }
  expect(out.trim().split('\n').at(-1)).toBe('All of it happened as it should.')
})

it.runIf(slow && hasEtcd)(
  'the demonstration of several KDCs does everything that it says, and ends',
  async () => {
    const { code, out, err } = await run(process.execPath, ['dist/examples/demo/cluster.js'], root)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const told of [
      /three KDCs serve it/,
      /the KDC at \S+ is killed: \d+ calls, none failed; \d+ new tickets/,
      /which leads etcd, is killed too: \d+ calls, none failed; \d+ new tickets/,
      /both KDCs that are left refuse it/,
    ]) {
      expect(out).toMatch(told)
    }
    expect(out.trim().split('\n').at(-1)).toBe('All of it happened as it should.')
  },
)

it('the demonstration of the console serves a page of its realm until it is interrupted, and leaves nothing', async () => {
  const child = endAtLast(spawn(process.execPath, ['dist/examples/demo/console.js'], { cwd: root }))
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => (out += String(chunk)))
  child.stderr.on('data', chunk => (err += String(chunk)))
  await expect.poll(() => out).toMatch(/Ctrl-C ends it all/)
  const [url = ''] = /http:\S+/.exec(out) ?? []
  const page = await fetch(url)
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('content="demo.example"')])
  expect(out).toMatch(/name +ops\n +password +\S{12}\n/)
  const [folder = ''] = /\S+(?=\/data\/admin\.keytab)/.exec(out) ?? []
  expect(existsSync(folder)).toBe(true)
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  expect([err, existsSync(folder)]).toEqual(['', false])
})
