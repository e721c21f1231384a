import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { principalIn } from '../../shared/principal.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus admin list` and `show` against a realm in this process. */

let realm: TestRealm
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-principals-'))
  realm = await startRealm({ realm: 'demo.example' })
  await realm.add('root')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  await writeFile(join(folder, 'root'), realm.keytab('root'), { mode: 0o600 })
})

afterAll(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const admin = (...args: string[]) =>
  runCommand(['admin', ...args, '--keytab', join(folder, 'root')], { env: { ORTHRUS_KDC: realm.kdc.url } })

it('is not added with its key on standard output, nor in a file that is called -', async () => {
  expect(await admin('add', 'web', '--out', '-')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--out'),
  })
  expect((await admin('list')).out).not.toContain('web@')
})

describe('a principal whose times are outside the calendar', () => {
  const last = Number.MAX_SAFE_INTEGER
  beforeAll(async () => {
    const principal = principalIn(realm.kdc.realm, 'far')
    const limits = { expiresAt: last, maxLife: last, maxRenew: last }
    await realm.administration.add({ principal, password: null, ...limits })
  })

  it('is listed with the others', async () => {
    const { code, out, err } = await admin('list')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(
      new RegExp(`^far@demo.example +kvno 1 +key +expires ${last} +since 2\\d{3}-\\S+Z$`, 'm'),
    )
    expect(out).toMatch(/^root@demo.example/m)
  })

  it('is shown', async () => {
    expect(await admin('show', 'far')).toMatchObject({
      code: 0,
      out: expect.stringContaining(`expires ${last}`),
    })
    expect((await admin('show', 'far')).out).toMatch(/^keys +kvno 1, the current one since 2\d{3}-\S+Z$/m)
  })
})

describe('a principal that has an end', () => {
  it('is expired by the clock of the KDC, which stands in another year than that of this machine', async () => {
    const now = realm.clock.now()
    for (const [name, expiresAt] of [
      ['past', now + 1_000],
      ['to-come', now + 60_000],
    ] as const) {
      const principal = principalIn(realm.kdc.realm, name)
      await realm.administration.add({ principal, password: null, expiresAt, maxLife: null, maxRenew: null })
    }
    realm.clock.advance(1_000)
    const { out } = await admin('list')
    expect(out).toMatch(/^past@demo.example +kvno 1 +key +expired /m)
    expect(out).toMatch(/^to-come@demo.example +kvno 1 +key +expires /m)
    expect((await admin('show', 'past')).out).toMatch(/^state +expired /m)
    expect((await admin('show', 'to-come')).out).toMatch(/^state +expires /m)
  })
})
