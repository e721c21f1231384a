import fc from 'fast-check'
import { DAY, MINUTE, SECOND } from '../../shared/time.js'
import type { PlainCaveat } from '../properties/model.js'
import {
  ALICE,
  BACKEND,
  BILLING,
  BOB,
  EVE,
  EVERYONE,
  FLEET,
  GATE,
  KDC,
  KRBTGT,
  MALLORY,
  ORDERS,
  TEAM,
} from './cast.js'
import { deed, index, maybe, mostly, type WeightedDeed } from './draw.js'
import * as policies from './policy-deeds.js'

/** Deeds about policy, as fast-check draws them. Much of it is about the attacker, so that others have work left. */

const client = fc.constantFrom<string>(EVE, EVE, TEAM, TEAM, GATE, FLEET, EVERYONE)
const service = fc.constantFrom<string>(
  ORDERS,
  BILLING,
  BILLING,
  MALLORY,
  MALLORY,
  BACKEND,
  BACKEND,
  EVERYONE,
)
const lasts = maybe(fc.constantFrom(30 * SECOND, 2 * MINUTE, 8 * MINUTE), 1)

const terms: fc.Arbitrary<policies.DrawnTerms> = fc.record({
  effect: fc.constantFrom('allow', 'allow', 'allow', 'deny'),
  delegable: fc.boolean(),
  claims: fc.constantFrom([], [['role', 'reader']] as const, [['role', 'guest']] as const),
  caveats: fc.constantFrom<PlainCaveat[]>([], [], [['methods', ['GET']]], [['paths', ['/orders']]]),
  maxLife: maybe(fc.constantFrom(MINUTE, 3 * MINUTE)),
  lasts,
  rate: maybe(fc.constantFrom({ points: 1, interval: MINUTE }, { points: 2, interval: 10 * MINUTE }), 2),
})

const widening = fc.constantFrom<policies.DrawnTerms['claims']>(
  [],
  [['role', 'admin']],
  [['owner', 'orders']],
  [['owner', BACKEND]],
)

export const POLICY_KINDS = [
  deed(3, policies.askAtTheEnd, fc.record({ which: index, beyond: fc.integer({ min: -1, max: 1 }) })),
  deed(
    1,
    policies.comeAndGo,
    fc.constantFrom(
      { name: EVE, group: TEAM },
      { name: MALLORY, group: BACKEND },
      { name: BILLING, group: BACKEND },
    ),
  ),
  deed(
    2,
    policies.askAgain,
    fc.record({
      service: fc.constantFrom(ORDERS, BILLING, MALLORY),
      points: fc.integer({ min: 1, max: 2 }),
      early: fc.integer({ min: 0, max: 1 }),
    }),
  ),
  deed(5, policies.govern, fc.record({ client, service, terms, forgotten: mostly(false, true) })),
  deed(
    4,
    policies.regroup,
    fc
      .constantFrom(
        [EVE, TEAM],
        [EVE, TEAM],
        [GATE, TEAM],
        [BOB, TEAM],
        [BILLING, BACKEND],
        [MALLORY, BACKEND],
      )
      .chain(([name = EVE, group = TEAM]) =>
        fc.record({ name: fc.constant(name), group: fc.constant(group), joins: mostly(true, false, false) }),
      ),
  ),
  deed(
    4,
    policies.appoint,
    fc.record({
      client: fc.constantFrom<string>(EVE, EVE, EVE, TEAM, GATE, MALLORY, BILLING),
      owned: fc.constantFrom('mallory', 'mallory', 'billing', 'orders', BACKEND),
      lasts: maybe(fc.constantFrom(2 * MINUTE, 8 * MINUTE), 3),
      taken: mostly(false, true),
    }),
  ),
  deed(
    8,
    policies.actAsOwner,
    fc.record({
      method: fc.constantFrom(
        ...policies.OWNING,
        'allow',
        'allow',
        'deny',
        'forget',
        'invite',
        'invite',
        'invite',
      ),
      fresh: mostly(true, false),
      which: index,
      added: fc.constantFrom<readonly PlainCaveat[]>([], [], [], [['claims', []]], [['claims', ['owner']]]),
      client: fc.constantFrom<string>(EVE, EVE, TEAM, ALICE, EVERYONE),
      service: fc.constantFrom<string>(
        ...[policies.OWN, policies.OWN, policies.OWN, policies.OWN],
        ...[policies.OWN, policies.OWN, policies.OWN, policies.OWN],
        ...[MALLORY, BILLING, ORDERS, KDC, KRBTGT, BACKEND, EVERYONE, EVE],
      ),
      terms: fc.tuple(terms, widening, fc.boolean()).map(([drawn, claims, widened]) => ({
        ...drawn,
        rate: null,
        ...(widened ? { claims, caveats: [] } : {}),
      })),
      life: fc.constantFrom(10 * MINUTE, 10 * MINUTE, DAY, DAY + 1),
    }),
  ),
] as readonly WeightedDeed[]
