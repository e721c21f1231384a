import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { DEFAULT_LIMITS } from '../../../kdc/limits/defaults.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { refusalIdOf } from '../../../shared/encoding/refusal-id.js'
import { KDC_EXCHANGES, type KdcExchangeEvent } from '../../../shared/telemetry/kdc-exchange.js'
import {
  ADDRESS,
  ask,
  grantOf,
  type Identity,
  local,
  login,
  outcome,
  START,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

let realm: TestRealm
let web: Identity
let told: KdcExchangeEvent[]

beforeEach(async () => {
  realm = await testRealm({ rates: createRateLimits(DEFAULT_LIMITS) })
  web = await realm.add('web')
  await realm.add('orders')
  await realm.add('billing')
  await realm.allow('web', 'orders')
  told = []
})

function hear(): () => void {
  const listener = (event: unknown) => void told.push(event as KdcExchangeEvent)
  subscribe(KDC_EXCHANGES, listener)
  const end = () => void unsubscribe(KDC_EXCHANGES, listener)
  onTestFinished(end)
  return end
}

const services = [local('orders'), local('billing')]
const hex = (id: Uint8Array): string => Buffer.from(id).toString('hex')

describe('what is told of an exchange', () => {
  it('names the tickets of a login, in the order of the answer, and what was denied', async () => {
    hear()
    const reply = await login(realm, web, { services })
    expect(told).toEqual([
      {
        kind: 'exchange',
        realm: 'demo.example',
        exchange: 'AS',
        from: ADDRESS,
        client: local('web'),
        tickets: [
          { service: local('krbtgt'), ticketId: hex(grantOf(reply).ticketId) },
          { service: local('orders'), ticketId: hex(grantOf(reply, 1).ticketId) },
        ],
        denied: [{ service: local('billing'), code: 'policy_denied' }],
        code: 'ok',
        reason: undefined,
        refusal: expect.stringMatching(/^[0-9a-f]{12}$/),
        start: START,
        duration: 0,
      },
    ])
    expect(Object.isFrozen(told[0])).toBe(true)
  })

  it('names those of a question, also of one that came again', async () => {
    const tgt = grantOf(await login(realm, web))
    hear()
    const granted = grantOf(await ask(realm, tgt, { services: [local('orders')] }))
    const [event] = told
    expect(event).toMatchObject({ exchange: 'TGS', client: local('web'), code: 'ok', denied: [] })
    expect(event?.tickets).toEqual([{ service: local('orders'), ticketId: hex(granted.ticketId) }])
  })

  it('has no name that was only claimed, and no reason that may have one', async () => {
    hear()
    const wrong = { ...web, key: new LongTermKey(systemRandom(32)) }
    expect(outcome(await login(realm, wrong))).toBe('05 auth_failed')
    expect(outcome(await login(realm, { ...web, principal: local('nobody') }))).toBe('05 auth_failed')
    for (const event of told) {
      expect(event).toMatchObject({ code: 'auth_failed', client: undefined, reason: undefined, tickets: [] })
      expect(JSON.stringify(event)).not.toMatch(/web|nobody/)
    }
    expect(told).toHaveLength(2)
  })

  it('says why a client that proved its key is refused, under the id that the client has', async () => {
    const tgt = grantOf(await login(realm, web))
    await realm.call('disable', [local('web')])
    hear()
    expect(outcome(await ask(realm, tgt, { services: [local('orders')] }))).toMatch(/revoked/)
    expect(told).toEqual([
      expect.objectContaining({ exchange: 'TGS', code: 'revoked', client: local('web'), tickets: [] }),
    ])
    expect(told[0]?.reason).toBeTruthy()
    const lines = realm.logger.lines.filter(({ fields }) => fields.code === 'revoked')
    expect(lines.map(({ fields }) => fields.id)).toEqual([told[0]?.refusal])
  })

  it('tells of what is no request, of other requests, and to nobody nothing', async () => {
    const end = hear()
    const broken = Uint8Array.of(1, 1, 0xff)
    await realm.dispatch(broken, ADDRESS)
    expect(told).toEqual([
      expect.objectContaining({
        exchange: 'AS',
        code: 'malformed',
        refusal: refusalIdOf(broken) ?? undefined,
      }),
    ])
    await realm.dispatch(Uint8Array.of(1, 99), ADDRESS)
    expect(told).toHaveLength(1)
    end()
    await login(realm, web)
    expect(told).toHaveLength(1)
  })

  it('changes nothing of what the log is told', async () => {
    const messages = () => realm.logger.lines.splice(0).map(({ level, message }) => [level, message])
    messages()
    await login(realm, web, { services })
    const before = messages()
    hear()
    await login(realm, web, { services })
    expect(messages()).toEqual(before)
    expect(before).toHaveLength(3)
  })

  it('has these fields and no other', async () => {
    hear()
    const tgt = grantOf(await login(realm, web))
    await ask(realm, tgt, { services: [local('orders')] })
    const names = 'client code denied duration exchange from kind realm reason refusal start tickets'
    for (const event of told) expect(Object.keys(event).sort().join(' ')).toBe(names)
    const [ticket] = told[1]?.tickets ?? []
    expect(Object.keys(ticket ?? {})).toEqual(['service', 'ticketId'])
  })
})
