import { createHash } from 'node:crypto'
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DATA_FILES } from '../../kdc/data-files.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { principalIn } from '../../shared/principal.js'
import { startKdc } from '../end-to-end/processes.js'
import { type Chance, seededChance } from '../support/chance.js'
import { administer, type FaultRealm, makeRealm, REALM } from '../support/folder-realm.js'

/**
 * Damaged files of a realm, with the command that people run (`test/kdc/store/level/store.test.ts` tries every place of
 * every file, without a process). Either nothing is missing, or the KDC does not start, says what is wrong and what to
 * do, and leaves each file unchanged.
 */

const ROUNDS = process.env.ORTHRUS_SLOW === '1' ? 60 : 2
const NAMES = Array.from({ length: 12 }, (_, i) => `p${String(i).padStart(2, '0')}`)

let realm: FaultRealm
beforeEach(async () => {
  realm = await makeRealm(NAMES.slice(0, 8))
  // Those before are in a table then, the rest in a log.
  const kdc = await startKdc(realm.folder)
  const { administration, close } = await administer(realm, kdc.url)
  for (const name of NAMES.slice(8)) {
    await administration.add({ principal: principalIn(REALM, name), password: null, ...NO_LIMITS })
  }
  close()
  await kdc.end('SIGKILL')
})
afterEach(() => realm.remove())

interface Harm {
  readonly file: string
  readonly how: 'a bit turned' | 'cut off' | 'zeros' | 'removed'
}

/** LevelDB's lock and its log for people contain nothing that matters. */
async function dataFiles(data: string): Promise<string[]> {
  const names = await readdir(join(data, DATA_FILES.DATABASE))
  return [
    ...(await readdir(data)).filter(name => name === DATA_FILES.MASTER_KEY),
    ...names.filter(name => !/^LO(?:CK|G|G\.old)$/.test(name)).map(name => join(DATA_FILES.DATABASE, name)),
  ].sort()
}

async function harm(data: string, chance: Chance): Promise<Harm> {
  const files = await dataFiles(data)
  const file = chance.pick(files as [string, ...string[]])
  const how = chance.pick<Harm['how']>(['a bit turned', 'a bit turned', 'cut off', 'zeros', 'removed'])
  const path = join(data, file)
  const place = chance.below((await stat(path)).size)
  const bytes = await readFile(path)
  if (how === 'removed') await rm(path)
  else if (how === 'cut off') await truncate(path, place)
  else if (how === 'zeros') await writeFile(path, bytes.fill(0, place, Math.min(bytes.length, place + 64)))
  else {
    bytes[place] = (bytes[place] ?? 0) ^ (1 << chance.below(8))
    await writeFile(path, bytes)
  }
  return { file, how }
}

async function digests(data: string): Promise<string[]> {
  const hash = async (file: string) =>
    createHash('sha256')
      .update(await readFile(join(data, file)))
      .digest('hex')
  return Promise.all((await dataFiles(data)).map(async file => `${file} ${await hash(file)}`))
}

/** @returns what it says if it does not start */
async function tryStart(data: string): Promise<string | undefined> {
  const kdc = await startKdc(realm.folder, data).catch((cause: Error) => cause.message)
  if (typeof kdc === 'string') return kdc
  const { administration, close } = await administer(realm, kdc.url)
  const found: string[] = []
  for await (const { principal } of administration.list()) found.push(principal)
  close()
  expect(await kdc.end('SIGTERM')).toBe(0)
  expect(found.filter(name => /^p\d/.test(name))).toEqual(NAMES.map(name => `${name}@${REALM}`))
  return undefined
}

const NEXT_STEP =
  /restore (?:it|the folder) from a backup|run: orthrus init REALM|is another orthrus kdc running|put it there from where it is kept/

describe('a KDC whose files are not as they were written', () => {
  it('starts with all its data, or says what is wrong and leaves the files as they are', async () => {
    const chance = seededChance('damage')
    let refused = 0
    for (let round = 0; round < ROUNDS; round++) {
      const data = `damaged-${round}`
      const at = join(realm.folder, data)
      await cp(realm.data, at, { recursive: true })
      const { file, how } = await harm(at, chance)
      const before = await digests(at)
      const said = await tryStart(data)
      if (said !== undefined) {
        refused += 1
        expect(said, `${file}, ${how}`).toMatch(/"code":"(?:unavailable|keytab_invalid)"/)
        expect(said, `${file}, ${how}`).toMatch(NEXT_STEP)
        // Where it was only opened on trial: nobody finds a file there.
        expect(said, `${file}, ${how}`).not.toMatch(/trial-/)
        expect(said, `${file}, ${how}`).toContain(file === DATA_FILES.MASTER_KEY ? file : join(data, 'db'))
        expect(await digests(at), `${file}, ${how}`).toEqual(before)
      }
      await rm(at, { recursive: true })
    }
    console.log(`${refused} of ${ROUNDS} damages refused`)
    expect(refused).toBeGreaterThanOrEqual(ROUNDS > 10 ? ROUNDS / 2 : 0)
  }, 600_000)
})
