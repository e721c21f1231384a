import fc from 'fast-check'
import { MINUTE } from '../../shared/time.js'
import type { PlainCaveat } from '../properties/model.js'
import * as authority from './authority-deeds.js'
import { ALICE, BILLING, BOB, CAROL, CLIENTS, EVE, EVERYBODY, FLEET, KDC, ORDERS } from './cast.js'
import { deed, index, maybe, mostly, type WeightedDeed } from './draw.js'
import * as feeds from './feed-deeds.js'
import * as inviting from './invitation-deeds.js'
import * as passwords from './password-deeds.js'
import * as rotating from './rotation-deeds.js'
import { PAUSES } from './service-host.js'
import * as sessions from './session-deeds.js'
import * as setting from './setting-deeds.js'

/** Deeds about keys and sessions at the KDC, as fast-check draws them. */

const holder = fc.constantFrom(ALICE, BOB, ...CLIENTS, ORDERS, BILLING)

const calling = {
  method: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('next-key', 'next-key', 'keys', 'longest-life') },
    { weight: 1, arbitrary: fc.constantFrom('follow', 'alive', 'seen') },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'disable',
        'remove',
        'show',
        'rotate',
        'replace-key',
        'revoke-client',
        'reset-password',
        'due',
      ),
    },
  ),
  kvnoOff: mostly(0, -1, 1),
  about: fc.constantFrom(ALICE, BOB, ORDERS, EVE),
}

const added: fc.Arbitrary<readonly PlainCaveat[]> = fc.oneof(
  { weight: 4, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<readonly PlainCaveat[]>(
      [['expires', Date.UTC(2030, 0, 1)]],
      [['claims', []]],
      [['services', [KDC]]],
      [['methods', ['GET']]],
    ),
  },
)

/** Of a host that joins a fleet: drawn by the KDC, or one of few, so that it is often there already. */
const instance = maybe(fc.constantFrom('a', 'b'), 1)

const seizing = { ...calling, method: fc.constantFrom('next-key', 'new-password', 'new-password', 'keys') }

export const KEY_KINDS = [
  deed(
    6,
    rotating.rotate,
    fc.record({ name: holder, interrupted: fc.constantFrom(...rotating.INTERRUPTIONS) }),
  ),
  deed(
    6,
    sessions.speak,
    fc.record({
      ...calling,
      power: index,
      own: fc.boolean(),
      added,
      beyond: maybe(fc.integer({ min: -1, max: 1 })),
    }),
  ),
  deed(2, setting.revokeClient, fc.record({ name: fc.constantFrom(EVE, ALICE, BOB, ORDERS) })),
  deed(2, setting.revokeTicket, fc.record({ which: index })),
  deed(1, setting.revokeKey, fc.record({ name: fc.constantFrom(ALICE, ORDERS, EVE) })),
  deed(
    2,
    authority.replaceKey,
    fc.record({ name: fc.constantFrom<string>(ORDERS, ORDERS, ...EVERYBODY), restarted: fc.boolean() }),
  ),
  deed(2, authority.rotateKdc, fc.record({ name: fc.constantFrom(...authority.KDC_NAMES) })),
  deed(1, authority.restore, fc.record({ power: index, revoked: fc.boolean() })),
  deed(
    2,
    authority.revokeInFlight,
    fc.record({
      power: index,
      method: fc.constantFrom('GET', 'POST'),
      pause: fc.constantFrom(...PAUSES),
      whole: fc.boolean(),
    }),
  ),
  deed(1, passwords.change, fc.constant({})),
  deed(
    2,
    passwords.seize,
    fc.record({
      ...seizing,
      client: fc.constantFrom(CAROL, CAROL, ALICE),
      beyond: maybe(fc.integer({ min: -1, max: 1 })),
    }),
  ),
  deed(1, passwords.usePart, fc.record({ ...seizing, client: fc.constantFrom(CAROL, ALICE) })),
  deed(2, feeds.hold, fc.constant({})),
  deed(3, feeds.release, fc.constant({})),
  deed(1, feeds.cut, fc.constant({})),
  deed(
    2,
    feeds.delay,
    index.map(power => ({ power, restarted: power % 2 === 1 })),
  ),
  deed(
    3,
    feeds.tamper,
    fc.record({ how: fc.constantFrom(...feeds.TAMPERINGS), which: fc.nat({ max: 200 }) }),
  ),
  deed(3, feeds.leaveAlone, fc.constant({})),
  deed(
    4,
    inviting.invite,
    fc.record({
      target: fc.constantFrom(ALICE, BOB, ORDERS, ORDERS, BILLING, FLEET, FLEET, FLEET),
      life: fc.constantFrom(10 * MINUTE, 10 * MINUTE, 1_000),
      stolen: fc.boolean(),
      uses: fc.integer({ min: 1, max: 3 }),
      hostsLife: maybe(fc.constantFrom(4 * MINUTE), 1),
    }),
  ),
  deed(
    6,
    inviting.join,
    fc.record({
      which: fc.nat({ max: 1 }),
      interrupted: mostly(false, true),
      restarted: fc.boolean(),
      instance,
    }),
  ),
  deed(5, inviting.spendCode, fc.record({ which: fc.nat({ max: 1 }), shown: fc.boolean(), instance })),
  deed(1, inviting.stealCode, fc.record({ which: index })),
  deed(1, inviting.withdraw, fc.record({ which: index })),
  deed(3, sessions.speakAgain, fc.record({ ...calling, which: index })),
  deed(2, sessions.replayTalk, fc.record({ which: index, skipped: mostly(0, 1) })),
] as readonly WeightedDeed[]
