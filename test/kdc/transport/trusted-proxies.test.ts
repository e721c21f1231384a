import { describe, expect, it } from 'vitest'
import { countedAddress } from '../../../kdc/transport/address.js'
import { TrustedProxies } from '../../../kdc/transport/trusted-proxies.js'

const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8:aaaa::/48'])
const PROXY = '10.1.2.3'

describe('a client behind proxies', () => {
  it.each<[string, string | undefined, Record<string, string>, string | undefined]>([
    ['is its socket, without a proxy', '198.51.100.1', { 'x-forwarded-for': '203.0.113.9' }, '198.51.100.1'],
    ['is its socket, where that is gone', undefined, { 'x-forwarded-for': '203.0.113.9' }, undefined],
    ['is the proxy, where that tells nothing', PROXY, {}, PROXY],
    ['is what its proxy says', PROXY, { 'x-forwarded-for': '203.0.113.9' }, '203.0.113.9'],
    ['is not what it says itself', PROXY, { 'x-forwarded-for': '8.8.8.8, 203.0.113.9' }, '203.0.113.9'],
    [
      'is what the first of several proxies says',
      PROXY,
      { 'x-forwarded-for': '8.8.8.8, 203.0.113.9, 192.0.2.7,10.9.9.9' },
      '203.0.113.9',
    ],
    ['is the last proxy that is trusted', PROXY, { 'x-forwarded-for': 'unknown, 10.9.9.9' }, '10.9.9.9'],
    ['may be a proxy itself', PROXY, { 'x-forwarded-for': '10.9.9.9' }, '10.9.9.9'],
    ['is IPv4 in IPv6', '::ffff:10.1.2.3', { 'x-forwarded-for': '203.0.113.9' }, '203.0.113.9'],
    ['is IPv6', '2001:db8:aaaa::1', { 'x-forwarded-for': '2001:db8::9' }, '2001:db8::9'],
    ['has a port', PROXY, { 'x-forwarded-for': '203.0.113.9:4711' }, '203.0.113.9'],
    ['has brackets and a port', PROXY, { 'x-forwarded-for': '[2001:db8::9]:4711' }, '2001:db8::9'],
    ['stands in Forwarded', PROXY, { forwarded: 'for=8.8.8.8;proto=http, For=203.0.113.9' }, '203.0.113.9'],
    [
      'stands in quotes',
      PROXY,
      { forwarded: 'by=x;for="[2001:db8::9]:4711" ;host="a, b;c\\"d"' },
      '2001:db8::9',
    ],
    ['is hidden', PROXY, { forwarded: 'for=203.0.113.9, for=_secret' }, PROXY],
    ['is not told by an element', PROXY, { forwarded: 'for=203.0.113.9, proto=http' }, PROXY],
    [
      'stands in both',
      PROXY,
      { forwarded: 'for=203.0.113.9', 'x-forwarded-for': '8.8.8.8, 203.0.113.9' },
      '203.0.113.9',
    ],
  ])('%s: %s %j', (_, peer, headers, client) => {
    expect(proxies.clientOf(peer, headers)).toBe(client)
  })

  it.each<[string, Record<string, string>]>([
    ['two headers that differ', { forwarded: 'for=8.8.8.8', 'x-forwarded-for': '203.0.113.9' }],
    ['a quote left open', { forwarded: 'for="8.8.8.8, for=203.0.113.9' }],
    ['a quote that takes in the next', { forwarded: 'x=", for="[2001:db8::9]"' }],
    ['an escape that takes in the next', { forwarded: 'x="\\", for="203.0.113.9:80"' }],
    ['no form', { forwarded: '203.0.113.9' }],
    ['nothing', { forwarded: '' }],
  ])('is unknown by %s', (_, headers) => {
    expect(() => proxies.clientOf(PROXY, headers)).toThrow(TypeError)
  })

  it.each([
    '',
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    'proxy.example',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/',
  ])('is not found by %j', network => {
    expect(() => new TrustedProxies([network])).toThrow(/10\.0\.0\.0\/8/)
  })

  it.each([
    '0.0.0.0/0',
    '::/0',
    '0.0.0.0/7',
    '128.0.0.0/1',
    '2000::/15',
    '2001:db8::/8',
    'fc00::/6',
    '::/16',
    '::/64',
    '::ffff:0:0/96',
    '::ffff:128.0.0.0/97',
    '::ffff:10.0.0.0/103',
    '64:ff9b::/96',
    '64::/16',
  ])('are not all that is in %j', network => {
    expect(() => new TrustedProxies([network])).toThrow(/too wide for trusted proxies/)
  })

  it.each([
    '10.0.0.0/8',
    'fc00::/7',
    'fd00::/8',
    '2001::/16',
    '::ffff:10.0.0.0/104',
    '::1',
    '64:ff9b::10.0.0.0/104',
  ])('may be all that is in %j', network => {
    expect(() => new TrustedProxies([network])).not.toThrow()
  })

  it.each([
    ['2001:db8::9', '2001:DB8:0:0::9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['64:ff9b::203.0.113.9', '203.0.113.9'],
  ])('may write one address in two ways: %s, %s', (one, other) => {
    const headers = { forwarded: `for="[${one}]"`, 'x-forwarded-for': other }
    expect(countedAddress(proxies.clientOf(PROXY, headers))).toBe(countedAddress(other))
  })

  it('do not exist without a list', () => {
    expect(new TrustedProxies([]).clientOf(PROXY, { 'x-forwarded-for': '203.0.113.9' })).toBe(PROXY)
  })
})
