import fc from 'fast-check'
import { HOUR, MINUTE } from '../../shared/time.js'
import { START } from '../support/realm.js'
import { type PlainCaveat, TENANT } from './model.js'

/** What is done in one run, as fast-check draws it: by whom, with which tickets, and how wrongly. */

export const ACTORS = ['web', 'ops', 'gate', 'eve'] as const
export const REALM = 'demo.example'
export const whole = (name: string): string => `${name}@${REALM}`

const actor = fc.constantFrom(...['web', 'web', 'gate', 'gate', 'ops', 'eve'].map(whole))
const service = fc.constantFrom(...['orders', 'billing'].map(whole))

/** Mostly what the first says. */
function mostly<T, U>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<U>, weight = 6): fc.Arbitrary<T | U> {
  return fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: other })
}

/** From the newest: mostly what was just made, so that chains become long. */
const index = mostly(fc.nat({ max: 2 }), fc.nat({ max: 99 }), 2)

const prefix = fc.constantFrom(
  ...['/', '/', '/', '/orders', '/orders', '/orders'],
  '/orders/',
  '/orders/7',
  '/orders/a%20b',
  '/order',
  '/admin',
  '/orders;v=1',
  '/orders/..',
  '/orders//7',
  '/orders/%2e%2e',
  'orders',
  '',
)

export const target = fc.constantFrom(
  '/orders',
  '/orders',
  '/orders/7',
  '/orders/7?to=/admin',
  '/orders/7/lines',
  '/orders/',
  '/',
  '/orders/a%20b',
  '/orders;v=1',
  '/orders/...',
  '/ordersx',
  '/admin',
  '/ORDERS/7',
  '/orders/../admin',
  '/orders/..;x/admin',
  '/orders/.',
  '/orders//7',
  '/orders%2f7',
  '/orders/%2E%2e/admin',
  '/orders/%00',
  '/orders/%252e',
  '/orders/%zz',
  '/orders/%4',
  '/orders\\admin',
  '/orders/\u00e9',
  '*',
  'http://orders.example/orders',
  undefined,
)

const piece = fc.constantFrom(
  '/',
  '/',
  '/',
  'a',
  'a',
  '.',
  '..',
  ';',
  '?',
  '%',
  '%2e',
  '%2F',
  '%5c',
  '%25',
  '%00',
  '%61',
  '\\',
  '#',
  ' ',
  '\u00e9',
)

/** Paths as people write them, and as nobody should. */
export const pathText = mostly(
  fc.array(fc.constantFrom('/a', '/a', '/a', '/a', '/a;', '/%61', '/.', '/..', '/;', '/'), {
    minLength: 1,
    maxLength: 4,
  }),
  fc.array(piece, { maxLength: 8 }),
  3,
).map(pieces => pieces.join(''))

const instants = [0, 1, 5 * MINUTE - 1, 5 * MINUTE, 30 * MINUTE, HOUR - 1, HOUR, HOUR + 1]
const instant = fc.constantFrom(...instants.map(after => START + after))
const soon = fc.constantFrom(START + 1, START + 5 * MINUTE - 1, START + 30 * MINUTE)
const now = mostly(soon, instant, 2)

/** Well formed, and holding as often as not. */
const sound: fc.Arbitrary<PlainCaveat> = fc.oneof(
  { weight: 3, arbitrary: mostly(fc.constant(START + 2 * HOUR), instant, 3).map(time => ['expires', time]) },
  { weight: 3, arbitrary: some('orders', 'billing').map(names => ['services', names.map(whole)]) },
  { weight: 3, arbitrary: some('GET', 'POST', 'DELETE').map(methods => ['methods', methods]) },
  {
    weight: 3,
    arbitrary: fc.array(prefix, { minLength: 1, maxLength: 2 }).map(prefixes => ['paths', prefixes]),
  },
  { weight: 3, arbitrary: fc.subarray(['role', 'tier', 'other']).map(names => ['claims', names]) },
  { weight: 1, arbitrary: actor.map(name => ['holder', name]) },
  {
    weight: 2,
    arbitrary: mostly(fc.constant(TENANT), fc.constantFrom('other', 7), 4).map(value => [
      'app',
      'tenant',
      value,
    ]),
  },
)

/** The first mostly, the others as it comes, in any order. */
function some(first: string, ...others: string[]): fc.Arbitrary<string[]> {
  return mostly(
    fc.shuffledSubarray(others).map(more => [...more, first]),
    fc.shuffledSubarray([first, ...others], { minLength: 1 }),
    2,
  )
}

const unsound = fc.constantFrom<PlainCaveat>(
  [],
  ['quota', 5],
  ['Methods', ['GET']],
  ['constructor', []],
  ['methods'],
  ['methods', ['GET'], ['POST']],
  ['methods', ['GET', 5]],
  ['methods', 'GET'],
  ['methods', []],
  ['paths', []],
  ['expires', 'never'],
  ['expires', [START + HOUR]],
  ['expires', 0],
  ['services', []],
  ['services', [whole('orders'), 'Orders']],
  ['holder', 'gate'],
  ['holder', [whole('gate')]],
  ['claims', 'role'],
  ['app', 'tenant'],
  ['app', 'toString', 1],
  ['app', 'other', TENANT],
)

const caveat = mostly(sound, unsound, 12)
const few = (maxLength: number, minLength = 0) => fc.array(caveat, { minLength, maxLength })
/** Caveats that change nothing, but are soon too many for a presentation. */
const many = fc
  .integer({ min: 10, max: 17 })
  .map(length => Array.from({ length }, (): PlainCaveat => ['paths', ['/']]))

export const ticketSpec = fc.record({
  client: actor,
  service: mostly(service, fc.constant(whole('krbtgt')), 3),
  delegable: mostly(fc.constant(true), fc.constant(false), 3),
  starts: mostly(fc.constant(0), fc.constantFrom(1, MINUTE, MINUTE + 1, 6 * MINUTE), 5),
  lives: fc.constantFrom(HOUR, HOUR, 2 * HOUR),
  renewable: fc.boolean(),
  caveats: mostly(fc.constant<PlainCaveat[]>([]), few(2), 2),
})
export type TicketSpec = typeof ticketSpec extends fc.Arbitrary<infer T> ? T : never

/** What is presented in place of the caveats that the key was made with. */
const edit = mostly(
  fc.constant({ kind: 'none' as const }),
  fc.oneof(
    fc.record({ kind: fc.constant('drop' as const), at: index }),
    fc.record({ kind: fc.constant('cut' as const), at: index }),
    fc.record({ kind: fc.constant('swap' as const), at: index, with: index }),
    fc.record({ kind: fc.constant('double' as const), at: index }),
    fc.record({ kind: fc.constant('insert' as const), at: index, caveat }),
    fc.record({ kind: fc.constant('replace' as const), at: index, caveat }),
    fc.record({ kind: fc.constant('mix' as const), at: index }),
  ),
  7,
)
export type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

/** Which key is used: the existing one, or one made from what is known in a way that the protocol does not have. */
const forgery = mostly(
  fc.constant('honest' as const),
  fc.constantFrom(
    'without-the-added' as const,
    'closed-as-chain' as const,
    'chain-as-closed' as const,
    'of-another' as const,
  ),
  9,
)
export type Forgery = typeof forgery extends fc.Arbitrary<infer T> ? T : never

const legSpec = fc.record({
  link: index,
  added: mostly(fc.constant<PlainCaveat[]>([]), few(2, 1), 1),
  edit,
  forgery,
  /** Shows that ticket of all there are, in place of the one that the chain is of. */
  ticket: mostly(fc.constant(undefined), index, 14),
})
export type LegSpec = typeof legSpec extends fc.Arbitrary<infer T> ? T : never

const request = fc.record({
  method: mostly(fc.constantFrom('GET', 'GET', 'POST', 'DELETE'), fc.constant(undefined), 12),
  target: mostly(fc.constantFrom('/orders', '/orders/7'), target, 1),
  now,
  /** Where it goes; `undefined` where its ticket is for. */
  service: mostly(fc.constant(undefined), service, 9),
})

const attenuate = fc.record({
  kind: fc.constant('attenuate' as const),
  actor,
  link: index,
  caveats: mostly(few(3, 1), many, 14),
})

const handOff = fc.record({
  kind: fc.constant('hand off' as const),
  actor,
  link: index,
  to: actor,
  /** Names the one it goes to as its holder. */
  named: fc.boolean(),
  closed: mostly(fc.constant(false), fc.constant(true), 2),
  way: fc.constantFrom('text' as const, 'sealed' as const),
})

const present = fc.record({ kind: fc.constant('present' as const), actor, leg: legSpec, request })

const delegate = fc.record({
  kind: fc.constant('delegate' as const),
  actor,
  own: legSpec,
  delegated: legSpec,
  /** Adds itself as the holder, where it can. */
  named: mostly(fc.constant(true), fc.constant(false), 2),
  /** Whose ticket it says the delegated one is. */
  client: mostly(fc.constant(undefined), actor, 9),
  keys: mostly(
    fc.constant('both' as const),
    fc.constantFrom('reversed' as const, 'own' as const, 'delegated' as const),
    9,
  ),
  shows: mostly(
    fc.constant('both' as const),
    fc.constantFrom('reversed' as const, 'own' as const, 'delegated' as const),
    12,
  ),
  request,
})

const asked = fc.uniqueArray(
  fc.constantFrom(...['orders', 'orders', 'billing', 'pay', 'ghost', 'krbtgt'].map(whole)),
  { maxLength: 3 },
)
const tgs = fc.record({
  kind: fc.constant('tgs' as const),
  actor,
  leg: legSpec,
  services: mostly(fc.constant<string[]>([whole('orders'), whole('billing')]), asked, 1),
  lifetime: fc.constantFrom(0, 0, 1, 10 * MINUTE, 3 * HOUR),
  renew: mostly(fc.constant(false), fc.constant(true), 4),
  now,
})

/** By the network: the tickets of one request that was sent under the MAC of another. */
const splice = fc.record({
  kind: fc.constant('splice' as const),
  mac: index,
  own: index,
  delegated: index,
  now,
})

export const step = fc.oneof(
  { weight: 4, arbitrary: attenuate },
  { weight: 4, arbitrary: handOff },
  { weight: 6, arbitrary: present },
  { weight: 7, arbitrary: delegate },
  { weight: 5, arbitrary: tgs },
  { weight: 2, arbitrary: splice },
)
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
export type StepOf<K extends Step['kind']> = Extract<Step, { readonly kind: K }>

export const program = fc.record({
  tickets: fc.array(ticketSpec, { minLength: 1, maxLength: 4 }),
  steps: fc.array(step, { minLength: 8, maxLength: 20 }),
})
export type Program = typeof program extends fc.Arbitrary<infer T> ? T : never
