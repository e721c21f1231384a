import fc from 'fast-check'
import { WIRE_CODES } from '../../shared/errors.js'
import { MINUTE, SECOND } from '../../shared/time.js'
import type { PlainCaveat } from '../properties/model.js'
import {
  ALICE,
  BILLING,
  BOB,
  CAROL,
  CLIENTS,
  EVE,
  EVERYBODY,
  GATE,
  GHOST,
  KDC,
  KRBTGT,
  MALLORY,
  ORDERS,
  SERVICES,
} from './cast.js'
import type { Deed } from './deed.js'
import * as delegating from './delegation-deeds.js'
import { deed, index, maybe, mostly, type WeightedDeed } from './draw.js'
import * as honest from './honest-deeds.js'
import * as keys from './key-deeds.js'
import { KEY_KINDS } from './key-program.js'
import * as network from './network-deeds.js'
import { POLICY_KINDS } from './policy-program.js'
import * as setting from './setting-deeds.js'
import * as wire from './wire-deeds.js'

/** What a run is made of, as fast-check draws it; how often each kind comes is in `KINDS`. */

const client = fc.constantFrom(ALICE, ALICE, ALICE, BOB, BOB, GATE, GATE, CAROL)
const service = fc.constantFrom(ORDERS, ORDERS, ORDERS, BILLING, BILLING, MALLORY)
const honestService = fc.constantFrom(...SERVICES)

const target = fc.constantFrom(
  '/orders/7',
  '/orders/7',
  '/orders',
  '/orders/7',
  '/orders/7',
  '/orders/7?to=1',
  '/bills',
  '/admin',
)
const asking = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'POST', 'POST', 'DELETE'),
    target,
    body: fc.constantFrom('pay 7', 'pay 8'),
  })
  .map(({ method, target, body }) => ({ method, target, body: method === 'GET' ? '' : body }))

const with_ = <A extends object, B extends object>(
  one: fc.Arbitrary<A>,
  other: fc.Arbitrary<B>,
): fc.Arbitrary<A & B> => fc.tuple(one, other).map(([a, b]) => ({ ...a, ...b }))

const request = with_(fc.record({ client, service }), asking)
const easy = fc.record({
  client,
  service,
  method: fc.constant('GET'),
  target: fc.constantFrom('/orders', '/orders/7'),
  body: fc.constant(''),
})

const restriction = fc.record({
  to: fc.constantFrom('receiver', 'receiver', 'receiver', 'gate', 'mallory', null),
  expires: maybe(fc.constantFrom(5 * SECOND, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE), 1),
  methods: maybe(fc.constantFrom(['GET'], ['GET', 'POST'], ['DELETE'])),
  paths: maybe(fc.constantFrom(['/orders'], ['/orders/7'], ['/bills'])),
  claims: maybe(fc.constantFrom([], ['role'], ['name'])),
})
const delegation = fc.record({
  client: fc.constantFrom(ALICE, BOB),
  service: fc.constantFrom(ORDERS, ORDERS, BILLING, MALLORY),
  restriction,
  receiver: fc.constantFrom(GATE, GATE, EVE, EVE, MALLORY),
  closed: fc.boolean(),
})
const tgtDelegation = fc.record({
  client: fc.constantFrom(ALICE, BOB),
  services: fc.constantFrom([ORDERS], [ORDERS, BILLING], [BILLING], [MALLORY], [KDC], [KDC, ORDERS]),
  restriction: restriction,
  receiver: fc.constantFrom(GATE, EVE),
})
const using = with_(fc.record({ which: index, undisturbed: mostly(true, false) }), asking)

const caveat: fc.Arbitrary<PlainCaveat> = fc.oneof(
  fc.constantFrom<PlainCaveat>(
    ['methods', ['GET', 'POST']],
    ['paths', ['/']],
    ['claims', ['role']],
    ['claims', []],
  ),
  fc.constantFrom<PlainCaveat>(
    ['expires', Date.UTC(2026, 0, 1) + 10 * MINUTE],
    ['expires', Date.UTC(2030, 0, 1)],
    ['services', [ORDERS]],
    ['services', [ORDERS, BILLING, MALLORY]],
    ['holder', EVE],
    ['holder', GATE],
  ),
  fc.constantFrom<PlainCaveat>(
    ['app', 'tenant', 'acme'],
    ['nonsense', 1],
    ['expires', 'soon'],
    ['paths', ['/x/../']],
  ),
)
const added = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.array(caveat, { minLength: 1, maxLength: 2 }) },
)
const showing = fc.record({
  power: index,
  added,
  forgery: fc.oneof(
    { weight: 4, arbitrary: fc.constant('none' as const) },
    { weight: 2, arbitrary: fc.constantFrom(...keys.FORGERIES, 'replace' as const) },
  ),
  at: fc.nat({ max: 3 }),
})
/** Of stamps: the edges of a service's window. */
const offset = mostly(0, 5_000, 5_001, 4_000, -59_999, -60_000, -30_000, 70_000)
const kdcOffset = mostly(0, 0, 120_000, 120_001, -120_000, -120_001)
const forging = with_(
  with_(showing, asking),
  fc.record({ service: maybe(fc.constantFrom(ORDERS, BILLING), 8), offset, own: fc.boolean() }),
)
const kdcAsking = fc.record({
  services: fc.constantFrom(
    [ORDERS],
    [ORDERS, BILLING],
    [MALLORY],
    [ORDERS, MALLORY, BILLING],
    [GHOST],
    [KRBTGT],
    [KDC],
    [KDC, ORDERS],
    [CAROL, ORDERS],
    [],
  ),
  lifetime: mostly(0, 30 * SECOND, 60 * MINUTE),
  renew: fc.boolean(),
  offset: kdcOffset,
})
const how = fc.constantFrom(...network.CHANGES)
const at = fc.nat({ max: 2_000 })
/** How a service's clock goes back before a restart; below a second, as section 8 allows. */
const back = fc.constantFrom(0, 0, 999)

const KINDS = [
  deed(8, honest.exchange, fc.oneof({ weight: 3, arbitrary: easy }, { weight: 2, arbitrary: request })),
  deed(8, honest.send, request),
  deed(10, delegating.delegate, delegation),
  deed(
    2,
    delegating.handOff,
    with_(
      request,
      fc.record({
        service: fc.constantFrom(MALLORY, MALLORY, ORDERS),
        restriction,
        about: fc.constantFrom(ORDERS, ORDERS, BILLING),
      }),
    ),
  ),
  deed(3, delegating.delegateTgt, tgtDelegation),
  deed(10, delegating.presentDelegated, using),
  deed(5, delegating.presentBorrowed, with_(using, fc.record({ service }))),
  deed(3, delegating.presentLess, with_(request, fc.record({ restriction }))),

  deed(9, network.carry, fc.record({ which: index })),
  deed(4, network.carryThere, fc.record({ which: index })),
  deed(1, network.carryLate, fc.record({ which: index })),
  deed(2, network.drop, fc.record({ which: index })),
  deed(
    6,
    network.answerFalsely,
    fc.record({
      which: index,
      how: fc.constantFrom(...network.ANSWERS),
      source: index,
      at,
      code: mostly<string>('ticket_invalid', ...WIRE_CODES),
    }),
  ),

  deed(5, wire.replay, fc.record({ letter: index, service: maybe(honestService) })),
  deed(2, wire.replayOld, fc.record({ letter: index, beyond: fc.integer({ min: -2, max: 2 }) })),
  deed(
    4,
    wire.alter,
    fc.record({
      letter: index,
      part: fc.constantFrom('method', 'target', 'body', 'override', 'added header', 'credential', 'type'),
      other: asking,
    }),
  ),
  deed(3, wire.mutate, fc.record({ letter: index, how, at })),
  deed(3, wire.splice, fc.record({ one: index, other: index, mask: fc.nat({ max: 255 }) })),
  deed(2, wire.rename, fc.record({ letter: index, service, kvno: fc.integer({ min: 1, max: 3 }) })),
  deed(
    4,
    wire.confuse,
    fc.record({
      source: index,
      entry: fc.constantFrom('kdc', ORDERS, BILLING, MALLORY),
      type: maybe(fc.integer({ min: 0, max: 15 }), 2),
    }),
  ),
  deed(7, keys.forge, forging),
  deed(
    3,
    keys.forgeAndRestart,
    with_(forging, fc.record({ back, pause: fc.constantFrom(0, 1, 1_000, 2_000) })),
  ),
  deed(
    8,
    keys.forgeDelegated,
    with_(
      forging,
      fc.record({
        second: showing,
        client: maybe(fc.constantFrom(ALICE, BOB, EVE), 7),
        reversed: maybe(fc.constant(true), 7).map(drawn => drawn === true),
      }),
    ),
  ),
  deed(
    3,
    keys.misname,
    with_(easy, fc.record({ power: index, client: fc.constantFrom(ALICE, BOB, GATE, EVE) })),
  ),
  deed(3, keys.delegateToItself, with_(easy, fc.record({ power: index }))),
  deed(
    3,
    keys.atTheEnd,
    with_(
      asking,
      fc.record({
        power: index,
        expires: fc.boolean(),
        beyond: fc.integer({ min: -1, max: 1 }),
        kdc: mostly(false, true),
      }),
    ),
  ),
  deed(
    3,
    keys.forgeTicket,
    with_(
      asking,
      fc.record({
        key: index,
        client,
        service: fc.constantFrom(ORDERS, BILLING, MALLORY, KRBTGT),
        bound: fc.boolean(),
        showTo: fc.constantFrom('kdc', ORDERS, BILLING),
      }),
    ),
  ),
  deed(
    2,
    keys.spliceTicket,
    with_(asking, fc.record({ power: index, ticket: index, showTo: maybe(honestService) })),
  ),
  deed(2, keys.borrowLeg, with_(asking, fc.record({ power: index, letter: index, right: fc.boolean() }))),
  deed(
    3,
    wire.attackKdc,
    fc.record({
      question: index,
      how: fc.constantFrom('replayed' as const, 'replayed' as const, ...network.CHANGES),
      at,
    }),
  ),
  deed(2, wire.spliceQuestion, fc.record({ one: index, other: index, mask: fc.nat({ max: 255 }) })),
  deed(
    6,
    keys.login,
    with_(kdcAsking, fc.record({ key: index, client: maybe(fc.constantFrom(...CLIENTS), 6) })),
  ),
  deed(
    6,
    keys.askTgs,
    with_(with_(kdcAsking, showing), fc.record({ own: fc.boolean(), wrongTicket: mostly(false, true) })),
  ),

  deed(
    6,
    setting.pass,
    fc.record({
      time: fc.constantFrom(1, 500, 1_000, 4_000, 6_000, 30_000, 65_000, 3 * MINUTE, 9 * MINUTE, 25 * MINUTE),
    }),
  ),
  deed(
    4,
    setting.step,
    fc.record({
      clock: fc.constantFrom('kdc', ...SERVICES, ...SERVICES, MALLORY, ...CLIENTS),
      offset: mostly(0, 999, -999, 2_000, -3_000, 20_000, -20_000, 70_000, -70_000),
    }),
  ),
  deed(
    2,
    setting.restartService,
    fc.record({ service, back, pause: fc.constantFrom(0, 1_001, 6_000), saved: fc.boolean() }),
  ),
  deed(1, setting.restartKdc, fc.constant({})),
  deed(
    4,
    setting.administer,
    fc.record({
      name: mostly<string>(ALICE, ...EVERYBODY),
      method: fc.constantFrom('disable', 'enable', 'enable', 'remove', 'add', 'add') as fc.Arbitrary<
        'disable' | 'enable' | 'remove' | 'add'
      >,
    }),
  ),
  deed(2, setting.replace, fc.record({ name: mostly<string>(EVE, ...EVERYBODY) })),
  deed(
    2,
    setting.interrupt,
    fc.record({
      name: mostly<string>(EVE, ALICE, ALICE, ...EVERYBODY),
      back: fc.constantFrom(0, 5 * MINUTE, 5 * MINUTE),
    }),
  ),
  deed(
    1,
    setting.stealSession,
    fc.record({ client, service: maybe(fc.constantFrom(ORDERS, BILLING, KDC, KDC), 1) }),
  ),
  deed(1, setting.stealKey, fc.record({ client })),
] as readonly WeightedDeed[]

const ALL_KINDS = [...KINDS, ...KEY_KINDS, ...POLICY_KINDS]

/** What makes a change of policy felt, and what may end the rights of an owner. */
const ABOUT_POLICY: ReadonlySet<string> = new Set([
  ...POLICY_KINDS.map(({ name }) => name),
  ...[
    'the attacker logs in',
    'the attacker asks the TGS',
    'the attacker uses a code',
    'an undisturbed request',
  ],
  ...['time passes', 'a principal is changed', "a client's tickets are revoked", 'the KDC restarts'],
])

const KINDS_ABOUT = {
  everything: ALL_KINDS,
  policy: ALL_KINDS.filter(({ name }) => ABOUT_POLICY.has(name)),
} as const

export const MAX_COMMANDS = 60

/**
 * @param replayPath of a run that failed
 * @param about what happens in a run
 */
export function programs(
  replayPath: string | null,
  about: keyof typeof KINDS_ABOUT,
): fc.Arbitrary<Iterable<Deed<unknown>>> {
  const settings = {
    maxCommands: MAX_COMMANDS,
    size: 'max' as const,
    ...(replayPath === null ? {} : { replayPath }),
  }
  return fc.commands([fc.oneof(...KINDS_ABOUT[about])], settings) as unknown as fc.Arbitrary<
    Iterable<Deed<unknown>>
  >
}
