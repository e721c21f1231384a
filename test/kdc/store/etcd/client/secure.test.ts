import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createAuthority,
  createIdentity,
  type Identity,
} from '../../../../../bench/first-call/certificate.js'
import { createEtcdStore } from '../../../../../kdc/store/etcd/store.js'
import type { Store } from '../../../../../kdc/store/store.js'
import { type TemporaryFolder, temporaryFolder } from '../../../../end-to-end/processes.js'
import { EtcdHouse, hasEtcd, hasEtcdctl } from '../../../../support/etcd.js'

/** Who etcd is, and who asks it. */

const PREFIX = '/orthrus/r/'
const AS_ROOT = ['--user', 'root:root']

const asking = { key: `${PREFIX}last` }

describe.runIf(hasEtcd)('etcd over TLS', () => {
  const authority = createAuthority()
  const client = createIdentity(authority, 'orthrus')
  const ca = authority.identity.certificate
  const tls = { ca, cert: client.certificate, key: client.key }
  let home: TemporaryFolder
  let house: EtcdHouse
  beforeAll(async () => {
    home = await temporaryFolder()
    const file = (name: string, text: string): string => {
      const path = join(mkdtempSync(join(home.folder, 'tls-')), name)
      writeFileSync(path, text)
      return path
    }
    const server: Identity = createIdentity(authority, 'etcd')
    const args = [
      ...['--cert-file', file('cert.pem', server.certificate), '--key-file', file('key.pem', server.key)],
      ...['--client-cert-auth', '--trusted-ca-file', file('ca.pem', ca)],
    ]
    house = await EtcdHouse.start(1, { args, tls: true, client: { tls } })
  })
  afterAll(async () => {
    await house?.end()
    await home?.remove()
  })

  it('answers whom it knows', async () => {
    expect(await house.client({ tls }).range(asking)).toMatchObject({ found: [] })
  })

  it('is not believed under another name, or from an authority that nobody named', async () => {
    const [url = ''] = house.endpoints
    const elsewhere = url.replace('127.0.0.1', 'localhost')
    await expect(house.client({ tls, endpoints: [elsewhere] }).range(asking)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/altnames.*--etcd-ca/),
    })
    const other = createAuthority().identity.certificate
    for (const trusted of [
      { ...tls, ca: other },
      { cert: tls.cert, key: tls.key },
    ]) {
      await expect(house.client({ tls: trusted }).range(asking)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(/certificate.*--etcd-ca/),
      })
    }
  })

  it('answers nobody without a certificate, nor in clear', async () => {
    for (const options of [
      { tls: { ca } },
      { endpoints: house.endpoints.map(url => url.replace('https', 'http')) },
    ]) {
      await expect(house.client(options).range(asking)).rejects.toMatchObject({ code: 'unavailable' })
    }
  })
})

describe.runIf(hasEtcdctl)('etcd with users', () => {
  let house: EtcdHouse
  const user = { name: 'orthrus', password: 'the right one' }
  beforeAll(async () => {
    house = await EtcdHouse.start()
    await house.operate('user', 'add', 'root:root')
    await house.operate('user', 'grant-role', 'root', 'root')
    await house.operate('role', 'add', 'realm')
    await house.operate('role', 'grant-permission', 'realm', '--prefix=true', 'readwrite', '/orthrus/r/')
    await house.operate('user', 'add', `${user.name}:${user.password}`)
    await house.operate('user', 'grant-role', user.name, 'realm')
    await house.operate('auth', 'enable')
  })
  afterAll(() => house?.end())

  const ended = (etcd = house.client({ user }), key = '/orthrus/r/') =>
    new Promise<Error>(resolve => {
      etcd.watch({ key, end: `${key}~`, revision: 1 }, { events: () => undefined, ended: resolve })
    })

  it('answers who proves to be one, of what is theirs', async () => {
    const etcd = house.client({ user })
    const put = { kind: 'put', value: new Uint8Array() } as const
    await etcd.transact({ compares: [], operations: [{ ...put, key: '/orthrus/r/a' }] })
    const refused = {
      code: 'unavailable',
      message: expect.stringMatching(/permission denied.*grant-permission/),
    }
    await expect(
      etcd.transact({ compares: [], operations: [{ ...put, key: '/other' }] }),
    ).rejects.toMatchObject(refused)
    await expect(etcd.range({ key: '/orthrus/r2/a' })).rejects.toMatchObject(refused)
    expect((await ended(etcd, '/orthrus/r2/')).message).toMatch(/permission denied/)
    await etcd.range(asking)
  })

  it('is known not to be writable by one who may only read', async () => {
    await house.operate(...AS_ROOT, 'role', 'add', 'readers')
    await house.operate(...AS_ROOT, 'role', 'grant-permission', 'readers', '--prefix=true', 'read', PREFIX)
    await house.operate(...AS_ROOT, 'user', 'add', `reader:${user.password}`)
    await house.operate(...AS_ROOT, 'user', 'grant-role', 'reader', 'readers')
    const stores = [user, { ...user, name: 'reader' }].map(one =>
      createEtcdStore({ etcd: house.client({ user: one }), prefix: PREFIX }),
    )
    const [writable, readable] = stores as [Store, Store]
    await writable.requireWritable?.()
    expect(await readable.get('principal', 'a')).toBeUndefined()
    await expect(readable.requireWritable?.()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/permission denied.*grant-permission/),
    })
  })

  it('answers nobody with a wrong password, of another name, or without one', async () => {
    for (const [wrong, said] of [
      [{ ...user, password: 'the wrong one' }, /authentication failed.*ORTHRUS_ETCD_PASSWORD/],
      [{ ...user, name: 'nobody' }, /authentication failed/],
      [undefined, /user name is empty.*--etcd-user/],
    ] as const) {
      const failure = await house
        .client({ user: wrong })
        .range(asking)
        .catch((cause: Error) => cause)
      expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringMatching(said) })
      expect(JSON.stringify(failure) + String((failure as Error).stack)).not.toContain('the wrong one')
    }
  })

  it('is logged in to again when the token has ended, for a call and for a watch', async () => {
    const [calling, watching] = [house.client({ user }), house.client({ user })]
    const { revision } = await calling.range(asking)
    await watching.range(asking)
    // It forgets all tokens then.
    await house.operate('auth', 'disable', '--user', 'root:root')
    await house.operate('auth', 'enable')
    expect((await calling.range(asking)).revision).toBe(revision)
    expect((await ended(watching)).message).toMatch(/token|permission|auth/)
    const heard = new Promise<number>(resolve => {
      const listener = {
        events: resolve,
        ended: (cause: Error) => resolve(Number.NaN * cause.message.length),
      }
      watching.watch({ key: '/orthrus/r/', end: '/orthrus/r0', revision }, listener)
    })
    expect(await heard).toBe(revision)
  })
})
