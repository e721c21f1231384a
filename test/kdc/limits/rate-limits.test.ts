import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, type Limits } from '../../../kdc/limits/defaults.js'
import { FailedLogins } from '../../../kdc/limits/failed-logins.js'
import { createRateLimits } from '../../../kdc/limits/rate-limits.js'
import { TYPE } from '../../../shared/constants.js'
import { deriveAuthKey } from '../../../shared/crypto/derive.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { patternOf } from '../../../shared/encoding/fields.js'
import { createAsRequest } from '../../../shared/exchange/as.js'
import { createParamsRequest } from '../../../shared/exchange/params.js'
import { createTgsRequest } from '../../../shared/exchange/tgs.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { decodeTicket } from '../../../shared/ticket/ticket.js'
import { HOUR } from '../../../shared/time.js'
import {
  ADDRESS,
  ask,
  grantOf,
  type Identity,
  local,
  login,
  outcome,
  stranger,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'

const few = { points: 3, interval: HOUR }
let elapsed = 0
const limited = (limits: Partial<Limits>) =>
  testRealm({ rates: createRateLimits({ ...DEFAULT_LIMITS, ...limits }, () => elapsed) })
const OTHER = '198.51.100.7'

describe('rate limits', () => {
  it('never stop the holder of a right key, whoever else guesses', async () => {
    const realm = await limited({ failedLogins: few, failedLoginsPerAddress: few, failedLoginsPerName: few })
    const web = await realm.add('web')
    for (let i = 0; i < 3; i++) {
      expect(outcome(await login(realm, stranger('web@demo.example')))).toBe('05 auth_failed')
    }
    expect(outcome(await login(realm, stranger('web@demo.example')))).toBe('05 rate_limited')
    expect(outcome(await login(realm, web))).toBe('reply')
  })

  it('serve 1,000 clients behind one address, whatever one guesser does there', async () => {
    const realm = await limited({})
    const guesser = stranger('c7@demo.example')
    const clients: Identity[] = []
    for (let i = 0; i < 1_000; i++) clients.push(await realm.add(`c${i}`))
    for (let i = 0; i < 4_000; i++) await login(realm, stranger(`n${i % 50}@demo.example`))
    const answers = await Promise.all(
      clients.map(async client => {
        const [answer] = await Promise.all([login(realm, client), login(realm, guesser)])
        return outcome(answer)
      }),
    )
    expect(new Set(answers)).toEqual(new Set(['reply']))
  })

  it('count names alike, whether they exist or not', async () => {
    const realm = await limited({ failedLogins: few })
    await realm.add('web')
    await passwordPrincipal(realm, 'ann')
    const codes = async (name: string) => {
      const told: string[] = []
      for (let i = 0; i < 5; i++) told.push(outcome(await login(realm, stranger(name))))
      return told
    }
    const seen = await codes('nobody@demo.example')
    expect(seen).toEqual([...Array(3).fill('05 auth_failed'), ...Array(2).fill('05 rate_limited')])
    for (const name of ['web@demo.example', 'ann@demo.example']) expect(await codes(name)).toEqual(seen)
  })

  it('refuse a right password as a wrong one if its name was guessed at too often', async () => {
    const realm = await limited({ failedLogins: few })
    const ann = await passwordPrincipal(realm, 'ann')
    const bob = await passwordPrincipal(realm, 'bob')
    for (let i = 0; i < 3; i++) await login(realm, stranger('ann@demo.example'))
    expect(outcome(await login(realm, ann, { kvno: 0 }))).toBe('05 rate_limited')
    expect(outcome(await login(realm, ann))).toBe('05 rate_limited')
    expect(outcome(await login(realm, bob, { kvno: 0 }))).toBe('reply')
    expect(outcome(await login(realm, ann, { kvno: 0 }, OTHER))).toBe('reply')
    elapsed += HOUR
    expect(outcome(await login(realm, ann, { kvno: 0 }))).toBe('reply')
  })

  it('do not lock a password out of the address where it was right before', async () => {
    const realm = await limited({ failedLoginsPerName: few })
    const ann = await passwordPrincipal(realm, 'ann')
    expect(outcome(await login(realm, ann))).toBe('reply')
    for (let i = 0; i < 5; i++) await login(realm, stranger('ann@demo.example'), {}, `203.0.113.${i}`)
    expect(outcome(await login(realm, ann))).toBe('reply')
    expect(outcome(await login(realm, ann, {}, OTHER))).toBe('05 rate_limited')
  })

  it('do not trust an address because a login was repeated there, fresh or not', async () => {
    const realm = await limited({ failedLoginsPerName: few })
    const ann = await passwordPrincipal(realm, 'ann')
    const recorded = asBytes(realm, ann)
    await realm.dispatch(recorded, ADDRESS)
    await realm.dispatch(recorded, OTHER)
    realm.clock.step(HOUR)
    const late = '192.0.2.9'
    await realm.dispatch(recorded, late)
    for (let i = 0; i < 5; i++) await login(realm, stranger('ann@demo.example'), {}, `203.0.113.${i}`)
    expect(outcome(await login(realm, ann))).toBe('reply')
    for (const address of [OTHER, late]) {
      expect(outcome(await login(realm, ann, {}, address))).toBe('05 rate_limited')
    }
  })

  it('make only an address where too many logins failed wait for its turn', async () => {
    const rates = createRateLimits({ ...DEFAULT_LIMITS, failedLoginsPerAddress: few })
    for (let i = 0; i < 3; i++) {
      expect(rates.turnOf(ADDRESS)).toBeUndefined()
      rates.countFailedLogin(ADDRESS, local(`n${i}`))
    }
    let came = false
    const turn = rates.turnOf(ADDRESS)?.then(() => {
      came = true
    })
    await Promise.resolve()
    expect(came).toBe(false)
    await turn
    expect(came).toBe(true)
    expect(rates.turnOf(OTHER)).toBeUndefined()
  })

  it('count an IPv6 address by its /64, /56 and /48, with growing shares', () => {
    const failed = new FailedLogins({ ...DEFAULT_LIMITS, failedLoginsPerAddress: few }, () => 0, systemRandom)
    const fail = (address: string, times: number): void => {
      for (let i = 0; i < times; i++) failed.count(address, local('web'))
    }
    fail('2001:db8:1:1::/64', 2)
    expect(failed.isCrowded('2001:db8:1:1::/64')).toBe(false)
    fail('2001:db8:1:1::/64', 1)
    expect(failed.isCrowded('2001:db8:1:1::/64')).toBe(true)
    expect(failed.isCrowded('2001:db8:1:2::/64')).toBe(false)
    fail('2001:db8:1:2::/64', 3)
    expect(failed.isCrowded('2001:db8:1:ff::/64')).toBe(true)
    expect(failed.isCrowded('2001:db8:1:100::/64')).toBe(false)
    for (let i = 1; i < 7; i++) fail(`2001:db8:1:${i}00::/64`, 1)
    expect(failed.isCrowded('2001:db8:1:ffff::/64')).toBe(true)
    expect(failed.isCrowded('2001:db8:2:ffff::/64')).toBe(false)
  })

  it('stop PARAMS requests from one address', async () => {
    const { dispatch } = await limited({ params: few })
    const request = createParamsRequest(local('web'))
    for (let i = 0; i < 3; i++) expect((await dispatch(request, ADDRESS))[1]).toBe(0x0e)
    expect(openUnauthenticatedError(await dispatch(request, ADDRESS)).code).toBe('rate_limited')
    expect((await dispatch(request, OTHER))[1]).toBe(0x0e)
  })

  it('stop one proved client, and leave the others theirs', async () => {
    const realm = await limited({ requestsPerClient: few })
    const web = await realm.add('web')
    const other = await realm.add('other')
    const tgt = grantOf(await login(realm, web))
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('06 rate_limited')
    expect(outcome(await ask(realm, grantOf(await login(realm, other))))).toBe('reply')
  })

  it('count a proved request once, and its repeats against the address that they come from', async () => {
    const realm = await limited({ requestsPerClient: few, repeats: few })
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    const [asReq, tgsReq] = [asBytes(realm, web), tgsBytes(realm, tgt)]
    for (const request of [asReq, tgsReq]) {
      expect((await realm.dispatch(request, ADDRESS))[1]).not.toBe(TYPE.ERROR_AUTHENTICATED)
    }
    let refused = 0
    for (let i = 0; i < 20; i++) {
      for (const request of [asReq, tgsReq]) {
        if ((await realm.dispatch(request, OTHER))[1] === TYPE.ERROR_AUTHENTICATED) refused++
      }
    }
    expect(refused).toBe(40 - few.points)
    expect(outcome(await login(realm, web))).toBe('reply')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
    const told = realm.logger.lines.filter(({ message }) => message.includes('was repeated'))
    expect(told.map(({ fields }) => [fields.exchange, fields.client, fields.address])).toEqual([
      ['AS', web.principal, OTHER],
      ['TGS', web.principal, OTHER],
    ])
    // The other lines are of the tickets that the answered repeats granted. Refusals leave none.
    const lines = realm.logger.lines.filter(({ fields }) => fields.address === OTHER)
    expect(lines.filter(line => !told.includes(line)).map(({ message }) => message)).toEqual([
      'ticket issued',
      'ticket issued',
    ])
  })

  it('keep logins, which anybody can repeat, apart from the quota of a ticket’s holder', async () => {
    const realm = await limited({ requestsPerClient: few })
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    for (let i = 0; i < 2; i++) expect(outcome(await login(realm, web))).toBe('reply')
    expect(outcome(await login(realm, web))).toBe('06 rate_limited')
    expect(outcome(await ask(realm, tgt))).toBe('reply')
  })

  it('count no request of a principal that was removed or disabled', async () => {
    const realm = await limited({ requestsPerClient: few })
    const web = await realm.add('web')
    const tgt = grantOf(await login(realm, web))
    await realm.call('remove', [web.principal])
    const again = await realm.add('web')
    for (let i = 0; i < 5; i++) expect(outcome(await ask(realm, tgt))).toBe('06 revoked')
    const time = realm.realm.time.now()
    expect(outcome(await ask(realm, grantOf(await login(realm, again, { time })), { time }))).toBe('reply')
  })

  it('do not let old requests, or those of others, use up a client’s quota', async () => {
    const realm = await limited({ requestsPerClient: few })
    const web = await realm.add('web')
    for (let i = 0; i < 5; i++) {
      await login(realm, web, { time: 0 })
      await login(realm, stranger('web@demo.example'))
    }
    expect(outcome(await login(realm, web))).toBe('reply')
  })
})

async function passwordPrincipal(realm: TestRealm, name: string): Promise<Identity> {
  const parameters = { log2N: 17, r: 8, p: 1, salt: systemRandom(16) }
  return realm.add(name, { password: { parameters, key: new LongTermKey(systemRandom(32)) } })
}

function asBytes({ clock }: TestRealm, { key, principal, kvno }: Identity): Uint8Array {
  const question = { client: principal, kvno, time: clock.now(), nonce: systemRandom(16) }
  return createAsRequest(key, { ...question, services: [], lifetime: 0, renewable: false }).bytes
}

function tgsBytes({ clock }: TestRealm, tgt: Grant): Uint8Array {
  const question = { caveats: [], time: clock.now(), nonce: systemRandom(16), services: [local('web')] }
  const key = deriveAuthKey(tgt.key, [])
  return createTgsRequest(key, decodeTicket(tgt.ticket), { ...question, lifetime: 0, renew: false }).bytes
}

describe('what a client has left by a rule', () => {
  it('is told in whole milliseconds, whatever the clock tells', () => {
    let now = 0.25
    const rates = createRateLimits(DEFAULT_LIMITS, () => now)
    const client = local('web')
    const rule = { client: patternOf(client), service: patternOf(local('orders')) }
    const rate = { points: 1, interval: 60_000 }
    rates.requireRule(client, rule, rate, true)
    now += 10_000.4
    expect(rates.ruleUse(client, rule, rate)).toEqual({ left: 0, wait: 50_000 })
  })
})
