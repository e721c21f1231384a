import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { SECOND, systemClock } from '../../shared/time.js'
import { temporaryFolder } from '../end-to-end/processes.js'
import { ORDERS, TestRealm } from '../service/realm.js'
import { type ServiceProcess, startProcess } from '../service/several/processes.js'
import { TestClock } from '../support/clock.js'

/** A copy of a request is brought to the process that comes after the one that handled it. */

/** How far ahead the clocks of all processes are, so that the first one is past its start. */
const PASSED = 7 * SECOND

async function setting() {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  const entry = { principal: ORDERS, kvno: 1, key: new LongTermKey(systemRandom(32)) }
  const realm = new TestRealm(new TestClock(systemClock.now()))
  const serve = { keytab: { text: formatKeytab([entry]) }, state: join(folder, 'orders.state') }
  const sign = (method: string) => {
    const ticket = realm.ticket({ kvno: 1, sealedWith: entry.key })
    return realm.sign({ method }, { ticket, time: systemClock.now() + PASSED })
  }
  const first = await startProcess()
  await first.tell({ serve })
  await first.tell({ clock: PASSED })
  const next = async (): Promise<ServiceProcess> => {
    const process = await startProcess()
    await process.tell({ serve, clock: PASSED })
    return process
  }
  return { first, next, sign }
}

describe.skipIf(process.platform === 'win32')('a process that serves after another', () => {
  it('in good order loses no write, and handles nothing again', async () => {
    const { first, next, sign } = await setting()
    const copied = sign('POST')
    expect(await first.present(copied)).toBe('handled')
    await first.tell({ stop: true })
    const second = await next()
    expect(await second.present(copied)).toBe('clock_skew')
    expect(await second.present(sign('POST'))).toBe('handled')
  })

  it('that was killed has the floor of a start, also at the second time', async () => {
    const { first, next, sign } = await setting()
    await first.tell({ stop: true })
    const second = await next()
    const copied = sign('POST')
    expect(await second.present(copied)).toBe('handled')
    await second.kill()
    const third = await next()
    expect(await third.present(copied)).toBe('clock_skew')
    expect(await third.present(sign('POST'))).toBe('clock_skew')
  })
})
