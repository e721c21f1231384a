import { describe, expect, it } from 'vitest'
import { ServiceKeys } from '../../service/keys.js'
import { ServiceTicketOpener } from '../../service/ticket-opener.js'
import { decodeTicket, type SealedTicket } from '../../shared/ticket/ticket.js'
import { BILLING, billingKey, ORDERS, oldOrdersKey, ordersKey, TestRealm } from './realm.js'

function createCache(entries?: number) {
  const realm = new TestRealm()
  const keys = new ServiceKeys([
    { kvno: 3, key: ordersKey },
    { kvno: 2, key: oldOrdersKey },
  ])
  const { clock } = realm
  const cache = new ServiceTicketOpener({
    service: ORDERS,
    keys,
    clock,
    ...(entries === undefined ? {} : { entries }),
  })
  return { realm, cache, keys }
}

/** The same bytes in other memory, as the next request brings them. */
function again({ bytes }: SealedTicket): SealedTicket {
  return decodeTicket(Uint8Array.from(bytes))
}

describe('the cache of opened tickets', () => {
  it('opens a ticket once', () => {
    const { realm, cache } = createCache()
    const { sealed } = realm.ticket()
    const opened = cache.open(sealed)
    expect(cache.open(again(sealed))).toBe(opened)
    expect(cache.size).toBe(1)
  })

  it('tells tickets apart by every byte', () => {
    const { realm, cache } = createCache()
    const { sealed } = realm.ticket()
    cache.open(sealed)
    for (let at = sealed.bytes.length - sealed.box.length; at < sealed.bytes.length; at++) {
      const changed = again(sealed)
      changed.bytes[at] = (changed.bytes[at] ?? 0) ^ 1
      expect(() => cache.open(changed)).toThrow('ticket_invalid')
    }
    expect(cache.size).toBe(1)
  })

  it('remembers nothing that does not open', () => {
    const { realm, cache } = createCache()
    const refused = [
      realm.ticket({ sealedWith: billingKey }),
      realm.ticket({ kvno: 9 }),
      realm.ticket({ service: BILLING, kvno: 1, sealedWith: billingKey }),
    ]
    for (const { sealed } of refused) expect(() => cache.open(sealed)).toThrow('ticket_invalid')
    expect(cache.size).toBe(0)
  })

  it('remembers a ticket until it ends', () => {
    const { realm, cache } = createCache()
    const { sealed } = realm.ticket({ endTime: realm.clock.now() + 1_000 })
    const opened = cache.open(sealed)
    realm.clock.advance(999)
    expect(cache.open(again(sealed))).toBe(opened)
    realm.clock.advance(1)
    expect(cache.open(again(sealed))).not.toBe(opened)
    expect(cache.size).toBe(0)
  })

  it('is bounded by number', () => {
    const { realm, cache } = createCache(4)
    for (let i = 0; i < 20; i++) cache.open(realm.ticket().sealed)
    expect(cache.size).toBe(4)
  })

  it('is bounded by memory, so that it holds fewer large tickets', () => {
    const { realm, cache } = createCache(16)
    const claims = [['text', 'x'.repeat(2_000)]] as const
    for (let i = 0; i < 40; i++) cache.open(realm.ticket({ claims }).sealed)
    expect(cache.size).toBeGreaterThan(0)
    expect(cache.size).toBeLessThan(10)
  })
})
