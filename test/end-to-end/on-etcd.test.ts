import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EtcdHouse, hasEtcd } from '../support/etcd.js'
import { orthrus, startKdc, type TemporaryFolder, temporaryFolder } from './processes.js'

/** Two KDCs of one realm on etcd, as processes, one of them by a file of settings. */

describe.runIf(hasEtcd)('two KDCs on etcd', () => {
  let house: EtcdHouse
  let home: TemporaryFolder
  beforeAll(async () => {
    house = await EtcdHouse.start()
    home = await temporaryFolder()
  })
  afterAll(async () => {
    await house?.end()
    await home?.remove()
  })

  it('serve one realm: what one is told the other knows', async () => {
    const { folder } = home
    const store = `${house.endpoints[0]?.replace('http:', 'etcd:')}/orthrus/demo.example`
    await orthrus(folder, 'init', 'demo.example', '--store', store)
    await writeFile(join(folder, 'kdc.toml'), `store = "${store}"\n`, { mode: 0o600 })
    const [one, other] = await Promise.all([
      startKdc(folder, undefined, [], ['--store', store]),
      startKdc(folder, undefined, [], ['--config', 'kdc.toml', '--audit-directory', 'audit-of-other']),
    ])
    const admin = (kdc: string, ...args: string[]) =>
      orthrus(folder, 'admin', ...args, '--kdc', kdc, '--keytab', 'orthrus-data/admin.keytab')
    expect(await admin(one.url, 'add', 'web', '--out', 'web.keytab')).toMatchObject({ code: 0 })
    expect(await admin(other.url, 'show', 'web')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/web@demo/),
    })
    expect(await Promise.all([one.end('SIGTERM'), other.end('SIGTERM')])).toEqual([0, 0])
  })
})
