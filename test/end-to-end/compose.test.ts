import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { connect } from '../../client/connect.js'
import { optionsOf } from '../support/command-line.js'
import { type Ended, endAtLast, root, run, startKdc, temporaryFolder } from './processes.js'

/** docker-compose.yml without an engine: what it mounts, and its scripts in folders like its volumes. */

const file = readFileSync(join(root, 'docker-compose.yml'), 'utf8')

/** The lines of a service, by their names: the file has each on a line of its own. */
function serviceOf(name: string): ReadonlyMap<string, string> {
  const [, block = ''] = new RegExp(`^  ${name}:\n((?:    .*\n)+)`, 'm').exec(file) ?? []
  return new Map([...block.matchAll(/^ {4}(\w+): (.*)$/gm)].map(([, key = '', value = '']) => [key, value]))
}

function listOf(name: string, key: string): string[] {
  return [...(serviceOf(name).get(key) ?? '').matchAll(/'([^']+)'/g)].map(([, item = '']) => item).sort()
}

describe('docker-compose.yml', () => {
  it('gives each container its own key, and only the KDC its data', () => {
    const services = [
      ...(file.split('\nservices:\n')[1]?.split('\nvolumes:\n')[0] ?? '').matchAll(/^ {2}([\w-]+):$/gm),
    ]
    const mounts = services.map(([, name = '']) => [name, listOf(name, 'volumes')])
    expect(Object.fromEntries(mounts)).toEqual({
      kdc: ['admin:/admin', 'kdc-data:/data'],
      setup: [
        'admin:/admin:ro',
        'curl-key:/keys/curl',
        'orders-key:/keys/orders',
        'shop-key:/keys/shop',
        'web-key:/keys/web',
      ],
      orders: ['orders-key:/keys/orders:ro'],
      web: ['web-key:/keys/web:ro'],
      shop: [],
      'shop-proxy': ['shop-key:/keys/shop:ro'],
      curl: [],
      'curl-proxy': ['curl-key:/keys/curl:ro'],
    })
    const declared = [...(file.split('\nvolumes:\n')[1] ?? '').matchAll(/^ {2}([\w-]+):$/gm)].map(
      ([, name]) => name,
    )
    expect(declared.sort()).toEqual(['admin', 'curl-key', 'kdc-data', 'orders-key', 'shop-key', 'web-key'])
  })

  it('publishes KDC and service to this machine, checks the health of the KDC, and does not run as root', () => {
    expect(listOf('kdc', 'ports')).toEqual(['127.0.0.1:8750:8750', '127.0.0.1:9750:9750'])
    expect(serviceOf('kdc').get('environment')).toContain("METRICS: '0.0.0.0:9750'")
    expect(listOf('orders', 'ports')).toEqual(['127.0.0.1:8080:8080'])
    expect(file).toMatch(/healthcheck:\n.*127\.0\.0\.1:8750\/health/)
    expect(file).toMatch(
      /-o node -g node \/data \/admin \/keys\/web \/keys\/orders \/keys\/shop \/keys\/curl\n +USER node\n/,
    )
  })
})

describe('the profile "proxy"', () => {
  const { services } = parse(file, { merge: true }) as { services: Record<string, Record<string, unknown>> }
  const ofProfile = Object.entries(services).filter(([, { profiles }]) => profiles !== undefined)

  it('has programs that no port publishes, as another user, and a proxy in the network of each', () => {
    expect(ofProfile.map(([name, { network_mode, user }]) => [name, network_mode, user])).toEqual([
      ['shop', undefined, '1001'],
      ['shop-proxy', 'service:shop', undefined],
      ['curl', undefined, '1001'],
      ['curl-proxy', 'service:curl', undefined],
    ])
    expect(ofProfile.flatMap(([, { ports = [] }]) => ports)).toEqual([])
  })

  it('has command lines that orthrus takes', async () => {
    const lines = ofProfile
      .map(([, { command }]) => String(command))
      .filter(line => line.startsWith('orthrus '))
    const taken = await Promise.all(lines.map(line => optionsOf(line.split(' ').slice(1))))
    expect(taken).toMatchObject([
      { listen: { host: '0.0.0.0', port: 8080 } },
      { listen: { host: '127.0.0.1', port: 8070 }, service: 'shop', onlyUser: [1001] },
    ])
  })
})

/** Ends the script that called it with -9 at its own Nth call: before it, after it, or after it with the key lost. */
const WRAPPER = `#!/bin/sh
n=$(($(cat "$STATE" 2>/dev/null || echo 0) + 1)); echo $n > "$STATE"
if [ "$DIE" = "before $n" ]; then kill -9 $PPID; exit 1; fi
if [ "$1" = kdc ]; then exec "$NODE" "$CLI" "$@"; fi
"$NODE" "$CLI" "$@"; code=$?
if [ "$DIE" = "lost $n" ]; then for last in "$@"; do :; done; rm "$last"; fi
if [ "$DIE" = "after $n" ] || [ "$DIE" = "lost $n" ]; then kill -9 $PPID; fi
exit $code
`

let folder = ''
let remove = async (): Promise<void> => {}
const at = (...names: string[]) => join(folder, ...names)
beforeEach(async () => {
  ;({ folder, remove } = await temporaryFolder())
  for (const name of ['bin', 'data', 'admin', 'keys/web', 'keys/orders', 'keys/shop', 'keys/curl']) {
    await mkdir(at(name), { recursive: true, mode: 0o700 })
  }
  await writeFile(at('bin/orthrus'), WRAPPER)
  await chmod(at('bin/orthrus'), 0o755)
})
afterEach(() => remove())

function script(name: string, env: Record<string, string>) {
  const command = endAtLast(
    spawn('sh', [join(root, 'examples/compose', name)], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: `${at('bin')}:${process.env.PATH ?? ''}`,
        NODE: process.execPath,
        CLI: join(root, 'dist/cli/orthrus.js'),
        STATE: at('calls'),
        DIE: '',
        ...env,
      },
    }),
  )
  let [out, err] = ['', '']
  command.stdout.on('data', chunk => {
    out += String(chunk)
  })
  command.stderr.on('data', chunk => {
    err += String(chunk)
  })
  const ended = once(command, 'close').then(([code]): Ended => ({ code: code as number | null, out, err }))
  return { command, ended }
}

it('its setup repeats safely, wherever it was interrupted', async () => {
  expect(
    (
      await run(
        process.execPath,
        [join(root, 'dist/cli/orthrus.js'), 'init', 'demo.example', '--data', 'data'],
        folder,
      )
    ).code,
  ).toBe(0)
  const kdc = await startKdc(folder, 'data')
  const setup = async (DIE: string) => {
    await rm(at('calls'), { force: true })
    const env = { DIE, KEYS: at('keys'), ORTHRUS_KDC: kdc.url, ORTHRUS_KEYTAB: at('data/admin.keytab') }
    return await script('setup.sh', env).ended
  }
  // The calls are: show and add of web, orders, shop and curl, and two rules; where the key was lost, remove before the add.
  const all = ['before 1', 'lost 2', 'before 5', 'lost 2', 'before 4', 'after 1']
  for (const DIE of process.env.ORTHRUS_SLOW === '1' ? all : ['lost 2', 'before 5', 'after 1']) {
    expect([DIE, (await setup(DIE)).code]).toEqual([DIE, null])
  }
  expect(await setup('')).toMatchObject({ code: 0, err: '' })
  const keys = await Promise.all(
    ['web', 'orders', 'shop', 'curl'].map(async name => (await readdir(at('keys', name))).join()),
  )
  expect(keys).toEqual(['web.keytab', 'orders.keytab', 'shop.keytab', 'curl.keytab'])
  for (const name of ['web', 'orders', 'curl']) {
    const realm = await connect({ kdc: kdc.url, keytab: at('keys', name, `${name}.keytab`) })
    if (name === 'web') expect((await realm.getServiceTicket('orders')).claims).toEqual({ role: 'reader' })
    else if (name === 'curl') await realm.getServiceTicket('shop')
    else await realm.getTgt()
    realm.close()
  }
  expect(await kdc.end('SIGTERM')).toBe(0)
})

it('its KDC starts, however its first start was interrupted, and again', async () => {
  const env = { DATA: at('data'), ADMIN: at('admin'), LISTEN: '127.0.0.1:0', METRICS: '127.0.0.1:0' }
  const first = script('kdc.sh', { ...env, DIE: 'after 1' })
  expect((await first.ended).code).toBe(null)
  await rm(at('calls'))
  // As it is left where the key is half copied, and where `init` was ended in the middle.
  await writeFile(at('admin/admin.keytab.new'), '# orthrus')
  await mkdir(at('data/init-aaaaaa'))
  let copied = ''
  for (const start of ['first', 'second', 'without its own copy']) {
    if (start === 'without its own copy') await rm(at('data/admin.keytab'))
    const { command, ended } = script('kdc.sh', env)
    const [line] = await Promise.race([
      once(createInterface({ input: command.stdout }), 'line'),
      ended.then(({ err }) => [err]),
    ])
    expect([start, line]).toEqual([
      start,
      expect.stringMatching(/^the KDC of demo\.example listens on ws:.* shows metrics on http:/),
    ])
    expect((await stat(at('admin/admin.keytab'))).mode & 0o777).toBe(0o600)
    const made = start === 'without its own copy' ? copied : readFileSync(at('data/admin.keytab'), 'utf8')
    copied = readFileSync(at('admin/admin.keytab'), 'utf8')
    expect(copied).toBe(made)
    command.kill('SIGTERM')
    expect((await ended).code).toBe(0)
  }
  expect(existsSync(at('admin/admin.keytab.new'))).toBe(false)
  await rm(at('admin/admin.keytab'))
  const { code, err } = await script('kdc.sh', env).ended
  expect({ code, err }).toMatchObject({
    code: 1,
    err: expect.stringMatching(/has a realm, but no admin\.keytab/),
  })
})
