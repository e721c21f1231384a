import { chmod, copyFile, link, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { type FaultRealm, makeRealm } from '../support/folder-realm.js'
import { runCommand } from './run-command.js'

/** `orthrus backup` and `check` against a KDC on LevelDB in this process, and against its folder. */

let realm: FaultRealm
let kdc: RunningKdc | undefined

beforeAll(async () => {
  realm = await makeRealm(['web', 'orders'], [['web', 'orders']])
  await writeFile(join(realm.folder, 'admin'), realm.keytab('admin'), { mode: 0o600 })
  await writeFile(join(realm.folder, 'web'), realm.keytab('web'), { mode: 0o600 })
  kdc = await startKdc({ dataDirectory: realm.data, listen: { port: 0 } })
})

afterAll(async () => {
  await kdc?.close()
  await realm.remove()
})

const at = (name: string) => join(realm.folder, name)

const online = (...args: string[]) =>
  runCommand(['backup', ...args, '--keytab', at('admin')], { env: { ORTHRUS_KDC: kdc?.url } })

const check = (...args: string[]) => runCommand(['check', ...args, '--data', realm.data])

describe('orthrus backup', () => {
  it('of a running KDC writes a file of mode 0600, never over another, that a check finds whole', async () => {
    const made = await online(at('one.backup'))
    expect(made).toMatchObject({ code: 0, err: '' })
    expect(made.out).toContain(`wrote ${at('one.backup')}: demo.example at `)
    expect(made.out).toContain('5 principals, 9 records in all')
    expect((await stat(at('one.backup'))).mode & 0o777).toBe(0o600)
    const before = await readFile(at('one.backup'))
    expect(await online(at('one.backup'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('exists already'),
    })
    expect(await readFile(at('one.backup'))).toEqual(before)
    expect((await readdir(realm.folder)).filter(name => name.includes('.tmp'))).toEqual([])
    const checked = await check(at('one.backup'))
    expect(checked).toMatchObject({ code: 0, err: '' })
    expect(checked.out).toContain('1 realm, 5 principal, 3 policy, 0 revocation; no fault was found')
  })

  it('has no key in it, and no name of a key', async () => {
    const bytes = await readFile(at('one.backup'), 'latin1')
    expect(bytes).toContain('web@demo.example')
    for (const name of ['web', 'orders', 'admin']) {
      const key = /orthruskey1_(\S+)/.exec(realm.keytab(name))?.[1] ?? ''
      expect(key).toHaveLength(48)
      expect(bytes).not.toContain(Buffer.from(key, 'base64url').subarray(0, 32).toString('latin1'))
    }
  })

  it('into a folder gives it a name, and keeps as many as it is told', async () => {
    await writeFile(at('web-2020.backup'), '')
    for (let i = 0; i < 3; i++) expect(await online(realm.folder, '--keep', '2')).toMatchObject({ code: 0 })
    const names = (await readdir(realm.folder)).filter(name => name.endsWith('Z.backup'))
    expect(names).toHaveLength(2)
    for (const name of names)
      expect(name).toMatch(/^demo\.example-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.backup$/)
    expect(await readdir(realm.folder)).toEqual(expect.arrayContaining(['one.backup', 'web-2020.backup']))
    expect(await online(at('x'), '--keep', '2')).toMatchObject({ code: 2 })
    expect(await online(realm.folder, '--keep', '0')).toMatchObject({ code: 2 })
  })

  it('is for administrators only, and leaves nothing where it fails', async () => {
    const args = ['backup', at('none.backup'), '--keytab', at('web')]
    const refused = await runCommand(args, { env: { ORTHRUS_KDC: kdc?.url } })
    expect(refused.code).toBe(1)
    expect((await readdir(realm.folder)).filter(name => name.startsWith('none'))).toEqual([])
    expect(await online(join(realm.folder, 'no', 'folder'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('ENOENT'),
    })
  })

  it('says how it is made without a KDC, if none answers', async () => {
    const args = ['backup', at('none.backup'), '--keytab', at('admin')]
    const { code, err } = await runCommand(args, { env: { ORTHRUS_KDC: 'ws://127.0.0.1:1' } })
    expect(code).toBe(1)
    expect(err).toContain('note: if no KDC is running, name the data folder: --data DIR')
    const rotate = ['master-key', 'rotate', '--keytab', at('admin'), '--kdc', 'ws://127.0.0.1:1']
    expect((await runCommand(rotate)).err).toContain('note: if no KDC is running, name the data folder')
  })

  it('of a folder refuses while a KDC has it open, and says what to do', async () => {
    const refused = await runCommand(['backup', at('off.backup'), '--data', realm.data])
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('is in use') })
  })
})

describe('orthrus restore', () => {
  it('makes a realm of a backup and the master key, and the rest goes on from there', async () => {
    const data = at('restored')
    expect(await runCommand(['restore', at('one.backup'), '--data', data])).toMatchObject({
      code: 1,
      err: expect.stringContaining('master.key does not exist'),
    })
    await mkdir(data, { recursive: true })
    await copyFile(join(realm.data, 'master.key'), join(data, 'master.key'))
    const made = await runCommand(['restore', at('one.backup'), '--data', data, '--new-admin-keytab'])
    expect(made).toMatchObject({ code: 0, err: '' })
    expect(made.out).toContain('every ticket from before the backup is refused')
    expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'db', 'master.key'])
    const restored = await startKdc({ dataDirectory: data, listen: { port: 0 } })
    const env = { ORTHRUS_KDC: restored.url }
    const list = (keytab: string) => runCommand(['admin', 'list', '--keytab', keytab], { env })
    expect((await list(join(data, 'admin.keytab'))).out).toContain('web@demo.example')
    expect(await list(at('admin'))).toMatchObject({ code: 1 })
    const ticket = await runCommand(['get', 'orders', '--keytab', at('web')], { env })
    expect(ticket).toMatchObject({ code: 0, err: '' })
    await restored.close()
  })

  it('writes over no database and no keytab, and refuses what is not whole before it writes anything', async () => {
    const data = at('restored')
    // As one leaves it that ended right after its database was in place. No process has this number.
    const left = join(data, 'making-999999999-Ab3')
    await mkdir(left)
    await link(join(data, 'admin.keytab'), join(left, 'admin.keytab'))
    const again = await runCommand(['restore', at('one.backup'), '--data', data])
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('has a database already') })
    expect((await readdir(data)).filter(name => name.startsWith('making-'))).toEqual([])
    const empty = at('empty')
    await mkdir(empty)
    await copyFile(join(realm.data, 'master.key'), join(empty, 'master.key'))
    const bytes = await readFile(at('one.backup'))
    bytes[200] = (bytes[200] as number) ^ 4
    await writeFile(at('flipped.backup'), bytes)
    const restore = (file: string, ...args: string[]) =>
      runCommand(['restore', at(file), '--data', empty, ...args])
    expect(await restore('flipped.backup')).toMatchObject({
      code: 1,
      err: expect.stringContaining('not whole'),
    })
    await writeFile(join(empty, 'admin.keytab'), 'mine', { mode: 0o600 })
    expect(await restore('one.backup', '--new-admin-keytab')).toMatchObject({
      code: 1,
      err: expect.stringContaining('exists already'),
    })
    expect((await readdir(empty)).sort()).toEqual(['admin.keytab', 'master.key'])
    expect(await readFile(join(empty, 'admin.keytab'), 'utf8')).toBe('mine')
  })
})

describe('orthrus check', () => {
  const treeOf = async () => {
    const all = await readdir(realm.data, { recursive: true })
    // The KDC itself writes its audit log.
    const names = all.filter(name => !name.startsWith('audit'))
    return Promise.all(
      names.sort().map(async name => {
        const { mtimeNs, ctimeNs, size } = await stat(join(realm.data, name), { bigint: true })
        return `${name} ${mtimeNs} ${ctimeNs} ${size}`
      }),
    )
  }

  it('reads the folder of a running KDC, and writes nothing there', async () => {
    const before = await treeOf()
    const checked = await check()
    expect(checked).toMatchObject({ code: 0, err: '' })
    expect(checked.out).toContain('no fault was found')
    expect(await treeOf()).toEqual(before)
  })

  it('says in words what is wrong with a file, and fails', async () => {
    const whole = await readFile(at('one.backup'))
    const cut = whole.subarray(0, -1)
    await writeFile(at('cut.backup'), cut)
    expect(await check(at('cut.backup'))).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('cut.backup is not whole: it was cut off or changed since it was made'),
    })
    await writeFile(at('text.backup'), 'hello')
    expect(await check(at('text.backup'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('no backup'),
    })
    expect(await check(at('missing.backup'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('ENOENT'),
    })
    expect(await runCommand(['check', '--data', at('nowhere')])).toMatchObject({ code: 1 })
  })

  it('of a damaged database names it, and not its copy; a whole one is backed up without a KDC', async () => {
    await kdc?.close()
    kdc = undefined
    const made = await runCommand(['backup', at('off.backup'), '--data', realm.data, '--json'])
    expect(made).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(made.out)).toMatchObject({
      realm: 'demo.example',
      counts: { principal: 5 },
      removed: [],
    })
    expect(await check(at('off.backup'))).toMatchObject({ code: 0 })
    const folder = join(realm.data, 'db')
    const log = (await readdir(folder)).find(name => /\.(log|ldb)$/.test(name)) ?? ''
    const bytes = await readFile(join(folder, log))
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
    await chmod(join(folder, log), 0o600)
    await writeFile(join(folder, log), bytes)
    const checked = await check()
    expect(checked.code).toBe(1)
    expect(checked.err).toContain(folder)
    expect(checked.err).not.toContain('orthrus-check-')
  })
})
