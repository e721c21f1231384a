import { describe, expect, it } from 'vitest'
import { ServiceKeys } from '../../service/keys.js'
import { partsOf } from '../../service/request/service.js'
import { ServiceTicketOpener } from '../../service/ticket-opener.js'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { expectProved, expectRefused, ORDERS, ordersKey, startRealm, TestRealm } from './realm.js'

/** Keys that come and go while the service runs. */

const newKey = new LongTermKey(systemRandom(32))

describe('keys of a running service', () => {
  it('open tickets from the next request on if they are new, and none if they were dropped', async () => {
    const realm = await startRealm()
    const { keys } = partsOf(realm.service)
    const old = realm.ticket({ kvno: 3 })
    const renewed = realm.ticket({ kvno: 4, sealedWith: newKey })
    const early = realm.sign({}, { ticket: renewed })
    expectRefused(await realm.send(early), early, 'ticket_invalid', '05')
    keys.add(4, newKey)
    expect(realm.service.kvnos).toEqual([4, 3, 2])
    for (const ticket of [old, renewed, old]) {
      const request = realm.sign({}, { ticket })
      expectProved(await realm.send(request), request)
    }
    keys.drop(3)
    expect(realm.service.kvnos).toEqual([4, 2])
    const late = realm.sign({}, { ticket: old })
    expectRefused(await realm.send(late), late, 'ticket_invalid', '05')
    const request = realm.sign({}, { ticket: renewed })
    expectProved(await realm.send(request), request)
  })

  it('are reported in the log as missing if they are newer, but not if they are older', async () => {
    const realm = await startRealm()
    for (const kvno of [4, 1]) {
      const request = realm.sign({}, { ticket: realm.ticket({ kvno, sealedWith: newKey }) })
      expectRefused(await realm.send(request), request, 'ticket_invalid', '05')
    }
    const [newer, older] = realm.log.lines.map(({ fields }) => fields)
    expect(newer?.reason).toBe('the ticket for orders@demo.example, kvno 4: the keytab has kvno 3, 2')
    expect(newer?.hint).toContain('replace its keytab')
    expect(older?.hint).toBeUndefined()
  })
})

describe('a set of keys', () => {
  function cached() {
    const realm = new TestRealm()
    const keys = new ServiceKeys([{ kvno: 3, key: ordersKey }])
    const cache = new ServiceTicketOpener({ service: ORDERS, keys, clock: realm.clock })
    return { realm, keys, cache }
  }

  it('forgets what was opened with a key that is dropped, and nothing else', () => {
    const { realm, keys, cache } = cached()
    keys.add(4, newKey)
    const renewed = realm.ticket({ kvno: 4, sealedWith: newKey }).sealed
    const opened = cache.open(renewed)
    for (let i = 0; i < 3; i++) cache.open(realm.ticket().sealed)
    expect(cache.size).toBe(4)
    keys.drop(3)
    expect(cache.size).toBe(1)
    expect(cache.open(renewed)).toBe(opened)
    keys.drop(3)
    keys.drop(9)
    expect([cache.size, keys.kvnos]).toEqual([1, [4]])
  })

  it('opens nothing with the earlier key if another takes its kvno', () => {
    const { realm, keys, cache } = cached()
    const { sealed } = realm.ticket()
    cache.open(sealed)
    keys.add(3, newKey)
    expect(cache.size).toBe(0)
    expect(() => cache.open(sealed)).toThrow(expect.objectContaining({ code: 'ticket_invalid' }))
    expect(cache.open(realm.ticket({ sealedWith: newKey }).sealed).kvno).toBe(3)
  })
})
