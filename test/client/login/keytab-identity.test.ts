import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { decodeAsRequest } from '../../../shared/exchange/as.js'
import { formatKeytab, type KeytabEntry } from '../../../shared/keytab/keytab.js'
import { MINUTE, SECOND } from '../../../shared/time.js'
import { ORDERS, WEB } from '../fake-kdc.js'
import { failureOf, Setting } from '../setting.js'

/** Which keys a client tries while its key changes (docs/protocol.md section 12). */

let folder = ''
let keytab = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-identity-'))
  keytab = join(folder, 'web.keytab')
})
afterEach(() => rm(folder, { recursive: true }))

const key = (kvno: number): KeytabEntry => ({
  principal: WEB,
  kvno,
  key: new LongTermKey(systemRandom(32)),
})
const write = (...entries: KeytabEntry[]) => writeFile(keytab, formatKeytab(entries), { mode: 0o600 })

function setting(current: KeytabEntry) {
  const made = new Setting()
  made.kdc.keys.set(WEB, current.key)
  // The TGT is of no use for long, so that each ticket takes a login.
  made.kdc.lives = { tgt: SECOND, service: MINUTE }
  const kvnos: number[] = []
  made.kdc.intercept = ({ exchange, bytes }, honest) => {
    if (exchange === 'AS') kvnos.push(decodeAsRequest(bytes).kvno)
    return honest()
  }
  /** The kvnos that were tried since the last call. */
  const tried = (): number[] => kvnos.splice(0)
  return { ...made, setting: made, time: made.time, kdc: made.kdc, tried }
}

describe('a client with several keys', () => {
  it('logs in with the newest', async () => {
    const [old, current] = [key(1), key(2)]
    await write(old, current)
    const { setting: made, tried } = setting(current)
    const realm = await made.connect({ keytab })
    await realm.getServiceTicket('orders')
    expect(tried()).toEqual([2])
  })

  it('tries the next lower one, once, if the newest is refused, and keeps to what worked', async () => {
    const [older, current, dead] = [key(1), key(2), key(3)]
    await write(older, current, dead)
    const { setting: made, time, tried } = setting(current)
    const realm = await made.connect({ keytab })
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    expect(tried()).toEqual([3, 2])
    time.pass(MINUTE)
    await realm.getServiceTicket('billing')
    expect(tried()).toEqual([2])
  })

  it('tries no more than two if both are refused, and the same two after the pause', async () => {
    await write(key(1), key(2), key(3))
    const { setting: made, time, tried } = setting(key(4))
    const realm = await made.connect({ keytab })
    for (let i = 0; i < 2; i++) {
      expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'auth_failed' })
      expect(tried()).toEqual([3, 2])
      time.pass(10 * SECOND)
    }
  })

  it('goes back to the newest if what worked is refused: somebody has promoted it meanwhile', async () => {
    const [old, staged] = [key(1), key(2)]
    await write(old, staged)
    const { setting: made, kdc, time, tried } = setting(old)
    const realm = await made.connect({ keytab })
    await realm.getServiceTicket('orders')
    expect(tried()).toEqual([2, 1])
    kdc.keys.set(WEB, staged.key)
    time.pass(MINUTE)
    await realm.getServiceTicket('orders')
    expect(tried()).toEqual([1, 2])
  })

  it('does not take a login that failed for another reason for a wrong key', async () => {
    await write(key(1), key(2))
    const { setting: made, kdc, tried } = setting(key(2))
    const realm = await made.connect({ keytab })
    const { intercept } = kdc
    kdc.intercept = (asked, honest) => {
      intercept(asked, honest)
      return kdc.error('rate_limited')
    }
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'rate_limited' })
    expect(tried()).toEqual([2])
  })
})

describe('a client that is refused', () => {
  it('reads its keytab again, and goes on with the key that another process put there', async () => {
    const [old, current] = [key(1), key(2)]
    await write(old)
    const { setting: made, kdc, time, tried } = setting(old)
    const realm = await made.connect({ keytab })
    await realm.getServiceTicket('orders')
    kdc.keys.set(WEB, current.key)
    await write(old, current)
    time.pass(MINUTE)
    await realm.getServiceTicket('orders')
    expect(tried()).toEqual([1, 1, 2])
  })

  it('takes a key of the same kvno that is another one, as when a realm was made again', async () => {
    const [old, current] = [key(1), key(1)]
    await write(old)
    const { setting: made } = setting(current)
    const realm = await made.connect({ keytab })
    await write(current)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
  })

  it('reads it at most once a second, and keeps its keys if it cannot be read', async () => {
    const [old, current] = [key(1), key(2)]
    await write(old)
    const { setting: made, time, logger, tried } = setting(current)
    const realm = await made.connect({ keytab })
    await write(current)
    await writeFile(keytab, 'half writ')
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'auth_failed' })
    expect(tried()).toEqual([1])
    expect(logger.lines.map(({ message }) => message).join()).toContain('could not be read again')
    await write(current)
    time.pass(10 * SECOND)
    expect(await realm.getServiceTicket('orders')).toMatchObject({ service: ORDERS })
    expect(tried()).toEqual([1, 2])
  })

  it('has nothing to read again if it was given the text', async () => {
    const { setting: made, tried } = setting(key(9))
    const realm = await made.connect({ keytab: { text: formatKeytab([key(1)]) } })
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'auth_failed' })
    expect(tried()).toEqual([1])
  })
})
