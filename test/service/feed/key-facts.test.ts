import { describe, expect, it } from 'vitest'
import { KeyFacts } from '../../../service/feed/key-facts.js'
import { ServiceKeys } from '../../../service/keys.js'
import type { KeySummary } from '../../../shared/administration/keys.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { HOUR } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'

const key = () => new LongTermKey(systemRandom(32))

function setting(...kvnos: number[]) {
  const clock = new TestClock()
  const keys = new ServiceKeys(kvnos.map(kvno => ({ kvno, key: key() })))
  return { clock, keys, facts: new KeyFacts(keys, clock) }
}

const told = (kvno: number, state: KeySummary['state'], createdAt = kvno * 1000) => ({
  kvno,
  state,
  createdAt,
})

describe('what a service knows of its keys', () => {
  it('is nothing until a KDC told it', () => {
    const { facts } = setting(2, 1)
    expect([1, 2].map(kvno => facts.of(kvno))).toEqual([undefined, undefined])
  })

  it('is what each is good for, and when the KDC made it', () => {
    const { facts } = setting(4, 3, 2, 1)
    facts.take([told(3, 'current'), told(4, 'next')])
    expect([4, 3, 2].map(kvno => facts.of(kvno))).toEqual([
      { state: 'staged', createdAt: 4000 },
      { state: 'current', createdAt: 3000 },
      { state: 'old', createdAt: undefined },
    ])
  })

  it('is nothing of a key that is newer than what the KDC told', () => {
    const { facts, keys } = setting(1)
    facts.take([told(1, 'current')])
    keys.add(2, key())
    expect(facts.of(2)).toBeUndefined()
    facts.take([told(2, 'current')])
    expect(facts.of(2)).toEqual({ state: 'current', createdAt: 2000 })
    expect(facts.of(1)).toEqual({ state: 'old', createdAt: 1000 })
  })

  it('is asked for once an hour, and whenever there are other keys', () => {
    const { facts, keys, clock } = setting(1)
    expect(facts.areOutdated).toBe(true)
    facts.take([told(1, 'current')])
    expect(facts.areOutdated).toBe(false)
    keys.add(2, key())
    expect(facts.areOutdated).toBe(true)
    facts.take([told(2, 'current')])
    expect(facts.areOutdated).toBe(false)
    clock.pass(HOUR)
    expect(facts.areOutdated).toBe(true)
    // A KDC that refuses is not asked more often.
    facts.wasAsked()
    expect(facts.areOutdated).toBe(false)
    expect(facts.of(2)).toEqual({ state: 'current', createdAt: 2000 })
  })
})
