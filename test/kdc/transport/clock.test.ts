import { afterEach, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../kdc/limits/defaults.js'
import { type RunningKdc, startKdc } from '../../../kdc/main.js'
import { encodePolicyRule } from '../../../shared/administration/rules.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { isError, openError } from '../../../shared/encoding/error.js'
import { createAsRequest } from '../../../shared/exchange/as.js'
import { HOUR } from '../../../shared/time.js'
import { local, ruleOf, type TestRealm, testRealm } from '../../support/realm.js'
import { TestSocket } from '../socket.js'

/** What an operator learns about a KDC's clock that was set: from its log and from `/health`. */

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Scene extends TestRealm {
  readonly kdc: RunningKdc
}

/** Its timers also follow the clock of the test. */
async function scene(): Promise<Scene> {
  const realm = await testRealm()
  const { store, masterKey, clock, logger } = realm
  const kdc = await startKdc({ store, masterKey, clock, timers: clock, logger, listen: { port: 0 } })
  closing.push(() => kdc.close())
  return { ...realm, kdc }
}

async function healthOf({ kdc }: Scene): Promise<[number, unknown]> {
  const response = await fetch(`http://127.0.0.1:${kdc.address.port}/health`)
  return [response.status, await response.json()]
}

/** Any change. */
async function change({ kdc }: Scene): Promise<void> {
  await kdc.administration.call('allow', encodePolicyRule(ruleOf('web', 'orders')))
}

/** Asks as `admin`, stamped by another clock. @returns the code of the refusal, or `granted` */
async function loginAt({ kdc, admin }: Scene, time: number): Promise<string> {
  const socket = await TestSocket.open(kdc.url)
  closing.push(() => socket.close())
  const { principal: client, kvno, key } = admin
  const question = { client, kvno, time, nonce: systemRandom(16), services: [local('kdc')] }
  const { bytes, mac } = createAsRequest(key, { ...question, lifetime: 0, renewable: false })
  const answer = await socket.ask(1, bytes)
  return isError(answer) ? openError(answer, key, mac).code : 'granted'
}

const errorsOf = ({ logger }: Scene) => logger.lines.filter(({ level }) => level === 'error')
const refusalOf = ({ logger }: Scene) =>
  logger.lines.find(({ message }) => message === 'request refused')?.fields

describe('a KDC whose clock leaps', () => {
  it('says so at the next check of its connections, even if nobody asks it anything', async () => {
    const realm = await scene()
    realm.clock.step(HOUR)
    expect(errorsOf(realm)).toEqual([])
    realm.clock.advance(DEFAULT_LIMITS.ping)
    expect(errorsOf(realm)).toMatchObject([
      { message: expect.stringContaining("the KDC's clock leapt ahead"), fields: { by: HOUR, leapt: HOUR } },
    ])
  })

  it('says so at the next request, and names its own clock beside the refusal of a right client', async () => {
    const realm = await scene()
    const { clock } = realm
    clock.step(HOUR)
    expect(await loginAt(realm, clock.now() - HOUR)).toBe('clock_skew')
    expect(errorsOf(realm)).toMatchObject([{ fields: { by: HOUR } }])
    expect(refusalOf(realm)).toMatchObject({
      code: 'clock_skew',
      hint: expect.stringContaining("this KDC's clock leapt ahead by 3600 s"),
    })
  })

  it('says so in /health, which has no clock entry while all is well', async () => {
    const realm = await scene()
    expect(await healthOf(realm)).toEqual([200, { status: 'ok' }])
    realm.clock.step(-HOUR)
    const back = { leapt: -HOUR, message: expect.stringContaining('leapt back by 3600 s') }
    expect(await healthOf(realm)).toEqual([200, { status: 'ok', clock: back }])
    realm.clock.step(3 * HOUR)
    const ahead = { leapt: 2 * HOUR, message: expect.stringContaining('leapt ahead by 7200 s') }
    expect(await healthOf(realm)).toEqual([200, { status: 'ok', clock: ahead }])
    realm.clock.step(-2 * HOUR)
    expect(await healthOf(realm)).toEqual([200, { status: 'ok' }])
  })
})

describe('one change while the clock is an hour ahead', () => {
  it('takes nothing down: once the clock is right, a client with a right one is answered', async () => {
    const realm = await scene()
    realm.clock.step(HOUR)
    await change(realm)
    realm.clock.step(-HOUR)
    expect(await healthOf(realm)).toEqual([200, { status: 'ok' }])
    expect(await loginAt(realm, realm.clock.now())).toBe('granted')
  })

  it('takes nothing down after a restart either', async () => {
    const realm = await scene()
    realm.clock.step(HOUR)
    await change(realm)
    realm.clock.step(-HOUR)
    const { store, masterKey, clock, logger } = realm
    logger.lines.length = 0
    const kdc = await startKdc({ store, masterKey, clock, timers: clock, logger, listen: { port: 0 } })
    closing.push(() => kdc.close())
    expect(await loginAt({ ...realm, kdc }, clock.now())).toBe('granted')
    expect(errorsOf(realm)).toEqual([])
  })
})

it('a KDC whose clock is right blames nobody', async () => {
  const realm = await scene()
  expect(await loginAt(realm, realm.clock.now() - HOUR)).toBe('clock_skew')
  expect(refusalOf(realm)).toMatchObject({ code: 'clock_skew' })
  expect(refusalOf(realm)).not.toHaveProperty('hint')
  expect(errorsOf(realm)).toEqual([])
})
