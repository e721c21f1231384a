import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { run } from '../../cli/run.js'
import { connect } from '../../client/connect.js'
import { startKdc } from '../../kdc/main.js'
import { createMasterKey, readMasterKey } from '../../kdc/vault/master-key.js'
import { systemRandom } from '../../shared/crypto/random.js'

/** A process that dies at one of its changes of the file system: no later call gets through. */
const death = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY, calls: 0 }))

vi.mock('node:fs/promises', async original => {
  const real = await original<typeof import('node:fs/promises')>()
  const changes = ['link', 'mkdir', 'mkdtemp', 'open', 'rename', 'rm', 'unlink'] as const
  const wrapped = changes.map(name => {
    const call = async (...args: unknown[]): Promise<unknown> => {
      death.calls += 1
      if (--death.left < 0) throw Object.assign(new Error('dead'), { code: 'DEAD' })
      return await (real[name] as (...args: unknown[]) => Promise<unknown>)(...args)
    }
    return [name, call]
  })
  return { ...real, ...Object.fromEntries(wrapped) }
})

/** The quick set tries some of the steps. */
const slow = process.env.ORTHRUS_SLOW === '1'

let folder = ''
let data = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-init-'))
  data = join(folder, 'data')
})
afterEach(async () => {
  death.left = Number.POSITIVE_INFINITY
  await rm(folder, { recursive: true, force: true })
})

async function init(
  realm = 'made.example',
  where = data,
  env: Record<string, string> = {},
): Promise<{ code: number; err: string }> {
  const said: string[] = []
  const terminal = { out: () => {}, err: (text: string) => said.push(text), env }
  const code = await run(['init', realm, '--data', where], terminal)
  return { code, err: said.join('') }
}

/** The realm serves its administrator, and nothing else is left. */
async function expectRealm(): Promise<void> {
  expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'db', 'master.key'])
  const kdc = await startKdc({ dataDirectory: data, listen: { port: 0 } })
  const admin = await connect({ kdc: kdc.url, keytab: join(data, 'admin.keytab') })
  expect((await admin.getServiceTicket('kdc')).client).toBe('admin@made.example')
  admin.close()
  await kdc.close()
}

describe('orthrus init', () => {
  it('that was interrupted anywhere is finished, or begun again, by the next one', async () => {
    death.calls = 0
    expect((await init()).code).toBe(0)
    const steps = death.calls
    expect(steps).toBeGreaterThan(15)
    for (let step = 0; step < steps; step += slow ? 1 : 3) {
      await rm(data, { recursive: true, force: true })
      death.left = step
      const { code } = await init()
      death.left = Number.POSITIVE_INFINITY
      const again = await init()
      // At the last steps there is a realm already, and only what lies beside it is left to remove.
      if (again.code !== 0)
        expect([step, again.err]).toEqual([step, expect.stringContaining('has a realm already')])
      else expect([step, code]).toEqual([step, 1])
      await expectRealm()
    }
  }, 60_000)

  it('takes a master key that is kept elsewhere, interrupted anywhere too, and makes the file that is named', async () => {
    const key = join(folder, 'elsewhere.key')
    const env = { ORTHRUS_MASTER_KEY_FILE: key }
    const expectRealmOf = async (): Promise<void> => {
      expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'db'])
      const masterKey = await readMasterKey(key)
      const kdc = await startKdc({ dataDirectory: data, masterKey, listen: { port: 0 } })
      expect(kdc.realm).toBe('made.example')
      await kdc.close()
    }
    death.calls = 0
    expect((await init('made.example', data, env)).code).toBe(0)
    const steps = death.calls
    await expectRealmOf()
    const written = await readFile(key, 'utf8')
    for (let step = 0; step < steps; step += slow ? 1 : 5) {
      await rm(data, { recursive: true, force: true })
      death.left = step
      await init('made.example', data, env)
      death.left = Number.POSITIVE_INFINITY
      const again = await init('made.example', data, env)
      if (again.code !== 0) expect(again.err).toContain('has a realm already')
      await expectRealmOf()
    }
    expect(await readFile(key, 'utf8')).toBe(written)
    expect((await init('made.example', data, env)).err).toContain('has a realm already')
    await rm(key)
    await init('made.example', data, env)
    expect(await readdir(folder)).toEqual(['data'])
  }, 60_000)

  it('takes the master key of a command or a variable, and names none of what it was given', async () => {
    const key = join(folder, 'elsewhere.key')
    await createMasterKey(key, systemRandom)
    const text = (await readFile(key, 'utf8')).split('\n')[1] ?? ''
    const places = [
      { ORTHRUS_MASTER_KEY_COMMAND: `cat ${key}` },
      { ORTHRUS_MASTER_KEY_VISIBLE_IN_ENVIRONMENT: text },
    ]
    for (const [i, env] of places.entries()) {
      const where = join(folder, `data-${i}`)
      expect(await init('made.example', where, env)).toEqual({ code: 0, err: '' })
      expect((await readdir(where)).sort()).toEqual(['admin.keytab', 'db'])
      const masterKey = await readMasterKey(key)
      const kdc = await startKdc({ dataDirectory: where, masterKey, listen: { port: 0 } })
      await kdc.close()
    }
    const wrong = [
      { ORTHRUS_MASTER_KEY_COMMAND: `cat ${key} | tail` },
      { ORTHRUS_MASTER_KEY_COMMAND: text },
      { ORTHRUS_MASTER_KEY_FILE: key, ...places[1] },
    ]
    const refusals = []
    for (const env of wrong) refusals.push(await init('made.example', join(folder, 'data-3'), env))
    expect(refusals).toEqual([
      {
        code: 2,
        err: expect.stringMatching(/ORTHRUS_MASTER_KEY_COMMAND: .* No shell reads them, so \| means nothing/),
      },
      { code: 2, err: expect.stringMatching(/ORTHRUS_MASTER_KEY_COMMAND: .*and not the key/) },
      { code: 2, err: expect.stringContaining('name only one of them') },
    ])
    expect(refusals.map(({ err }) => err).join()).not.toContain(text.slice(15, 40))
  })

  it('finishes the realm that was begun, and says if it has another name', async () => {
    death.calls = 0
    await init()
    const steps = death.calls
    let others = 0
    for (let step = steps - 12; step < steps; step++) {
      await rm(data, { recursive: true, force: true })
      death.left = step
      await init()
      death.left = Number.POSITIVE_INFINITY
      const { code, err } = await init('other.example')
      if (code === 0) continue
      others += 1
      expect(err).toContain('has a realm already')
      await expectRealm()
    }
    expect(others).toBeGreaterThan(1)
  }, 60_000)

  it('touches no part of a realm whose rest may be in a backup', async () => {
    await mkdir(data)
    await writeFile(join(data, 'master.key'), '')
    expect(await init()).toEqual({
      code: 1,
      err: expect.stringMatching(
        /data has a part of a realm: .*master\.key exists .*restore what is missing/,
      ),
    })
    expect(await readdir(data)).toEqual(['master.key'])
  })

  it('ends immediately if the system makes no folders, and says why', async () => {
    await writeFile(join(folder, 'file'), '')
    const places = [join(folder, 'file', 'a', 'b'), ...(process.platform === 'linux' ? ['/proc/x/y'] : [])]
    for (const place of places) {
      expect(await init('made.example', place)).toEqual({
        code: 1,
        err: expect.stringMatching(/no realm can be made in .*: (ENOENT|ENOTDIR) \(.*--data/),
      })
    }
  })

  it('distinguishes a folder that cannot be entered from one without a realm, as orthrus kdc does', async () => {
    // Like a folder without permission, which root would not notice.
    const loop = join(folder, 'loop')
    await symlink(loop, loop)
    const terminal = { out: () => {}, err: vi.fn(), env: {} }
    expect(await run(['kdc', '--data', loop], terminal)).toBe(1)
    expect(terminal.err.mock.calls.join()).toMatch(/loop\/db cannot be looked at: ELOOP .*owner and mode/)
    expect((await init('made.example', loop)).err).toMatch(/ELOOP|EEXIST/)
  })
})
