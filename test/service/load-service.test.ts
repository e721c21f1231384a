import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { LoadServiceOptions } from '../../service/index.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { parsePrincipal } from '../../shared/principal.js'
import { loadService } from '../support/load-service.js'
import {
  BILLING,
  billingKey,
  expectProved,
  expectRefused,
  keytab,
  ORDERS,
  ordersKey,
  startRealm,
} from './realm.js'

const one = { text: formatKeytab([{ principal: BILLING, kvno: 7, key: billingKey }]) }

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'orthrus-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

async function fileOf(text: string, mode = 0o600): Promise<string> {
  const path = join(await folder(), 'orders.keytab')
  await writeFile(path, text)
  await chmod(path, mode)
  return path
}

describe('the principal', () => {
  it.each([
    ['the only one', { keytab: one }, 'billing@demo.example', [7]],
    ['by short name', { keytab, service: 'orders' }, 'orders@demo.example', [3, 2]],
    ['by full name', { keytab, service: 'billing@demo.example' }, 'billing@demo.example', [1]],
  ])('%s', async (_, options, principal, kvnos) => {
    const service = await loadService(options)
    expect(service).toMatchObject({ principal, realm: 'demo.example', kvnos })
  })

  it.each([
    ['left out where there are several', {}],
    ['that the keytab does not have', { service: 'web' }],
    ['of another realm', { service: 'orders@other.example' }],
  ])('%s: keytab_invalid', async (_, options) => {
    await expect(loadService({ keytab, ...options })).rejects.toMatchObject({ code: 'keytab_invalid' })
  })

  it('by short name is a TypeError if the keytab has several realms', async () => {
    const other = { principal: parsePrincipal('orders@other.example'), kvno: 1, key: ordersKey }
    const text = formatKeytab([{ principal: ORDERS, kvno: 1, key: ordersKey }, other])
    await expect(loadService({ keytab: { text }, service: 'orders' })).rejects.toThrow(TypeError)
    expect((await loadService({ keytab: { text }, service: 'orders@other.example' })).realm).toBe(
      'other.example',
    )
  })

  it.each(['krbtgt', 'kdc'])("%s is the KDC's own: TypeError", async name => {
    const text = formatKeytab([
      { principal: parsePrincipal(`${name}@demo.example`), kvno: 1, key: ordersKey },
    ])
    await expect(loadService({ keytab: { text } })).rejects.toThrow(TypeError)
  })

  it.each(['Orders', 'orders@', 'a b', ''])('%j is no name: TypeError', async service => {
    await expect(loadService({ keytab, service })).rejects.toThrow(TypeError)
  })
})

describe('the keytab', () => {
  it('from a file', async () => {
    const service = await loadService({ keytab: await fileOf(one.text) })
    expect(service.principal).toBe(BILLING)
  })

  it.each([0o640, 0o604])('with mode %o is refused unless told otherwise', async mode => {
    const path = await fileOf(one.text, mode)
    await expect(loadService({ keytab: path })).rejects.toMatchObject({ code: 'keytab_invalid' })
    expect((await loadService({ keytab: path, allowReadableKeytab: true })).principal).toBe(BILLING)
  })

  it.each([0o660, 0o606])('with mode %o is refused: whoever writes it chooses the key', async mode => {
    const keytab = await fileOf(one.text, mode)
    const loading = loadService({ keytab, allowReadableKeytab: true })
    await expect(loading).rejects.toMatchObject({ code: 'keytab_invalid' })
  })

  it('that is a symbolic link, missing, cut off or altered is refused', async () => {
    const link = join(await folder(), 'link')
    await symlink(await fileOf(one.text), link)
    const altered = one.text.replace('billing', 'killing')
    const keytabs = [link, join(await folder(), 'none'), { text: one.text.slice(0, -9) }, { text: altered }]
    for (const refused of keytabs) {
      await expect(loadService({ keytab: refused })).rejects.toMatchObject({ code: 'keytab_invalid' })
    }
  })

  it('whose line is altered is named by its path', async () => {
    const path = await fileOf(one.text.replace('billing', 'killing'))
    await expect(loadService({ keytab: path })).rejects.toMatchObject({
      reason: expect.stringContaining(`line 2 of the keytab ${path}: its check fails`),
    })
  })

  it.each([undefined, 7, {}])('%j is a TypeError', async wrong => {
    await expect(loadService({ keytab: wrong } as unknown as LoadServiceOptions)).rejects.toThrow(TypeError)
  })
})

describe('a loaded service', () => {
  it('accepts only tickets for its principal, under all its kvnos', async () => {
    const realm = await startRealm({ load: { service: 'billing' } })
    const own = realm.sign(
      {},
      { ticket: realm.ticket({ service: BILLING, kvno: 1, sealedWith: billingKey }) },
    )
    expectProved(await realm.send(own), own)
    const other = realm.sign()
    expectRefused(await realm.send(other), other, 'ticket_invalid', '05')
  })

  it('cannot be changed', async () => {
    const service = await loadService({ keytab: one })
    expect(Object.isFrozen(service)).toBe(true)
    expect(Object.isFrozen(service.kvnos)).toBe(true)
  })

  it.each([
    { replayCache: { maxBytes: 1 } },
    { ticketCache: { entries: 0 } },
    { ticketCache: { entries: 1.5 } },
  ])('%j: TypeError', async options => {
    await expect(loadService({ keytab: one, ...options })).rejects.toThrow(TypeError)
  })
})
