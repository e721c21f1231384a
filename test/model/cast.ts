import { MINUTE } from '../../shared/time.js'
import type { PlainPolicy, PlainRule } from '../properties/model.js'
import { whole } from '../properties/programs.js'

/** The parties of a run of the model, policy, and the realm: plain values. */

/** Honest clients. `GATE` is the one that others delegate to. */
export const ALICE = whole('alice')
export const BOB = whole('bob')
export const GATE = whole('gate')
/** A person, who logs in with a password. */
export const CAROL = whole('carol')
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

export const CLIENTS = [ALICE, BOB, GATE, CAROL] as const
/** Those of them whose keys come from passwords, and who are never a service. */
export const PEOPLE: readonly string[] = [CAROL]
export const SERVICES = [ORDERS, BILLING] as const
/** The one that follows what the KDC revokes; for the others a ticket is good until it ends. */
export const FOLLOWER = ORDERS
/** For how long it accepts without the KDC's word, milliseconds. */
export const MAX_STALENESS = 5 * MINUTE
export const ATTACKERS: readonly string[] = [EVE, MALLORY]
export const EVERYBODY = [...CLIENTS, ...SERVICES, ...ATTACKERS] as const

/** All hosts of a fleet: principals that a code makes, for which one rule of policy is written. */
export const FLEET = 'node/*@demo.example'
const FLEET_PREFIX = 'node/'

export function isOfFleet(name: string): boolean {
  return name.startsWith(FLEET_PREFIX)
}

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
  [`${CAROL} ${ORDERS}`]: { ...plain, claims: [READER] },
  [`${CAROL} ${BILLING}`]: { ...plain, claims: [READER] },
  [`${BOB} ${CAROL}`]: plain,
  [`${EVE} ${CAROL}`]: plain,
  [`${EVE} ${ORDERS}`]: { ...delegable, claims: [['role', 'guest']] },
  [`${EVE} ${BILLING}`]: plain,
  [`${EVE} ${MALLORY}`]: plain,
  [`${MALLORY} ${ORDERS}`]: plain,
}

/** The rules that an administrator made before the run begins. The attacker owns its own service. */
export const GIVEN_RULES: Readonly<Record<string, PlainRule>> = {
  ...RULES,
  [`${FLEET} ${ORDERS}`]: plain,
  [`${EVE} ${KDC}`]: { ...plain, claims: [['owner', 'mallory']] },
}

export const POLICY: Omit<PlainPolicy, 'services' | 'rules'> = { tgs: KRBTGT, kdc: KDC }

/** Groups of clients and of services, which begin without members. */
export const TEAM = '@team'
export const BACKEND = '@backend'
/** In a rule. */
export const EVERYONE = '*'

/** What the handler of `billing` asks for beyond a good request. */
export const BILLING_CLAIMS = { role: 'reader' } as const
export const BILLING_DELEGATES = ['gate'] as const
