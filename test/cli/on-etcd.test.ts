import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { joinEtcdStore } from '../../kdc/store/etcd/store.js'
import { createMasterKey, readMasterKey } from '../../kdc/vault/master-key.js'
import { toldKeys } from '../../kdc/vault/shared-keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { type TemporaryFolder, temporaryFolder } from '../end-to-end/processes.js'
import { EtcdHouse, hasEtcd } from '../support/etcd.js'
import { runCommand } from './run-command.js'

/** The commands that open a realm on etcd themselves. */

describe.runIf(hasEtcd)('a realm on etcd', () => {
  let house: EtcdHouse
  let home: TemporaryFolder
  let round = 0
  let store = ''
  let data = ''
  beforeAll(async () => {
    house = await EtcdHouse.start()
    home = await temporaryFolder()
  })
  afterAll(async () => {
    await house?.end()
    await home?.remove()
  })
  beforeEach(() => {
    store = `${house.endpoints[0]?.replace('http:', 'etcd:')}/orthrus/r${++round}`
    data = join(home.folder, `data${round}`)
  })

  const run = (...args: string[]) => runCommand([...args, '--store', store])
  const init = (...args: string[]) => run('init', 'demo.example', '--data', data, ...args)

  it('is not served before it is made, and says how to make it', async () => {
    const early = await run('kdc', '--data', data)
    expect(early).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /master\.key does not exist.*orthrus init REALM --store etcd:.*another KDC of it/s,
      ),
    })
  })

  it('is made with its keys in the data folder, opens with them, and is made once', async () => {
    const made = await init()
    expect(made).toMatchObject({
      code: 0,
      out: expect.stringMatching(/made the realm demo.example at etcd:.*next: orthrus kdc .*--store etcd:/s),
    })
    expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'master.key'])
    expect(await run('check', '--data', data)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/demo.example, records: 1 realm, 3 principal, 1 policy.*no fault/),
    })
    const other = join(home.folder, 'other')
    const again = await run('init', 'demo.example', '--data', other)
    expect(again).toMatchObject({
      code: 1,
      err: expect.stringMatching(/has a realm already.*another place/s),
    })
    expect(await readdir(other)).toEqual([])
    expect((await init()).err).toMatch(/has a part of a realm/)
  })

  it('is made where /orthrus and its name say, if the URL names no place', async () => {
    const bare = store.replace(/\/orthrus.*/, '')
    const args = ['init', 'place.example', '--data', data, '--store', bare]
    expect((await runCommand([...args, '--json'])).out).toContain(`"store":"${bare}/orthrus/place.example"`)
    const check = (...url: string[]) => runCommand(['check', '--data', data, '--store', ...url])
    expect(await check(`${bare}/orthrus/place.example`)).toMatchObject({ code: 0 })
    expect(await check(bare)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/names the place.*orthrus\/REALM/),
    })
    expect(await check(`${bare}/orthrus/none`)).toMatchObject({ out: expect.stringMatching(/no realm/) })
  })

  it('is backed up and restored, elsewhere on etcd and into a folder, and nothing is written over', async () => {
    await init()
    const file = join(data, 'backup')
    expect(await run('backup', file, '--data', data)).toMatchObject({ code: 0 })
    expect(await run('restore', file, '--data', data)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/has a realm already/),
    })
    await rename(join(data, 'admin.keytab'), join(data, 'old.keytab'))
    store += '-restored'
    const restored = await run('restore', file, '--data', data, '--new-admin-keytab')
    expect(restored).toMatchObject({
      code: 0,
      out: expect.stringMatching(/restored demo.example .*-restored/),
    })
    expect(await readdir(data)).toContain('admin.keytab')
    expect(await run('check', '--data', data)).toMatchObject({ code: 0 })
    expect(await runCommand(['restore', file, '--data', data])).toMatchObject({ code: 0 })
    expect(await runCommand(['check', '--data', data])).toMatchObject({ code: 0 })
  })

  it('gets a new master key when all have both', async () => {
    await init()
    const [key, old] = [join(data, 'master.key'), join(data, 'old.key')]
    expect(await run('master-key', 'rotate', '--data', data)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/--previous-master-key-file/),
    })
    await rename(key, old)
    await mkdir(join(home.folder, `key${round}`))
    await runCommand(['init', 'other.example', '--data', join(home.folder, `key${round}`)])
    await rename(join(home.folder, `key${round}`, 'master.key'), key)
    const both = ['--data', data, '--previous-master-key-file', old]
    expect(await run('master-key', 'rotate', ...both)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/5 records were sealed under it/),
    })
    expect(await run('check', '--data', data)).toMatchObject({ code: 0 })
    await rename(old, key)
    expect((await run('check', '--data', data)).out).toMatch(/does not open/)
  })

  it('is served under one master key, and gets another when each KDC that runs seals under it', async () => {
    await init()
    const { env } = process
    const { etcdPlace } = await import('../../cli/store-options.js')
    const { etcdAt } = await import('../../cli/etcd-store.js')
    const place = await etcdPlace({ store }, env)
    if (place === undefined) throw new Error('no place')
    const [key, old] = [join(data, 'master.key'), join(data, 'old.key')]
    const told = toldKeys({ current: await readMasterKey(key), previous: undefined })
    await rename(key, old)
    await createMasterKey(key, systemRandom)
    const both = ['--data', data, '--previous-master-key-file', old]
    const joined = await joinEtcdStore({ etcd: await etcdAt(place, {}, env), prefix: place.prefix, told })
    try {
      expect(await run('kdc', '--data', data, '--listen', '127.0.0.1:0')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/under a master key that this one does not have.*copy master\.key/s),
      })
      for (const command of [
        ['kdc', '--listen', '127.0.0.1:0'],
        ['master-key', 'rotate'],
      ]) {
        expect(await run(...command, ...both)).toMatchObject({
          code: 1,
          err: expect.stringMatching(/does not have the master key that this one would seal.*first/s),
        })
      }
    } finally {
      await joined.close()
    }
    expect(await run('master-key', 'rotate', ...both)).toMatchObject({ code: 0 })
  })

  it('is not looked for in clear on another machine, nor with options that mean nothing there', async () => {
    const check = (...args: string[]) => runCommand(['check', '--data', data, '--store', ...args])
    await init()
    const elsewhere = 'etcd://etcd.invalid:2379/orthrus/demo.example'
    expect(await check(elsewhere)).toMatchObject({ code: 2, err: expect.stringMatching(/without TLS/) })
    expect((await check(elsewhere, '--allow-etcd-without-tls')).err).toMatch(/ENOTFOUND|EAI_AGAIN/)
    for (const [args, said] of [
      [['etcd://root:pw@127.0.0.1:2379/orthrus/r'], /without user and password/],
      [['http://127.0.0.1:2379/orthrus/r'], /etcds:\/\/HOST/],
      [['etcd://127.0.0.1:99999/orthrus/r'], /no address of etcd/],
      [[store, '--etcd-ca', 'x'], /go with etcds/],
      [[store.replace('etcd', 'etcds'), '--etcd-cert', 'x'], /both --etcd-cert FILE and --etcd-key FILE/],
      [[store, '--etcd-user', 'orthrus'], /needs its password/],
      [[store, '--etcd-password-file', 'x'], /needs --etcd-user/],
    ] as const) {
      expect((await check(...args)).err).toMatch(said)
    }
    const secret = join(data, 'password')
    await writeFile(secret, 'pw\n', { mode: 0o644 })
    const withUser = ['check', '--data', data, '--store', store, '--etcd-user', 'orthrus']
    expect((await runCommand([...withUser, '--etcd-password-file', secret])).err).toMatch(/readable|others/)
    const twice = { env: { ORTHRUS_ETCD_PASSWORD: 'pw' } }
    expect((await runCommand([...withUser, '--etcd-password-file', secret], twice)).err).toMatch(
      /leave one out/,
    )
  })

  it('is found by variables too', async () => {
    await init()
    expect(await runCommand(['check', '--data', data], { env: { ORTHRUS_STORE: store } })).toMatchObject({
      code: 0,
    })
  })

  const migrate = (from: string, to: string) => runCommand(['migrate', '--from', from, '--to', to])
  const counts = async (...args: string[]) => {
    const { out } = await runCommand(['check', '--data', data, ...args])
    return /demo.example, records: .*/.exec(out)?.[0]
  }
  const initFolder = () => runCommand(['init', 'demo.example', '--data', data])

  it('comes from a data folder and goes back into it, and is served from one of the two', async () => {
    await initFolder()
    const before = await counts()
    expect(before).toMatch(/3 principal, 1 policy, 0 revocation; no fault/)
    expect(await migrate(`level:${data}`, store)).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /moved demo.example from .*: 5 records.*db\.moved.*next: orthrus kdc .*--store/s,
      ),
    })
    expect(await counts('--store', store)).toBe(before)
    expect(await runCommand(['kdc', '--data', data])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no realm in .*moved it to etcd.*--store/s),
    })
    expect(await migrate(`level:${data}`, store)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/--to names has a realm already/),
    })
    expect(await migrate(store, `level:${data}`)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/served no more.*next: orthrus kdc --data/s),
    })
    expect(await counts()).toBe(before)
    expect(await run('kdc', '--data', data)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/no realm.*orthrus migrate moved it/s),
    })
    expect(await migrate(`level:${data}`, store)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/db\.moved.*move .* away/s),
    })
  })

  it('is moved by the next try if one ended between its two stores', async () => {
    await initFolder()
    const before = await counts()
    await rename(join(data, 'db'), join(data, 'db.moved'))
    expect(await migrate(`level:${data}`, store)).toMatchObject({ code: 0, err: '' })
    expect(await counts('--store', store)).toBe(before)
  })

  it('is not moved away under its KDCs', async () => {
    await init()
    const { env } = process
    const { etcdPlace } = await import('../../cli/store-options.js')
    const { etcdAt } = await import('../../cli/etcd-store.js')
    const place = await etcdPlace({ store }, env)
    if (place === undefined) throw new Error('no place')
    const joined = await joinEtcdStore({ etcd: await etcdAt(place, {}, env), prefix: place.prefix })
    try {
      expect(await migrate(store, `level:${data}`)).toMatchObject({
        code: 1,
        err: expect.stringMatching(/a KDC runs on the realm.*end each of them/s),
      })
      expect((await readdir(data)).sort()).toEqual(['admin.keytab', 'master.key'])
    } finally {
      await joined.close()
    }
    expect(await migrate(store, `level:${data}`)).toMatchObject({ code: 0 })
  })

  it.each([
    [['level:a', 'level:b'], /one of --from and --to is a data folder/],
    [
      ['etcd://127.0.0.1:1/orthrus/a', 'etcd://127.0.0.1:1/orthrus/b'],
      /one of --from and --to is a data folder/,
    ],
    [['/var/lib/orthrus', 'etcd://127.0.0.1:1/orthrus/b'], /Write level:DIR/],
    [['level:', 'etcd://127.0.0.1:1/orthrus/b'], /Write level:DIR/],
    [['level:a', 'etcd://root:pw@127.0.0.1:1/orthrus/b'], /without a password/],
  ] as const)('is not moved from and to %s', async ([from, to], said) => {
    expect(await migrate(from, to)).toMatchObject({ code: 2, err: expect.stringMatching(said) })
  })
})
