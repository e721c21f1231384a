import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DAY, MINUTE, systemClock } from '../../shared/time.js'
import { createTestClock } from '../../testing/clock.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus admin group`, and rules with an end or a rate, against a realm in this process. */

let realm: TestRealm
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-groups-'))
  realm = await startRealm({ realm: 'demo.example', clock: createTestClock(systemClock.now()) })
  await realm.add('web', 'orders', 'billing', 'root', 'owner')
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  for (const name of ['root', 'owner'])
    await writeFile(join(folder, name), realm.keytab(name), { mode: 0o600 })
})

afterAll(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const admin = (...args: string[]) =>
  runCommand(['admin', ...args, '--keytab', join(folder, 'root')], { env: { ORTHRUS_KDC: realm.kdc.url } })

describe('admin group', () => {
  it('puts principals into a group, shows it, and takes them out', async () => {
    expect((await admin('group', 'list')).out).toContain('no group')
    expect((await admin('allow', '@backend', 'billing')).err).toContain(
      'nobody is in @backend yet; the rule counts once somebody is: orthrus admin group add backend NAME',
    )
    expect(await admin('group', 'add', 'backend', 'web', 'orders')).toEqual({
      code: 0,
      out: 'web, orders added to @backend\n',
      err: '',
    })
    expect((await admin('group', 'add', '@backend', 'web')).out).toBe('web already in @backend\n')
    expect((await admin('group', 'list')).out).toBe('@backend  orders web\n')
    expect((await admin('group', 'show', 'backend')).out).toBe('orders web\nallow  @backend  ->  billing\n')
    expect((await admin('show', 'web')).out).toMatch(/^groups +@backend$/m)
    expect((await admin('policy', 'web', 'billing')).out).toBe('allow  @backend  ->  billing\n')
    expect((await admin('group', 'remove', 'backend', 'web', 'billing', '--json')).out).toBe(
      '{"group":"@backend","removed":["web@demo.example"]}\n',
    )
    expect((await admin('policy', 'web', 'billing')).out).toContain('no rule: web gets no ticket for billing')
    expect((await admin('group', 'list', '--json')).out).toBe(
      '{"groups":{"@backend":["orders@demo.example"]}}\n',
    )
  })

  it('says what is wrong with a name', async () => {
    expect(await admin('group', 'add', 'back.end', 'web')).toMatchObject({ code: 2 })
    expect(await admin('group', 'add', 'backend', '@other')).toMatchObject({ code: 2 })
    expect((await admin('group', 'add', 'backend', 'nobody')).err).toContain('there is no principal nobody')
    expect((await admin('group', 'add', 'backend', 'kdc')).err).toContain('can be in no group')
  })
})

describe('the owner of a service', () => {
  it('says who may call it, and no more', async () => {
    await admin('allow', 'owner', 'kdc', '--claim', 'owner=orders')
    const owner = (...args: string[]) =>
      runCommand(['admin', ...args, '--keytab', join(folder, 'owner')], {
        env: { ORTHRUS_KDC: realm.kdc.url },
      })
    // Here --keytab is where a new key would go.
    const rotate = (name: string) =>
      runCommand(['admin', 'rotate', name, '--admin-keytab', join(folder, 'owner')], {
        env: { ORTHRUS_KDC: realm.kdc.url },
      })
    expect(await owner('allow', 'web', 'orders', '--claim', 'role=reader')).toEqual({
      code: 0,
      out: 'allow web -> orders role=reader\n  a new rule\n',
      err: '',
    })
    expect((await owner('policy')).out).toBe('allow  web  ->  orders  role=reader\n')
    expect((await owner('policy', 'web', 'orders')).out).toBe('allow  web  ->  orders  role=reader\n')
    const invited = await owner('invite', 'orders', '--expires', '1h')
    expect([invited.code, invited.out]).toEqual([0, expect.stringContaining('orthrusjoin1_')])
    expect((await owner('invitations')).out).toContain('orders')
    expect((await rotate('orders')).code).toBe(0)
    expect((await owner('policy', 'web', 'orders', '--forget')).out).toBe('forgotten\n')
    for (const refused of [
      await owner('allow', 'web', 'billing'),
      await owner('allow', 'owner', 'kdc', '--claim', 'role=admin'),
      await rotate('krbtgt'),
      await owner('list'),
    ])
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('not_authorized')])
    expect((await admin('allow', 'owner', 'kdc', '--claim', 'owner=kdc')).err).toContain(
      'nobody can own "kdc"',
    )
  })
})

describe('a rule', () => {
  it('has an end and a rate as they are typed, until they are taken away', async () => {
    const { out } = await admin('allow', 'web', 'orders', '--until', '2099-01-31', '--rate', '600/m')
    expect(out).toContain('allow web -> orders at most 600/m, until 2099-01-31T00:00:00.000Z')
    expect((await admin('allow', 'web', 'orders', '--no-until', '--rate', '10/s')).out).toContain(
      'changed: at most 10/s in place of at most 600/m; until 2099-01-31T00:00:00.000Z taken away',
    )
    expect((await admin('allow', 'web', 'orders', '--no-rate')).out).toContain('at most 10/s taken away')
  })

  it.each([
    [['--until', 'soon'], 'Write an end as'],
    [['--until', '2099-02-30'], 'Write an end as'],
    [['--rate', '10'], 'Write a rate as 10/s'],
    [['--rate', '0/s'], 'Write a rate as 10/s'],
    [['--rate', '5/d'], 'Write a rate as 10/s'],
  ])('is refused with %j', async (options, message) => {
    const refused = await admin('allow', 'web', 'orders', ...options)
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining(message)])
  })

  it('that ended is shown as such, decides nothing, and leaves nothing to the next one', async () => {
    await admin('allow', 'web', 'billing', '--until', '1d', '--claim', 'role=writer')
    await admin('deny', 'orders', 'billing', '--until', '1d')
    realm.clock.advance(DAY + MINUTE)
    const { out } = await admin('policy', 'web', 'billing')
    expect(out).toMatch(/^allow {2}web {2}-> {2}billing {2}role=writer, until [-0-9T:.]+Z, ended\nno rule/)
    // An ended denial is not warned of.
    expect((await admin('allow', 'orders', '*')).err).toBe('')
    expect((await admin('allow', 'web', 'billing', '--delegable')).out).toContain(
      'allow web -> billing delegable\n',
    )
  })
})
