import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../kdc/limits/defaults.js'
import { createRateLimits } from '../../kdc/limits/rate-limits.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { HOUR } from '../../shared/time.js'
import { type Identity, login, outcome, stranger, type TestRealm, testRealm } from '../support/realm.js'

/** Guesses at passwords, and attempts to make the KDC forget that there were some. */

/** In the slow set more than the KDC could ever have remembered one by one. */
const MADE_UP = process.env.ORTHRUS_SLOW === '1' ? 60_000 : 3_000
const HOME = '192.0.2.1'

async function person(realm: TestRealm, name: string): Promise<Identity> {
  const parameters = { log2N: 17, r: 8, p: 1, salt: systemRandom(16) }
  return realm.add(name, { password: { parameters, key: new LongTermKey(systemRandom(32)) } })
}

const botnet = (i: number): string => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`

describe('guesses at one password', () => {
  it('stay limited after a flood of failures under made-up names, which locks nobody else out', async () => {
    const few = { points: 5, interval: HOUR }
    const rates = createRateLimits({ ...DEFAULT_LIMITS, failedLoginsPerName: few }, () => 0)
    const realm = await testRealm({ rates })
    const [ann, bob, web] = [await person(realm, 'ann'), await person(realm, 'bob'), await realm.add('web')]
    expect(outcome(await login(realm, ann, {}, HOME))).toBe('reply')
    for (let i = 0; i < 5; i++) await login(realm, stranger(ann.principal), {}, botnet(i))
    for (let i = 0; i < MADE_UP; i++) {
      const answer = await login(realm, stranger(`n${i}@demo.example`), {}, botnet(i))
      if (i % 1_000 === 0) expect(outcome(answer)).toBe('05 auth_failed')
    }
    // A right guess gets the same answer as a wrong one, whether or not its address has guessed before.
    for (const address of [botnet(0), botnet(MADE_UP)]) {
      expect(outcome(await login(realm, ann, {}, address))).toBe('05 rate_limited')
    }
    expect(outcome(await login(realm, ann, {}, HOME))).toBe('reply')
    expect(outcome(await login(realm, bob, {}, botnet(MADE_UP)))).toBe('reply')
    expect(outcome(await login(realm, web, {}, botnet(0)))).toBe('reply')
  })
})
