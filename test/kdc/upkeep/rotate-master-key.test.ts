import { access, link, mkdtemp, readdir, readFile, rename, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRealm } from '../../../kdc/realm/create-realm.js'
import { newPrincipal } from '../../../kdc/realm/principal.js'
import { writePrincipal } from '../../../kdc/realm/stored-principal.js'
import { openLevelStore } from '../../../kdc/store/level/store.js'
import { RECORD_KIND } from '../../../kdc/store/store.js'
import { checkRealm } from '../../../kdc/upkeep/check.js'
import { type RotationContext, rotateMasterKey } from '../../../kdc/upkeep/rotate-master-key.js'
import { createMasterKey, readMasterKey, revealMasterKey } from '../../../kdc/vault/master-key.js'
import { masterKeyFile, readMasterKeys } from '../../../kdc/vault/master-key-place.js'
import { Vault } from '../../../kdc/vault/vault.js'
import type { RotationPosition, RotationStep } from '../../../shared/administration/master-key.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { systemClock } from '../../../shared/time.js'
import { grantOf, local, login, outcome, REALM, START, testRealm } from '../../support/realm.js'

let folder = ''
let keyFile = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-master-'))
  keyFile = join(folder, 'master.key')
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const database = () => join(folder, 'db')

/** A realm on disk with some hundred principals, closed. */
async function makeData(principals: number): Promise<void> {
  const key = await createMasterKey(keyFile, systemRandom)
  const vault = new Vault(await openLevelStore(database(), { create: true }), key, systemRandom)
  await createRealm({ vault, realm: REALM, clock: systemClock, random: systemRandom })
  const records = Array.from({ length: principals }, (_, i) => {
    const own = new LongTermKey(systemRandom(32))
    return newPrincipal({ name: local(`host/${i}`), key: own, now: START, random: systemRandom })
  })
  if (records.length > 0) await vault.commit(records.map(record => writePrincipal({ version: 0, record })))
  await vault.close()
}

/** Opens what is on the disk, as a KDC that starts does. */
async function open(): Promise<Vault> {
  const { current, previous } = await readMasterKeys(keyFile)
  const store = await openLevelStore(database(), { create: false })
  return new Vault(store, current, systemRandom, { previous, place: masterKeyFile(keyFile) })
}

const change = (vault: Vault): RotationContext['change'] => {
  return async plan => {
    const { changes, result } = await plan()
    await vault.commit(changes)
    return result
  }
}

/** Goes on from the beginning, until so many steps are done. @returns the last step */
async function rotate(vault: Vault, steps = Number.POSITIVE_INFINITY): Promise<RotationStep | undefined> {
  let position: RotationPosition | null = null
  let step: RotationStep | undefined
  for (let i = 0; i < steps; i++) {
    step = await rotateMasterKey({ vault, change: change(vault) }, position)
    position = step.next
    if (position === null) return step
  }
  return step
}

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

/** All files of the database, each as a text of its bytes. */
async function files(): Promise<string[]> {
  const names = await readdir(database())
  return Promise.all(names.map(name => readFile(join(database(), name), 'latin1')))
}

const isIn = (all: readonly string[], bytes: string): boolean => all.some(file => file.includes(bytes))

async function sealedRecords(vault: Vault): Promise<string[]> {
  const snapshot = await vault.snapshot()
  const pages = await Promise.all(
    Object.values(RECORD_KIND).map(kind => snapshot.list(kind, { limit: 10_000 })),
  )
  await snapshot.close()
  return pages.flat().map(({ value }) => Buffer.from(value).toString('latin1'))
}

describe('a rotation of the master key', () => {
  it('leaves no record on the disk that the key before opens, and keeps that key until then', async () => {
    await makeData(300)
    const before = await readFile(keyFile, 'utf8')
    const vault = await open()
    const old = await sealedRecords(vault)
    expect(old.length).toBeGreaterThan(300)
    await rotate(vault, 2)
    expect(await readFile(keyFile, 'utf8')).toBe(before)
    // The search finds what is there.
    expect(isIn(await files(), old.at(-1) ?? '')).toBe(true)
    const last = await rotate(vault)
    expect(last).toEqual({ next: null, sealed: 0, kept: `${keyFile}.old` })
    const now = await files()
    expect(old.filter(value => isIn(now, value))).toEqual([])
    const fresh = await sealedRecords(vault)
    expect(fresh).toHaveLength(old.length)
    expect(fresh.filter(value => !isIn(now, value))).toEqual([])
    await vault.close()
    expect(await readFile(`${keyFile}.old`, 'utf8')).toBe(before)
    expect(await readFile(keyFile, 'utf8')).not.toBe(before)
    expect((await readdir(folder)).sort()).toEqual(['db', 'master.key', 'master.key.old'])
    const store = await openLevelStore(database(), { create: false })
    const oldKey = { current: await readMasterKey(`${keyFile}.old`), previous: undefined }
    const newKey = { current: await readMasterKey(keyFile), previous: undefined }
    expect((await checkRealm(await store.snapshot(), newKey)).found).toBe(0)
    expect((await checkRealm(await store.snapshot(), oldKey)).found).toBeGreaterThan(0)
    await store.close()
  })

  // To begin; realm; principals twice; rules; revocations; the end.
  const STEPS = 7
  const stops = process.env.ORTHRUS_SLOW === '1' ? [1, 2, 3, 4, 5, 6, STEPS] : [1, 3, 6]

  it.each(stops)('goes on after a stop behind step %d, and loses nothing', async stop => {
    await makeData(250)
    const first = await open()
    const step = await rotate(first, stop)
    await first.close()
    const isDone = stop === STEPS
    expect((await readMasterKeys(keyFile)).previous === undefined).toBe(isDone)
    expect(step?.next === null).toBe(isDone)
    const again = await open()
    if (!isDone) expect(await rotate(again)).toMatchObject({ next: null, kept: `${keyFile}.old` })
    const all = await again.listSealed(RECORD_KIND.PRINCIPAL, { limit: 1_000 })
    expect(all).toHaveLength(253)
    expect(all.every(({ under }) => under === 'current')).toBe(true)
    await again.close()
  })

  it('is finished where the files of the keys were changed by half', async () => {
    await makeData(10)
    const vault = await open()
    await rotate(vault, 5)
    // A finish that was killed behind its first step.
    await link(keyFile, `${keyFile}.old`)
    expect(await rotate(vault)).toMatchObject({ kept: `${keyFile}.old` })
    await vault.close()
    const again = await open()
    expect(again.keys.previous).toBeUndefined()
    // The next one would put its key in the place of this one.
    await expect(again.beginRotation()).rejects.toMatchObject({
      code: 'keytab_invalid',
      reason: expect.stringContaining('is still there from the last rotation'),
    })
    expect(await isThere(`${keyFile}.next`)).toBe(false)
    await again.close()
  })

  it('does not end while another key is where the one before is to be kept', async () => {
    await makeData(3)
    const before = await readFile(keyFile, 'utf8')
    const vault = await open()
    await rotate(vault, 2)
    await createMasterKey(`${keyFile}.old`, systemRandom)
    await expect(rotate(vault)).rejects.toMatchObject({
      code: 'keytab_invalid',
      reason: expect.stringContaining('has appeared since the rotation began'),
    })
    expect(await readFile(keyFile, 'utf8')).toBe(before)
    expect(vault.keys.previous).toBeDefined()
    await rename(`${keyFile}.old`, join(folder, 'moved-away'))
    expect(await rotate(vault)).toMatchObject({ kept: `${keyFile}.old` })
    expect(await readFile(`${keyFile}.old`, 'utf8')).toBe(before)
    await vault.close()
  })

  it('shows whoever reads the files meanwhile the keys of one moment', async () => {
    const bytesOf = async (name: string) => Buffer.from(revealMasterKey(await readMasterKey(name)))
    await createMasterKey(keyFile, systemRandom)
    const shown = [(await bytesOf(keyFile)).toString('hex')]
    const place = masterKeyFile(keyFile)
    let isOver = false
    const rotating = (async () => {
      for (let i = 0; i < 40; i++) {
        const [key] = shown.at(-1)?.split(' ') ?? []
        const next = Buffer.from(revealMasterKey(await place.begin(systemRandom))).toString('hex')
        shown.push(`${next} ${key}`)
        await unlink(await place.finish())
        shown.push(next)
      }
      isOver = true
    })()
    while (!isOver) {
      const first = shown.length - 1
      const { current, previous } = await readMasterKeys(keyFile)
      const read = [current, ...(previous === undefined ? [] : [previous])]
      const hex = read.map(key => Buffer.from(revealMasterKey(key)).toString('hex')).join(' ')
      // What is being done may be seen before it is noted.
      await expect.poll(() => shown.slice(first).includes(hex)).toBe(true)
    }
    await rotating
  })

  it('does not forget the key before while a record is under it, whatever the caller says', async () => {
    await makeData(250)
    const vault = await open()
    await rotate(vault, 1)
    const step = await rotateMasterKey({ vault, change: change(vault) }, ['', ''])
    expect(step.next).toEqual(['realm', ''])
    expect(vault.keys.previous).toBeDefined()
    await expect(rotateMasterKey({ vault, change: change(vault) }, ['other', ''])).rejects.toMatchObject({
      code: 'malformed',
    })
    await vault.close()
  })

  it('is refused where the key was handed over, and works with the key before beside it', async () => {
    await makeData(3)
    const store = await openLevelStore(database(), { create: false })
    const given = new Vault(store, await readMasterKey(keyFile), systemRandom)
    await expect(rotate(given)).rejects.toMatchObject({
      code: 'malformed',
      facts: { hint: expect.stringContaining('--previous-master-key-file') },
    })
    const next = await createMasterKey(join(folder, 'handed'), systemRandom)
    const both = new Vault(store, next, systemRandom, { previous: await readMasterKey(keyFile) })
    expect(await rotate(both)).toEqual({ next: null, sealed: 0, kept: null })
    expect((await checkRealm(await store.snapshot(), { current: next, previous: undefined })).found).toBe(0)
    await store.close()
  })
})

describe('a realm whose master key is changed', () => {
  it('serves and changes meanwhile, and conceals the same of names as before', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    await realm.allow('web', 'orders')
    const call = async (position: RotationPosition | null) =>
      (await realm.call('rotate-master-key', [position && [...position]]))[0] as [string, string] | null
    let position = await call(null)
    while (position !== null) {
      expect(outcome(await login(realm, web))).toBe('reply')
      expect(outcome(await login(realm, { ...web, principal: local('nobody') }))).toBe('05 auth_failed')
      await realm.add(`more-${position[0]}-${position[1].length}`)
      position = await call(position)
    }
    expect(realm.vault.keys.previous).toBeUndefined()
    expect(outcome(await login(realm, { ...web, principal: local('none') }))).toBe('05 auth_failed')
    expect(grantOf(await login(realm, web)).service).toBe(local('krbtgt'))
    const lines = realm.logger.lines.filter(({ fields }) => fields.method === 'rotate-master-key')
    expect(lines.map(({ fields }) => fields.stage)).toEqual(['begun', 'finished'])
  })
})
