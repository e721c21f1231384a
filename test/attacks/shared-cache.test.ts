import { describe, expect, it } from 'vitest'
import { toHex } from '../../shared/bytes.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { parsePrincipal } from '../../shared/principal.js'
import { SECOND, systemClock } from '../../shared/time.js'
import { TestRealm } from '../service/realm.js'
import { type ServiceProcess, startCluster, startProcess, startThread } from '../service/several/processes.js'
import { TestClock } from '../support/clock.js'

/** Copies of one request are brought to several processes of a service that share one replay cache. */

/** How far ahead the clocks of all processes are, so that the first one is past its start. */
const PASSED = 7 * SECOND

function setting() {
  // The cache is named by the principal, and other tests of this machine must not meet it.
  const principal = parsePrincipal(`orders-${toHex(systemRandom(6))}@demo.example`)
  const entry = { principal, kvno: 1, key: new LongTermKey(systemRandom(32)) }
  const realm = new TestRealm(new TestClock(systemClock.now()))
  const serve = {
    keytab: { text: formatKeytab([entry]) },
    replayCache: { shared: 'machine' },
  } as const
  /** @param later milliseconds after the clocks of the processes were set ahead once */
  const sign = (later = 0) => {
    const ticket = realm.ticket({ service: principal, kvno: 1, sealedWith: entry.key })
    return realm.sign({ method: 'POST' }, { ticket, time: systemClock.now() + PASSED + later })
  }
  const start = async (processes: readonly ServiceProcess[]): Promise<void> => {
    for (const process of processes) await process.tell({ serve })
    for (const process of processes) await process.tell({ clock: PASSED })
  }
  return { sign, start }
}

async function presentToAll(processes: readonly ServiceProcess[], request: ReturnType<TestRealm['sign']>) {
  const outcomes = await Promise.all([...processes, ...processes].map(process => process.present(request)))
  return outcomes.sort()
}

describe.skipIf(process.platform !== 'linux')('processes that share a replay cache', () => {
  it('handle a request once among workers of node:cluster, processes and threads', async () => {
    const { sign, start } = setting()
    const [workers, other, thread] = await Promise.all([startCluster(2), startProcess(), startThread()])
    const all = [...workers, other, thread]
    await start(all)
    for (let i = 0; i < 3; i++) {
      expect(await presentToAll(all, sign())).toEqual(['handled', ...Array(7).fill('replay')])
    }
  })

  it('handle nothing again when the one that had the cache was killed, or stood still', async () => {
    const { sign, start } = setting()
    const all = await Promise.all([startProcess(), startProcess(), startProcess()])
    const [first, ...others] = all as [ServiceProcess, ServiceProcess, ServiceProcess]
    await start(all)
    const copied = sign()
    expect(await others[0].present(copied)).toBe('handled')
    first.child?.kill('SIGSTOP')
    expect(await presentToAll(others, sign())).toEqual(Array(4).fill('unavailable'))
    first.child?.kill('SIGCONT')
    // Those that waited for it in vain ask it again.
    for (const each of all) await expect.poll(() => each.present(sign())).toBe('handled')
    expect(await presentToAll(all, sign())).toEqual(['handled', ...Array(5).fill('replay')])
    await first.kill()
    await expect.poll(() => others[1].present(copied)).toBe('clock_skew')
    await expect.poll(() => others[0].present(copied)).toBe('clock_skew')
    for (const process of others) await process.tell({ clock: PASSED })
    expect(await presentToAll(others, sign(PASSED))).toEqual(['handled', ...Array(3).fill('replay')])
    expect(await presentToAll(others, copied)).toEqual(Array(4).fill('clock_skew'))
  })
})
