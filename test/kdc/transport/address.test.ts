import { describe, expect, it } from 'vitest'
import { countedAddress, countedAnswer } from '../../../kdc/transport/address.js'

describe('the network that an address counts for', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001::3:4:5:6', '2001:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:0DB8:0001::1', '2001:db8:1:0::/64'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['64:ff9b::192.0.2.1', '192.0.2.1'],
    ['64:ff9b::c000:201', '192.0.2.1'],
    ['2001:db8::192.0.2.1', '2001:db8:0:0::/64'],
    ['proxy-told-this', 'proxy-told-this'],
    [undefined, 'unknown'],
  ])('%s: %s', (address, expected) => {
    expect(countedAddress(address)).toBe(expected)
  })
})

describe('what addressOf returns', () => {
  it('is counted as an address, or as the text that it is', () => {
    expect(countedAnswer('::ffff:192.0.2.1')).toBe('192.0.2.1')
    expect(countedAnswer('x'.repeat(128))).toBe('x'.repeat(128))
  })

  it.each(['', 'x'.repeat(129), 7, null, undefined, Promise.resolve('192.0.2.1')])(
    'is refused unless it is a text of bounded length: %#',
    answer => {
      expect(() => countedAnswer(answer)).toThrow('a text of 1 to 128 characters')
    },
  )
})
