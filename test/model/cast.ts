import { MINUTE } from '../../shared/time.js'
import type { PlainPolicy, PlainRule } from '../properties/model.js'
import { whole } from '../properties/programs.js'

/** The parties of a run of the model, policy, and the realm: plain values. */

/** Honest clients. `GATE` is the one that others delegate to. */
export const ALICE = whole('alice')
export const BOB = whole('bob')
export const GATE = whole('gate')
/** Honest services. */
export const ORDERS = whole('orders')
export const BILLING = whole('billing')
/** The attacker's own parties: a registered client, and a service that honest clients use. */
export const EVE = whole('eve')
export const MALLORY = whole('mallory')
/** Policy names it, but there is no such principal. */
export const GHOST = whole('ghost')
export const KRBTGT = whole('krbtgt')
/** The service that the KDC hosts: every client may have a bare ticket for it. */
export const KDC = whole('kdc')

export const CLIENTS = [ALICE, BOB, GATE] as const
export const SERVICES = [ORDERS, BILLING] as const
/** The one that follows what the KDC revokes; for the others a ticket is good until it ends. */
export const FOLLOWER = ORDERS
/** For how long it accepts without the KDC's word, milliseconds. */
export const MAX_STALENESS = 5 * MINUTE
export const ATTACKERS: readonly string[] = [EVE, MALLORY]
export const EVERYBODY = [...CLIENTS, ...SERVICES, ...ATTACKERS] as const

/** In a claim, and so in what is sealed: nobody may read it on the network. */
export const CANARY = 'canary-that-only-alice-and-orders-know'

/** Milliseconds: short, so that tickets end within a run. */
export const LIVES = { maxTgtLife: 30 * MINUTE, maxServiceLife: 10 * MINUTE, maxRenew: 40 * MINUTE } as const

const plain: PlainRule = { delegable: false, claims: [], caveats: [], maxLife: null }
const delegable: PlainRule = { ...plain, delegable: true }
const READER = ['role', 'reader'] as const

const RULES: Readonly<Record<string, PlainRule>> = {
  [`${ALICE} ${ORDERS}`]: {
    ...delegable,
    claims: [['name', CANARY], READER],
    caveats: [['methods', ['GET', 'POST']]],
  },
  [`${ALICE} ${BILLING}`]: { ...plain, claims: [READER], caveats: [['paths', ['/orders', '/bills']]] },
  [`${ALICE} ${MALLORY}`]: { ...delegable, claims: [READER] },
  [`${ALICE} ${GHOST}`]: plain,
  [`${BOB} ${ORDERS}`]: delegable,
  [`${BOB} ${BILLING}`]: { ...delegable, claims: [READER], maxLife: 3 * MINUTE },
  [`${BOB} ${MALLORY}`]: delegable,
  [`${GATE} ${ORDERS}`]: { ...plain, claims: [READER] },
  [`${GATE} ${BILLING}`]: { ...plain, claims: [READER] },
  [`${EVE} ${ORDERS}`]: { ...delegable, claims: [['role', 'guest']] },
  [`${EVE} ${BILLING}`]: plain,
  [`${EVE} ${MALLORY}`]: plain,
  [`${MALLORY} ${ORDERS}`]: plain,
}

const BARE = Object.fromEntries(EVERYBODY.map(client => [`${client} ${KDC}`, plain]))

/** The rules that an administrator made. */
export const GIVEN_RULES = RULES

export const POLICY: Omit<PlainPolicy, 'services'> = { tgs: KRBTGT, rules: { ...RULES, ...BARE } }

/** What the handler of `billing` asks for beyond a good request. */
export const BILLING_CLAIMS = { role: 'reader' } as const
export const BILLING_DELEGATES = ['gate'] as const
