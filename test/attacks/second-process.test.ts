import { describe, expect, it } from 'vitest'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { SECOND, systemClock } from '../../shared/time.js'
import { ORDERS, TestRealm } from '../service/realm.js'
import { startCluster, startProcess, startThread } from '../service/several/processes.js'
import { TestClock } from '../support/clock.js'

/** A copy of a request is brought to a second process of the same service (docs/protocol.md section 1). */

function setting() {
  const entry = { principal: ORDERS, kvno: 1, key: new LongTermKey(systemRandom(32)) }
  const keytab = { text: formatKeytab([entry]) }
  const clock = new TestClock(systemClock.now())
  const realm = new TestRealm(clock)
  /** Stamped by the clocks of processes that were told to let the seven seconds of their start pass. */
  const request = () => {
    const now = systemClock.now() + 7 * SECOND
    const ticket = realm.ticket({ kvno: 1, sealedWith: entry.key })
    return realm.sign({}, { ticket, time: now })
  }
  return { keytab, request }
}

const REFUSED = expect.objectContaining({
  code: 'unavailable',
  message: expect.stringMatching(
    /served on this machine already, by (?:process \d+|a process that does not answer)/,
  ),
})

describe.skipIf(process.platform !== 'linux')('a second process', () => {
  it('that were let in would handle a copy of what the first has handled', async () => {
    const { keytab, request } = setting()
    const [first, second] = await Promise.all([startProcess(), startProcess()])
    const serve = { keytab, allowReplayAcrossProcesses: true }
    for (const process of [first, second]) {
      await process.tell({ serve })
      await process.tell({ clock: 7 * SECOND })
    }
    const copied = request()
    expect(await first.present(copied)).toBe('handled')
    expect(await first.present(copied)).toBe('replay')
    expect(await second.present(copied)).toBe('handled')
  })

  it('is refused until the first has ended, however it ends, and then has the floor of a start', async () => {
    const { keytab, request } = setting()
    const [first, second] = await Promise.all([startProcess(), startProcess()])
    await first.tell({ serve: { keytab } })
    await first.tell({ clock: 7 * SECOND })
    const copied = request()
    expect(await first.present(copied)).toBe('handled')
    // One that stands still goes on later, and would handle what came to it meanwhile.
    first.child?.kill('SIGSTOP')
    expect(await second.tell({ serve: { keytab } })).toEqual(REFUSED)
    await first.kill()
    await second.tell({ serve: { keytab }, clock: 7 * SECOND })
    expect(await second.present(copied)).toBe('clock_skew')
  })

  it('is refused if it is a worker of node:cluster, or a thread', async () => {
    const { keytab } = setting()
    const [workers, thread] = await Promise.all([startCluster(3), startThread()])
    const told = await Promise.all([...workers, thread].map(each => each.tell({ serve: { keytab } })))
    expect(told.filter(({ port }) => port !== undefined)).toHaveLength(1)
    expect(told.filter(({ port }) => port === undefined)).toEqual([REFUSED, REFUSED, REFUSED])
  })
})
