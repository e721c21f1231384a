import { once } from 'node:events'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { orthrus, run, spawnKdc, temporaryFolder } from './processes.js'
import { snippetsOf } from './snippets.js'

/** What docs/operations.md says of watching a KDC, with a process. */

/** The lines of the block, without what they say of themselves. */
function commands(): string[] {
  const [block, ...others] = snippetsOf('docs/operations.md').filter(({ mark }) => mark === 'watched')
  expect(others).toEqual([])
  return (block?.code ?? '').split('\n').flatMap(line => line.replace(/\s+#.*$/, '') || [])
}

it('answers what the handbook asks, and says when its master key is gone', async () => {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  expect((await orthrus(folder, 'init', 'demo.example')).code).toBe(0)
  const [start = '', ...asking] = commands()
  const options = /^orthrus kdc (--metrics) (127\.0\.0\.1):9750$/.exec(start)
  const child = spawnKdc(folder, 'orthrus-data', [], [options?.[1] ?? '', `${options?.[2]}:0`])
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const { metrics } = JSON.parse(line as string) as { metrics: string }
  const asked = async (): Promise<string[]> =>
    Promise.all(
      asking.map(async command => {
        const [, path = ''] = /^curl -s http:\/\/127\.0\.0\.1:9750(\/\w+)$/.exec(command) ?? [command]
        return `${path} ${(await run('curl', ['-s', `${metrics}${path}`], folder)).out}`
      }),
    )
  expect(await asked()).toEqual([
    expect.stringMatching(/^\/metrics # HELP .*^orthrus_kdc_disk_free_bytes \d+$.*^orthrus_kdc_ready 1$/ms),
    '/healthz {"status":"ok"}\n',
    '/readyz {"ready":true,"problems":[]}\n',
  ])
  await rename(join(folder, 'orthrus-data/master.key'), join(folder, 'away'))
  await expect.poll(async () => (await fetch(`${metrics}/readyz`)).status).toBe(503)
  const told = (await (await fetch(`${metrics}/readyz`)).json()) as { problems: { check: string }[] }
  expect(told.problems.map(({ check }) => check)).toEqual(['master_key'])
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})
