import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { kdcsForOthers } from '../../cli/connection.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { amendRecord, readRecord } from '../support/records.js'
import { type SharedRealm, startSharedRealm } from '../support/shared-realm.js'
import { runCommand } from './run-command.js'

/** Where commands look for KDCs, and what `orthrus doctor` says of several. */

let realm: SharedRealm
let keytab = ''
let folder = ''

beforeEach(async () => {
  realm = await startSharedRealm(2)
  folder = await mkdtemp(join(tmpdir(), 'orthrus-named-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  keytab = join(folder, 'web.keytab')
  const { text } = await realm.add('web')
  await realm.add('orders')
  await realm.allow('web', 'orders')
  await write(text)
})

async function write(text: string): Promise<void> {
  await writeFile(keytab, text, { mode: 0o600 })
}

/** The keytab with this line before its key. */
async function named(list: string): Promise<void> {
  await write((await readFile(keytab, 'utf8')).replace(/\n(# kdc.*\n)?/, `\n# kdc ${list}\n`))
}

const NOWHERE = 'ws://127.0.0.1:1'
const get = (words: readonly string[] = [], env: Record<string, string> = {}) =>
  runCommand(['get', 'orders', '--keytab', keytab, ...words], { env })

describe('orthrus admin why --id', () => {
  const why = (id: string, kdcs: readonly string[], ...words: string[]) =>
    runCommand(['admin', 'why', '--id', id, '--keytab', keytab, '--kdc', kdcs.join(','), ...words])

  it('asks each KDC that is named, and says which one refused', async () => {
    const [a = '', b = ''] = realm.urls
    const refused = await runCommand(['get', 'nothing', '--keytab', keytab, '--kdc', b])
    const id = /why --id ([0-9a-f]{12})/.exec(refused.err)?.[1] ?? ''
    expect((await why(id, [a])).err).toMatch(/this KDC tells you of no refusal.*name all with --kdc/s)
    const { code, out } = await why(id, [NOWHERE, a, b])
    expect(code).toBe(0)
    expect(out).toMatch(new RegExp(`^${id}: a ticket of web for nothing was refused`))
    expect(out).toMatch(new RegExp(`^KDC +${b}/?$`, 'm'))
    expect(JSON.parse((await why(id, [a, b], '--json')).out).refusals).toMatchObject([{ id, kdc: b }])
  })

  it('says of each what it was asked in vain', async () => {
    const [a = '', b = ''] = realm.urls
    const { code, err } = await why('0123456789ab', [a, NOWHERE, b])
    expect(code).toBe(1)
    expect(err).toContain('none of these 3 KDCs tells you of a refusal 0123456789ab')
    expect(err).toContain(`${a}: it has no audit log to look in`)
    expect(err).toMatch(new RegExp(`${NOWHERE}: it did not answer: .*ECONNREFUSED`))
  })
})

describe('a command finds the KDC', () => {
  it('by --kdc, else ORTHRUS_KDC, else its keytab', async () => {
    const [url = ''] = realm.urls
    expect((await get(['--kdc', url], { ORTHRUS_KDC: NOWHERE })).code).toBe(0)
    expect((await get([], { ORTHRUS_KDC: NOWHERE })).err).toContain(NOWHERE)
    await named(NOWHERE)
    expect((await get([], { ORTHRUS_KDC: url })).code).toBe(0)
    expect((await get()).err).toContain(NOWHERE)
    await named(url)
    expect((await get()).code).toBe(0)
    expect((await get([], { ORTHRUS_KDC: '' })).code).toBe(0)
  })

  it('among several, with commas or repeated, whichever of them is there', async () => {
    const [, url = ''] = realm.urls
    expect((await get(['--kdc', `${NOWHERE},${url}`])).code).toBe(0)
    expect((await get(['--kdc', NOWHERE, '--kdc', url])).code).toBe(0)
    expect((await get([], { ORTHRUS_KDC: `${NOWHERE}, ${url}` })).code).toBe(0)
    await named(`${NOWHERE},${url}`)
    expect((await get()).code).toBe(0)
  })

  it('and refuses what is none, by where it stands, and a line only where it is needed', async () => {
    const [url = ''] = realm.urls
    expect(await get(['--kdc', `${url},kdc:8750`])).toMatchObject({ code: 2 })
    expect((await get([], { ORTHRUS_KDC: `${url},` })).err).toContain('ORTHRUS_KDC is not the URL of a KDC')
    await named('is in room 5')
    expect((await get()).err).toContain('line 2 of')
    expect((await get(['--kdc', url])).code).toBe(0)
  })

  it('and shows those of a keytab, without a password in them, and keeps them as its key changes', async () => {
    const [url = ''] = realm.urls
    const secret = url.replace('ws://', 'ws://me:secret@')
    await named(secret)
    const { out } = await runCommand(['keytab', 'show', keytab])
    expect(out).toContain(url.slice(5))
    expect(out).not.toContain('secret')
    expect((await runCommand(['keytab', 'refresh', keytab])).code).toBe(0)
    expect(await readFile(keytab, 'utf8')).toContain(`\n# kdc ${secret}\n`)
  })

  it('and hands those on that another host can use', () => {
    expect(kdcsForOthers(['wss://a.example', 'wss://b.example'])).toEqual([
      'wss://a.example',
      'wss://b.example',
    ])
    expect(kdcsForOthers(['wss://a.example', 'ws://127.0.0.1:8750'])).toEqual([])
  })
})

interface Told {
  readonly findings: readonly { readonly name: string; readonly state: string; readonly text: string }[]
}

async function doctor(urls: readonly string[]): Promise<{ code: number; kdcs: string[] }> {
  const words = ['doctor', '--keytab', keytab, '--json', '--kdc', urls.join(',')]
  const { code, out } = await runCommand(words)
  const { findings }: Told = JSON.parse(out)
  const kdcs = findings.filter(({ name }) => name === 'kdc').map(({ state, text }) => `${state} ${text}`)
  return { code, kdcs }
}

describe('orthrus doctor looks at each of several KDCs', () => {
  it('and says that they have the same data', async () => {
    const [a = '', b = ''] = realm.urls
    const { kdcs, code } = await doctor([a, b])
    expect(kdcs).toEqual([`ok ${a} answers`, `ok ${b} answers, and has the same data as ${a}`])
    expect(code).toBe(0)
  })

  it('and finds one that is gone, and one that is frozen', async () => {
    const [a = ''] = realm.urls
    const frozen = createServer(() => {})
    await new Promise<void>(resolve => frozen.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void frozen.close())
    const url = `ws://127.0.0.1:${(frozen.address() as AddressInfo).port}`
    const { kdcs, code } = await doctor([NOWHERE, url, a])
    expect(kdcs[0]).toMatch(/^wrong .*127\.0\.0\.1:1 cannot be reached: nothing listens there/)
    expect(kdcs[1]).toMatch(/^wrong .*no answer within 2000 ms/)
    expect(kdcs[2]).toBe(`ok ${a} answers`)
    expect(code).toBe(1)
  })

  it('and finds one of another realm', async () => {
    const [a = ''] = realm.urls
    const [other = ''] = (await startSharedRealm(1)).urls
    for (const urls of [
      [a, other],
      [other, a],
    ]) {
      const { kdcs } = await doctor(urls)
      expect(kdcs).toContain(`ok ${a} answers`)
      expect(kdcs).toContain(
        `wrong ${other} refuses, without proof, the key that ${a} takes: it is of another realm, or has other data`,
      )
    }
  })

  it('and finds a copy of the realm with keys of its own', async () => {
    const [a = ''] = realm.urls
    const copy = await startSharedRealm(1)
    const { entry } = await copy.add('web')
    const { keys } = await readRecord(realm.vault, entry.principal)
    await amendRecord(copy.vault, entry.principal, record => ({ ...record, keys }))
    const [other = ''] = copy.urls
    const { kdcs } = await doctor([a, other])
    expect(kdcs).toEqual([`ok ${a} answers`, `wrong ${other} refuses a ticket of ${a}: it has other data`])
    expect(formatKeytab([entry])).not.toBe(await readFile(keytab, 'utf8'))
  })
})
