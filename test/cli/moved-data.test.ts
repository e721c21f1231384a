import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { moveToFolder, takeAway } from '../../cli/moved-data.js'
import type { RangeAnswer, RangeQuestion } from '../../kdc/store/etcd/etcd.js'
import { Place } from '../../kdc/store/etcd/place.js'
import { replicaRange } from '../../kdc/store/etcd/replica-keys.js'
import { createEtcdStore } from '../../kdc/store/etcd/store.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { RECORD_KIND } from '../../kdc/store/store.js'
import { REALM_RECORD_NAME } from '../../kdc/vault/records.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { exists } from '../../shared/folder.node.js'
import { temporaryFolder } from '../end-to-end/processes.js'
import { FakeClient } from '../support/fake-etcd.js'
import { PREFIX, testCluster } from '../support/replicas.js'

/** A program that has a database open until it is told to end. */
const HOLDER = `
const { ClassicLevel } = require('classic-level')
const level = new ClassicLevel(process.argv[1])
level.open().then(() => process.stdout.write('open'))
process.stdin.on('end', () => process.exit()).resume()
`

it('a database that a KDC opens just before it is renamed is not taken away from it', async () => {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  const store = await openLevelStore(join(folder, 'db'), { create: true })
  const taken = takeAway(folder, async () => {
    await store.close()
    const holder = spawn(process.execPath, ['-e', HOLDER, join(folder, 'db')])
    onTestFinished(async () => {
      const over = once(holder, 'close')
      holder.stdin.end()
      await over
    })
    await once(holder.stdout, 'data')
  })
  await expect(taken).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('in use'),
  })
})

/** The move asks three times who runs: before it reads, and before and after it takes the realm out of etcd. */
describe('a realm that is moved back from etcd into a folder', () => {
  class AskedClient extends FakeClient {
    questions = 0
    /** Called before etcd hears who runs. */
    beforeAsked = async (_question: number): Promise<void> => {}

    override async range(question: RangeQuestion): Promise<RangeAnswer> {
      if (question.key === replicaRange(PREFIX).key) await this.beforeAsked(++this.questions)
      return await super.range(question)
    }
  }

  async function moving() {
    const { etcd, clock, masterKey } = await testCluster(0, systemRandom)
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    const client = new AskedClient(etcd, clock)
    const startKdc = () =>
      Place.take({ etcd: client, prefix: PREFIX, id: 'late', told: '', timers: clock, lost: () => {} })
    let copied = 0
    const progress = (records: number): void => {
      copied = records
    }
    const keys = { current: masterKey(), previous: undefined }
    const move = () => moveToFolder({ folder, etcd: client, prefix: PREFIX, keys, progress })
    const store = createEtcdStore({ etcd: client, prefix: PREFIX })
    const isThere = async () => (await store.get(RECORD_KIND.REALM, REALM_RECORD_NAME.REALM)) !== undefined
    return { client, startKdc, move, isThere, copied: () => copied, folder }
  }

  it.each([
    [1, 'nothing was read', { copied: 0, isThere: true }],
    [2, 'etcd still has the realm', { copied: 4, isThere: true }],
    [3, 'etcd has it no more', { copied: 4, isThere: false }],
  ] as const)(
    'is not put there when a KDC starts before question %i, but by the next try: %s',
    async (nth, _, expected) => {
      const { client, startKdc, move, isThere, copied, folder } = await moving()
      let kdc: Place | undefined
      client.beforeAsked = async question => {
        if (question === nth) kdc = await startKdc()
      }

      await expect(move()).rejects.toMatchObject({
        message: expect.stringContaining('a KDC runs on the realm on etcd: late'),
        facts: { hint: expect.stringContaining('run the command again') },
      })
      expect({ copied: copied(), isThere: await isThere() }).toEqual(expected)
      expect(await readdir(folder)).toEqual([])

      await kdc?.leave()
      expect(await move()).toMatchObject({ realm: 'demo.example', records: 5, written: 5 })
      expect([await isThere(), await exists(join(folder, 'db'))]).toEqual([false, true])
    },
  )
})
