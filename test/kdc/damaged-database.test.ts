import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkFolder } from '../../cli/checked-data.js'
import { connect } from '../../client/connect.js'
import { DATA_FILES } from '../../kdc/data-files.js'
import { type RunningKdc, startKdc } from '../../kdc/main.js'
import { openUnreadStore } from '../../kdc/store/level/store.js'
import { RECORD_KIND } from '../../kdc/store/store.js'
import { readMasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { OrthrusError } from '../../shared/errors.js'
import { type Logger, silentLogger } from '../../shared/logger.js'
import { principalIn } from '../../shared/principal.js'
import { orthrus, spawnKdc } from '../end-to-end/processes.js'
import { type FaultRealm, makeRealm, REALM } from '../support/folder-realm.js'

/**
 * A realm whose files are whole, and whose records are not those that were committed: a KDC that was not closed in order
 * before finds that out only while it serves (`docs/operations.md`, What survives).
 */

let realm: FaultRealm
let database = ''
const kdcs: RunningKdc[] = []
beforeEach(async () => {
  realm = await makeRealm(['web', 'orders'], [['web', 'orders']])
  database = join(realm.data, DATA_FILES.DATABASE)
})
afterEach(async () => {
  for (const kdc of kdcs.splice(0)) await kdc.close()
  await realm.remove()
})

/** Changes a record behind the back of the store; the mark of the orderly end is void then. */
async function tamper(change: (stored: Buffer) => Uint8Array | undefined, name = 'web'): Promise<void> {
  const level = new Level<string, Uint8Array>(database, { valueEncoding: 'view', compression: false })
  const key = `${RECORD_KIND.PRINCIPAL}\0${principalIn(REALM, name)}`
  const changed = change(Buffer.from((await level.get(key)) as Uint8Array))
  if (changed === undefined) await level.del(key)
  else await level.put(key, changed)
  await (level as unknown as { compactRange(from: string, to: string): Promise<void> }).compactRange('', '~')
  await level.close()
}

const turnLastBit = (stored: Buffer): Buffer => {
  stored[stored.length - 1] = (stored.at(-1) as number) ^ 1
  return stored
}

const masterKey = () => readMasterKey(join(realm.data, DATA_FILES.MASTER_KEY))
const WORDS = /^the database in .*db is damaged: its records do not add up$/

async function auditLines(): Promise<{ outcome: string; reason?: string }[]> {
  const directory = join(realm.data, DATA_FILES.AUDIT)
  const files = (await readdir(directory)).filter(name => name.endsWith('.jsonl')).sort()
  const texts = await Promise.all(files.map(name => readFile(join(directory, name), 'utf8')))
  return texts
    .join('')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

describe('a KDC whose database turns out to be damaged while it serves', () => {
  it.each([
    ['a record is missing', () => tamper(() => undefined)],
    ['a record was altered', () => tamper(turnLastBit)],
  ])('because %s ends, says so everywhere, and does not serve again', async (_, harm) => {
    await harm()
    const errors: object[] = []
    const logger: Logger = { ...silentLogger, error: (fields, msg) => errors.push({ ...fields, msg }) }
    const kdc = await startKdc({ dataDirectory: realm.data, listen: { port: 0 }, logger, metrics: true })
    kdcs.push(kdc)
    const damage = await kdc.damaged
    expect(damage.reason).toMatch(WORDS)
    expect(errors).toContainEqual({
      msg: 'the KDC ends, because its database is damaged',
      reason: damage.reason,
      hint: expect.stringContaining('restore it from a backup'),
    })
    expect(await auditLines()).toContainEqual(
      expect.objectContaining({ outcome: 'failed', reason: damage.reason }),
    )
    const [last] = (await auditLines()).slice(-1)
    expect(last).toMatchObject({ outcome: 'noted', reason: 'ended because its database is damaged' })
    expect((await kdc.metrics()).database).toEqual({ isRead: false, isDamaged: true })
    const { ready, problems } = await kdc.readiness()
    expect(ready).toBe(false)
    expect(problems).toContainEqual(expect.objectContaining({ check: 'store', reason: damage.reason }))
    expect(await kdc.canServe()).toBe(false)
    await expect(fetch(kdc.url.replace('ws:', 'http:'))).rejects.toThrow()

    for (const _again of [1, 2]) {
      await expect(startKdc({ dataDirectory: realm.data, listen: { port: 0 } })).rejects.toMatchObject({
        code: 'unavailable',
        reason: damage.reason,
      })
    }
    const checked: OrthrusError = await checkFolder(realm.data, {
      current: await masterKey(),
      previous: undefined,
    }).catch(cause => cause)
    expect(checked.reason).toBe(damage.reason)
  })

  it('refuses a record that was altered, if it is read before that', async () => {
    await tamper(turnLastBit)
    const { store, check } = await openUnreadStore(database, silentLogger)
    const vault = new Vault(store, await masterKey(), systemRandom)
    try {
      await expect(vault.read(RECORD_KIND.PRINCIPAL, principalIn(REALM, 'web'))).rejects.toMatchObject({
        code: 'unavailable',
        reason: expect.stringMatching(/does not open$/),
      })
      expect(await vault.read(RECORD_KIND.PRINCIPAL, principalIn(REALM, 'orders'))).toBeDefined()
      check.begin({ page: async () => {}, retry: async () => {} })
      expect((await check.damage).reason).toMatch(WORDS)
      await expect(vault.read(RECORD_KIND.PRINCIPAL, principalIn(REALM, 'orders'))).rejects.toMatchObject({
        reason: expect.stringMatching(WORDS),
      })
    } finally {
      await vault.close()
    }
  })

  it('goes on where all is well, counts that, and starts without a check after an orderly end', async () => {
    await rm(join(database, 'REST'))
    const told: string[] = []
    const logger: Logger = {
      ...silentLogger,
      info: (_, msg) => told.push(msg),
      warn: (_, msg) => told.push(msg),
    }
    const start = async () => {
      const kdc = await startKdc({ dataDirectory: realm.data, listen: { port: 0 }, logger, metrics: true })
      kdcs.push(kdc)
      return kdc
    }
    const kdc = await start()
    await expect.poll(async () => (await kdc.metrics()).database).toEqual({ isRead: true, isDamaged: false })
    expect(told).toContain('every record of the database was read, and is as it was written')
    await kdc.close()
    told.length = 0
    const again = await start()
    expect((await again.metrics()).database).toEqual({ isRead: true, isDamaged: false })
    expect(told.filter(line => line.includes('record'))).toEqual([])
  })

  it('keeps no more records in memory than it is told', async () => {
    const options = { dataDirectory: realm.data, listen: { port: 0 }, metrics: true }
    const kdc = await startKdc({ ...options, limits: { recordsInMemory: 1 } })
    kdcs.push(kdc)
    for (const name of ['web', 'orders']) {
      const client = await connect({ kdc: kdc.url, keytab: { text: realm.keytab(name) } })
      await client.getTgt()
      client.close()
    }
    expect((await kdc.metrics()).caches.principals).toMatchObject({ entries: 1 })
  })

  it('has a process that ends with an error, in the words of orthrus check', async () => {
    await tamper(() => undefined)
    const child = spawnKdc(realm.folder)
    let said = ''
    child.stderr.on('data', chunk => {
      said += String(chunk)
    })
    child.stdout.resume()
    const code = await new Promise(resolve => child.once('close', resolve))
    expect(code).toBe(1)
    const words = 'orthrus-data/db is damaged: its records do not add up'
    expect(said).toContain(words)
    const check = await orthrus(realm.folder, 'check')
    expect(check.code).toBe(1)
    expect(check.err).toContain(words)
  })
})
