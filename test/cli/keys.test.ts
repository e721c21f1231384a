import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseKeytab } from '../../shared/keytab/keytab.js'
import { DAY } from '../../shared/time.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** The commands for keys, and for the settings of the realm, against a realm in this process. */

let realm: TestRealm
let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-keys-'))
  realm = await startRealm({ realm: 'demo.example' })
  for (const name of ['root', 'web']) await realm.add(name)
  await realm.allow('root', 'kdc', { claims: { role: 'admin' } })
  await writeFile(join(folder, 'root'), realm.keytab('root'), { mode: 0o600 })
})

afterEach(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const admin = (...args: string[]) =>
  runCommand(['admin', ...args], {
    env: { ORTHRUS_KDC: realm.kdc.url, ORTHRUS_KEYTAB: join(folder, 'root') },
  })

describe('orthrus admin rotate', () => {
  it('asks a holder, and says what else can be done', async () => {
    const { code, out, err } = await admin('rotate', 'web')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/asked web@demo.example for a new key.*orthrus keytab refresh/)
    const due = await admin('list', '--due')
    expect(due).toMatchObject({
      code: 3,
      err: '',
      out: expect.stringMatching(/^web@demo.example +kvno 1 .*asked for/),
    })
    expect(JSON.parse((await admin('list', '--due', '--json')).out)).toMatchObject({
      due: [{ principal: 'web@demo.example', kvno: 1 }],
    })
  })

  it.each(['krbtgt', 'kdc'])('gives %s a fresh key, under which the same command goes on', async name => {
    for (const kvno of [2, 3]) {
      expect(await admin('rotate', name)).toMatchObject({
        code: 0,
        out: expect.stringContaining(`rotated ${name}@demo.example to kvno ${kvno}`),
      })
    }
  })

  it('writes a fresh key after a theft, for its owner only, and says who refuses the old one', async () => {
    const file = join(folder, 'web.new')
    const { code, out, err } = await admin('rotate', 'web', '--keytab', file, '--wait', '1s')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/replaced the key of web@demo.example: kvno 2 is in .*web.new.*; no service follows/)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const [entry] = parseKeytab(await readFile(file, 'utf8'))
    expect(entry).toMatchObject({ principal: 'web@demo.example', kvno: 2 })
    expect(out).not.toContain('orthruskey1_')
    const got = await runCommand(['get', 'kdc', '--keytab', file, '--kdc', realm.kdc.url])
    expect(got).toMatchObject({ code: 0, err: '' })
  })

  it.each([
    ['a file that exists, such as the administrator keytab', 'root', /--admin-keytab/],
    ['a file in a folder that does not exist', 'none/web', /--admin-keytab/],
  ])('changes nothing with %s', async (_, name, hint) => {
    const before = await readFile(join(folder, 'root'), 'utf8')
    const { code, err } = await admin('rotate', 'web', '--keytab', join(folder, name))
    expect(code).toBe(1)
    expect(err).toMatch(hint)
    expect(await readFile(join(folder, 'root'), 'utf8')).toBe(before)
    expect((await admin('show', 'web')).out).toMatch(/kvno 1, the current one since /)
  })

  it('says so if the principal is disabled, which a new key does not change', async () => {
    await admin('disable', 'web')
    const rotate = (file: string, ...more: string[]) =>
      admin('rotate', 'web', '--keytab', join(folder, file), ...more)
    const { code, out, err } = await rotate('web.new')
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('replaced the key of web') })
    expect(err).toMatch(/warning: web is disabled.*orthrus admin enable web/)
    expect(JSON.parse((await rotate('web.newer', '--json')).err)).toMatchObject({
      warning: expect.stringContaining('web is disabled'),
    })
    await admin('enable', 'web')
    expect((await rotate('web.newest')).err).toBe('')
  })

  it('prints no key', async () => {
    expect(await admin('rotate', 'web', '--keytab', '-')).toMatchObject({ code: 2 })
    expect((await admin('show', 'web')).out).toMatch(/kvno 1, the current one since /)
  })

  it('takes the key of the administrator from --admin-keytab', async () => {
    const args = ['admin', 'rotate', 'web', '--admin-keytab', join(folder, 'root'), '--kdc', realm.kdc.url]
    expect(await runCommand(args)).toMatchObject({ code: 0 })
  })
})

describe('orthrus admin list --due', () => {
  it('is silent, with exit code 0, while nothing is due', async () => {
    expect(await admin('list', '--due')).toEqual({ code: 0, out: '', err: '' })
  })

  it('fails with another code than what is due', async () => {
    const { code } = await runCommand(['admin', 'list', '--due', '--keytab', join(folder, 'none')], {
      env: { ORTHRUS_KDC: realm.kdc.url },
    })
    expect(code).toBe(1)
  })
})

describe('orthrus admin realm', () => {
  it('shows the settings, and changes those that are given', async () => {
    expect((await admin('realm')).out).toMatch(/^longest ticket for a service +1h$/m)
    const changed = await admin(
      'realm',
      '--max-service-life',
      '30m',
      '--rotate-kdc',
      'never',
      '--rotate-principals',
      '90d',
    )
    expect(changed).toMatchObject({ code: 0, err: '' })
    expect(changed.out).toMatch(/^longest ticket for a service +30m$/m)
    expect(changed.out).toMatch(/^key of kdc changes after +never$/m)
    expect(JSON.parse((await admin('realm', '--json')).out)).toMatchObject({
      maxServiceLife: 1_800_000,
      rotation: { krbtgt: 30 * DAY, kdc: null, principals: 90 * DAY },
    })
  })

  it('lets the realm survive an outage, says what that costs, and takes it back', async () => {
    const changed = await admin('realm', '--survive', '24h')
    expect(changed).toMatchObject({ code: 0, err: '' })
    expect(changed.out).toMatch(/^survives without a KDC +1d$/m)
    expect(changed.out).toMatch(/^longest ticket for a service +36h$/m)
    expect(changed.out).toMatch(/accepted by services that follow the KDC for up to 1d, .* up to\s+36h/)
    expect((await admin('realm')).out).not.toContain('The price')
    const json = await admin('realm', '--survive', '2h', '--json')
    expect(JSON.parse(json.out)).toMatchObject({ survive: 7_200_000 })
    const back = await admin('realm', '--survive', 'none')
    expect(back.out).toMatch(/^survives without a KDC +not set$/m)
    expect(back.out).not.toContain('The price')
  })

  it.each([
    [['--survive', '31d'], 1, /at most 30 days/],
    [['--survive', 'long'], 2, /24h, or none/],
    [['--survive', '24h', '--max-service-life', '1h'], 1, /maxServiceLife is at least 2160 min/],
    [['--max-tgt-life', '1s'], 1, /maxTgtLife is at least 1 min/],
    [['--rotate-krbtgt', '1h'], 1, /a day old/],
    [['--rotate-krbtgt', 'often'], 2, /30d, or never/],
  ] as const)('refuses %j', async (args, expected, message) => {
    const { code, err } = await admin('realm', ...args)
    expect([code, err]).toEqual([expected, expect.stringMatching(message)])
  })
})
