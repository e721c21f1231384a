import { describe, expect, it } from 'vitest'
import { MacTable } from '../../../kdc/limits/mac-table.js'
import { SeenRequests } from '../../../kdc/limits/seen-requests.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { MINUTE } from '../../../shared/time.js'
import { START } from '../../support/clock.js'

describe('a set of MACs', () => {
  it('recognises each one, however many there are, and knows how often it was seen', () => {
    const table = new MacTable(systemRandom)
    const macs = Array.from({ length: 5_000 }, () => systemRandom(32))
    for (const mac of macs) expect(table.see(mac, true)).toBe('new')
    for (const mac of macs) expect(table.see(mac, true)).toBe('repeated')
    for (const mac of macs) expect(table.see(mac, false)).toBe('repeated again')
    expect(table.size).toBe(5_000)
  })

  it.each([
    ['zeros', new Uint8Array(32)],
    ['ones', new Uint8Array(32).fill(255)],
    ['zeros but one bit', new Uint8Array(32).fill(1, 7, 8)],
    ['a first word with its highest bit', new Uint8Array(32).fill(128, 0, 1)],
  ])('recognises %s', (_, mac) => {
    const table = new MacTable(systemRandom)
    expect([table.see(mac, true), table.see(mac, true), table.see(mac, true)]).toEqual([
      'new',
      'repeated',
      'repeated again',
    ])
    expect(table.size).toBe(1)
  })
})

describe('the requests that were seen', () => {
  it('are forgotten by the minute of their stamp, once none of it can be fresh', () => {
    const seen = new SeenRequests(systemRandom)
    const [mac, later] = [systemRandom(32), systemRandom(32)]
    expect(seen.see(mac, START, true)).toBe('new')
    for (let minute = 1; minute < 6; minute++) seen.see(systemRandom(32), START + minute * MINUTE, true)
    expect(seen.see(mac, START, true)).toBe('repeated')
    expect(seen.size).toBe(6)
    expect(seen.see(later, START + 6 * MINUTE, true)).toBe('new')
    expect(seen.size).toBe(6)
    expect(seen.see(mac, START, true)).toBe('new')
  })

  it('are bounded, and one that is not remembered is new each time', () => {
    const seen = new SeenRequests(systemRandom, 2)
    const macs = [systemRandom(32), systemRandom(32), systemRandom(32)]
    const see = () => macs.map(mac => seen.see(mac, START, true))
    expect(see()).toEqual(['new', 'new', 'new'])
    expect(see()).toEqual(['repeated', 'repeated', 'new'])
    expect(seen.size).toBe(2)
  })
})
