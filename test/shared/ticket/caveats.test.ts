import { describe, expect, it } from 'vitest'
import { encode, type Value } from '../../../shared/encoding/encoding.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { type Principal, parsePrincipal } from '../../../shared/principal.js'
import {
  allowsService,
  type Caveat,
  decodeCaveat,
  earliestExpiry,
  encodeCaveat,
  type Facts,
  requireCaveats,
  visibleClaims,
} from '../../../shared/ticket/caveats.js'
import type { Claims } from '../../../shared/ticket/claims.js'

/** Each caveat by itself: its one form, when it holds, and what the log says if it does not. */

const ORDERS = parsePrincipal('orders@demo.example')
const BILLING = parsePrincipal('billing@demo.example')
const GATE = parsePrincipal('gate@demo.example')
const NOW = 1_800_000_000_000

const FACTS: Facts = {
  now: NOW,
  service: ORDERS,
  method: 'GET',
  target: '/orders/7?full=1',
  holder: GATE,
  checkers: new Map<string, (value: Value) => boolean>([
    ['tenant', value => value === 'acme'],
    // Only exactly true holds, whatever a checker written in JavaScript returns.
    ['truthy', () => 'yes' as unknown as boolean],
  ]),
}

/** `holds`, or the reason of the refusal. */
function outcome(caveat: Caveat, facts: Partial<Facts> = {}): string {
  try {
    requireCaveats([caveat], { ...FACTS, ...facts })
    return 'holds'
  } catch (error) {
    expect(error).toMatchObject({ code: 'caveat_failed', final: true })
    return (error as OrthrusError).reason
  }
}

const EVERY: readonly Caveat[] = [
  { name: 'expires', time: NOW },
  { name: 'services', services: [ORDERS, BILLING] },
  { name: 'methods', methods: ['GET', 'HEAD'] },
  { name: 'paths', prefixes: ['/orders', '/'] },
  { name: 'claims', claims: ['role'] },
  { name: 'holder', holder: GATE },
  { name: 'app', app: 'tenant', value: ['acme', 1, null] },
]

describe('the form of a caveat', () => {
  it.each(EVERY.map(caveat => [caveat.name, caveat] as const))(
    '%s is read as it was written',
    (_, caveat) => {
      const bytes = encodeCaveat(caveat)
      expect(decodeCaveat(bytes)).toEqual(caveat)
      const [first, second] = [bytes, bytes].map(decodeCaveat)
      expect(first === second).toBe(caveat.name !== 'app')
      expect(decodeCaveat(bytes.slice())).not.toBe(decodeCaveat(bytes))
    },
  )

  it.each<[string, Value[], string]>([
    ['an empty list', [], 'expected text'],
    ['a name that is no text', [1, 1], 'expected text'],
    ['an unknown name', ['nonsense', 1], 'unknown caveat "nonsense"'],
    ['a very long name', ['n'.repeat(99), 1], `unknown caveat "${'n'.repeat(40)}"`],
    ['a name of every object', ['constructor', 1], 'unknown caveat "constructor"'],
    ['no argument', ['expires'], '1 fields instead of 2'],
    ['an argument more', ['expires', 1, 2], '3 fields instead of 2'],
    ['an argument more of an app caveat', ['app', 'tenant', 'acme', 1], '4 fields instead of 3'],
    ['an app caveat without a value', ['app', 'tenant'], '2 fields instead of 3'],
    ['an app caveat whose name is no text', ['app', 1, 'acme'], 'expected text'],
    ['a time that is a text', ['expires', '1'], 'expected a number'],
    ['a service alone', ['services', 'orders@demo.example'], 'expected a list'],
    ['a short name of a service', ['services', ['orders']], 'a name outside the grammar'],
    ['one wrong service of several', ['services', [ORDERS, 1]], 'expected text'],
    ['a method alone', ['methods', 'GET'], 'expected a list'],
    ['one wrong method of several', ['methods', ['GET', null]], 'expected text'],
    ['a path alone', ['paths', '/'], 'expected a list'],
    ['a path that is a number', ['paths', [1]], 'expected text'],
    ['one wrong path of several', ['paths', ['/a', '/b/../a']], 'an ambiguous path prefix'],
    ['a claim alone', ['claims', 'role'], 'expected a list'],
    ['a claim that is a number', ['claims', [1]], 'expected text'],
    ['a holder outside the grammar', ['holder', 'gate'], 'a name outside the grammar'],
    ['a list of holders', ['holder', [GATE]], 'expected text'],
  ])('is not %s', (_, list, reason) => {
    const bytes = encode(list)
    const failed = { code: 'caveat_failed', final: true, reason: `a caveat is malformed: ${reason}` }
    expect(() => decodeCaveat(bytes)).toThrow(expect.objectContaining(failed))
    expect(() => decodeCaveat(bytes)).toThrow(expect.objectContaining(failed))
  })

  it('is not that of bytes that are not a list', () => {
    expect(() => decodeCaveat(Uint8Array.of(0xc0))).toThrow(
      expect.objectContaining({ code: 'caveat_failed' }),
    )
  })

  it('is read again if it has a value of the application, which a checker may change', () => {
    const bytes = encodeCaveat({ name: 'app', app: 'tenant', value: ['acme'] })
    const wicked = new Map([['tenant', (value: Value) => (value as Value[]).push('other') === 2]])
    for (let i = 0; i < 2; i++) expect(outcome(decodeCaveat(bytes), { checkers: wicked })).toBe('holds')
  })

  it('lets an error of the program through', () => {
    expect(() => decodeCaveat(undefined as unknown as Uint8Array)).toThrow(TypeError)
  })
})

describe('a caveat', () => {
  it.each<[Caveat, Partial<Facts>, string]>([
    [{ name: 'expires', time: NOW + 1 }, {}, 'holds'],
    [{ name: 'expires', time: NOW }, {}, `does not hold: it ended at ${NOW}, now is ${NOW}`],
    [{ name: 'expires', time: NOW - 1 }, {}, `does not hold: it ended at ${NOW - 1}, now is ${NOW}`],
    [{ name: 'expires', time: 2 ** 53 - 1 }, {}, 'holds'],
    [{ name: 'services', services: [BILLING, ORDERS] }, {}, 'holds'],
    [
      { name: 'services', services: [BILLING, GATE] },
      {},
      `does not hold: ${ORDERS} is not among ${BILLING}, ${GATE}`,
    ],
    [{ name: 'services', services: [] }, {}, `does not hold: ${ORDERS} is not among `],
    [{ name: 'methods', methods: ['HEAD', 'GET'] }, {}, 'holds'],
    [{ name: 'methods', methods: ['get', 'PUT'] }, {}, 'does not hold: GET is not among get, PUT'],
    [
      { name: 'methods', methods: ['GET'] },
      { method: undefined },
      'does not hold: no method is not among GET',
    ],
    [{ name: 'methods', methods: [] }, {}, 'does not hold: GET is not among '],
    [{ name: 'paths', prefixes: ['/x', '/orders'] }, {}, 'holds'],
    [{ name: 'paths', prefixes: ['/x', '/y'] }, {}, 'does not hold: "/orders/7" is not inside /x, /y'],
    [{ name: 'paths', prefixes: ['/'] }, { target: undefined }, 'does not hold: null is not inside /'],
    [{ name: 'claims', claims: [] }, {}, 'holds'],
    [{ name: 'holder', holder: GATE }, {}, 'holds'],
    [{ name: 'holder', holder: ORDERS }, {}, `does not hold: presented by ${GATE}, made for ${ORDERS}`],
    [
      { name: 'holder', holder: GATE },
      { holder: undefined },
      `does not hold: presented by the client itself, made for ${GATE}`,
    ],
    [{ name: 'app', app: 'tenant', value: 'acme' }, {}, 'holds'],
  ])('%j with %j: %s', (caveat, facts, expected) => {
    expect(outcome(caveat, facts)).toBe(
      expected === 'holds' ? expected : `the caveat ${caveat.name} ${expected}`,
    )
  })

  it.each([
    ['tenant', 'umbrella', 'its checker refused'],
    ['truthy', 'acme', 'its checker refused'],
    ['size', 'acme', 'this service has no checker for it'],
  ])('app %s of %s fails: %s', (app, value, reason) => {
    expect(outcome({ name: 'app', app, value })).toBe(`the caveat app "${app}" does not hold: ${reason}`)
  })

  it('must hold together with all others, whichever fails', () => {
    const good: Caveat = { name: 'methods', methods: ['GET'] }
    const bad: Caveat = { name: 'methods', methods: ['PUT'] }
    expect(() => requireCaveats([good, good], FACTS)).not.toThrow()
    for (const list of [
      [bad, good],
      [good, bad],
    ]) {
      expect(() => requireCaveats(list, FACTS)).toThrow(expect.objectContaining({ code: 'caveat_failed' }))
    }
  })
})

describe('what caveats say before any request', () => {
  const expires = (time: number): Caveat => ({ name: 'expires', time })
  const services = (...names: Principal[]): Caveat => ({ name: 'services', services: names })
  const claims = (...names: string[]): Caveat => ({ name: 'claims', claims: names })

  it('the earliest end of all', () => {
    expect(earliestExpiry([])).toBe(Number.POSITIVE_INFINITY)
    expect(earliestExpiry([services(ORDERS)])).toBe(Number.POSITIVE_INFINITY)
    expect(earliestExpiry([expires(7), services(ORDERS), expires(5), expires(6)])).toBe(5)
  })

  it('whether all allow a service', () => {
    expect(allowsService([], ORDERS)).toBe(true)
    expect(allowsService([expires(1), services(BILLING, ORDERS)], ORDERS)).toBe(true)
    expect(allowsService([services(BILLING, ORDERS), services(BILLING)], ORDERS)).toBe(false)
    expect(allowsService([services()], ORDERS)).toBe(false)
  })

  it('which claims all let through, and whether that keeps any back', () => {
    const all: Claims = [
      ['level', 3],
      ['role', 'reader'],
    ]
    expect(visibleClaims(all, [])).toEqual({ claims: all, withheld: false })
    expect(visibleClaims(all, [services(ORDERS), claims('role', 'level')])).toEqual({
      claims: all,
      withheld: false,
    })
    expect(visibleClaims(all, [claims('role', 'x')])).toEqual({
      claims: [['role', 'reader']],
      withheld: true,
    })
    expect(visibleClaims(all, [claims('role'), claims('level')])).toEqual({ claims: [], withheld: true })
    expect(visibleClaims([], [claims()])).toEqual({ claims: [], withheld: false })
  })
})
