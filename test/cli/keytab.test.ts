import { chmod, copyFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { parseKeytab } from '../../shared/keytab/keytab.js'
import { editKeytab } from '../../shared/keytab/keytab-edit.js'
import { parsePrincipal } from '../../shared/principal.js'
import { startRealm, type TestRealm } from '../../testing/realm.js'
import { runCommand } from './run-command.js'

/** `orthrus keytab show` and `refresh`. */

const WEB = parsePrincipal('web@demo.example')

let realm: TestRealm
let folder = ''
let file = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-keytab-'))
  file = join(folder, 'web.keytab')
  realm = await startRealm({ realm: 'demo.example' })
  await realm.add('web')
  await writeFile(file, realm.keytab('web'), { mode: 0o600 })
})
afterEach(async () => {
  await realm.close()
  await rm(folder, { recursive: true, force: true })
})

const keytab = (...args: string[]) => runCommand(['keytab', ...args], { env: { ORTHRUS_KDC: realm.kdc.url } })

describe('orthrus keytab refresh', () => {
  it('changes the key in place, says that other copies are of no use, and show tells the states', async () => {
    const copy = join(folder, 'copy.keytab')
    await copyFile(file, copy)
    const refreshed = await keytab('refresh', file)
    expect(refreshed).toMatchObject({ code: 0, out: 'changed the key of web@demo.example: kvno 2\n' })
    expect(refreshed.err).toMatch(/other copies .* stays in it until 20/)
    const { code, out } = await keytab('show', file)
    expect(code).toBe(0)
    expect(out).toMatch(/^principal +web@demo.example\ndue +/)
    expect(out).toMatch(/^kvno 2 +current +\d+ s old$/m)
    expect(out).toMatch(/^kvno 1 +old +opens tickets until 20\S+Z$/m)
    // The copy has only a key that the KDC has erased.
    expect(await keytab('refresh', copy)).toMatchObject({
      code: 1,
      err: expect.stringContaining('auth_failed'),
    })
  })

  it('leaves a key that is not due, if it is told so', async () => {
    const before = await readFile(file)
    expect(await keytab('refresh', file, '--if-due')).toMatchObject({
      code: 0,
      out: 'the key of web@demo.example is not due\n',
      err: '',
    })
    expect(await readFile(file)).toEqual(before)
  })

  it('answers in JSON', async () => {
    const { out } = await keytab('refresh', file, '--json')
    expect(JSON.parse(out)).toEqual({ principal: WEB, changed: true, kvno: 2 })
    const shown = JSON.parse((await keytab('show', file, '--json')).out) as { keys: object[] }
    expect(shown.keys).toMatchObject([
      { kvno: 2, state: 'current', endsAt: null },
      { kvno: 1, state: 'old', createdAt: null, endsAt: expect.any(Number) },
    ])
  })

  it('refuses a keytab that it could not replace, before it asks for a key', async () => {
    const link = join(folder, 'link.keytab')
    await symlink(file, link)
    expect(await keytab('refresh', link)).toMatchObject({
      code: 1,
      err: expect.stringContaining('symbolic link'),
    })
    expect(parseKeytab(await readFile(file, 'utf8')).map(({ kvno }) => kvno)).toEqual([1])
  })

  it('names no option that it does not have for a keytab that others can read, as show has it', async () => {
    await chmod(file, 0o640)
    const { code, err } = await keytab('refresh', file)
    expect(code).toBe(1)
    expect(err).toContain(`run: chmod 600 ${file}`)
    expect(err).not.toContain('readable-keytab')
    expect((await keytab('show', file)).err).toContain('--allow-readable-keytab')
    await chmod(file, 0o600)
  })
})

describe('orthrus keytab show', () => {
  it('tells a line that is dead, which refresh takes out', async () => {
    const dead = { principal: WEB, kvno: 7, key: new LongTermKey(systemRandom(32)) }
    await writeFile(file, editKeytab(await readFile(file, 'utf8'), { principal: WEB, add: [dead] }))
    expect((await keytab('show', file)).out).toMatch(/^kvno 7 +dead +the KDC has another key$/m)
    expect(await keytab('refresh', file, '--if-due')).toMatchObject({ code: 0 })
    expect((await keytab('show', file)).out).not.toContain('kvno 7')
  })

  it('shows no key', async () => {
    const [secret = ''] = /(?<=orthruskey1_).{20}/.exec(await readFile(file, 'utf8')) ?? []
    expect(secret).toHaveLength(20)
    for (const args of [['show'], ['show', '--json'], ['refresh']]) {
      const { out, err } = await keytab(args[0] ?? '', file, ...args.slice(1))
      expect(out + err).not.toContain(secret)
    }
  })
})
