import { encodeGroupChange } from '../../shared/administration/groups.js'
import { decodeMadeInvitation, encodeNewInvitation } from '../../shared/administration/invitations.js'
import { encodePolicyRule } from '../../shared/administration/rules.js'
import type { Value } from '../../shared/encoding/encoding.js'
import type { Pattern } from '../../shared/pattern.js'
import type { Principal } from '../../shared/principal.js'
import type { PlainCaveat } from '../properties/model.js'
import { encodeAll } from '../properties/world.js'
import { BACKEND, BILLING, EVE, KDC, MALLORY, ORDERS } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import { ruleFrom } from './plain-rule.js'
import type { FactRule } from './policy-facts.js'

/** What administrators do about rules, groups and owners, and what an owner tries. */

/** How a rule is drawn. Its end counts from the moment at which it is made. */
export type DrawnTerms = Omit<FactRule, 'client' | 'service' | 'until'> & { readonly lasts: number | null }

export const govern: Kind<{
  readonly client: string
  readonly service: string
  readonly terms: DrawnTerms
  readonly forgotten: boolean
}> = {
  name: 'a rule is changed',
  async act({ world }, { client, service, terms, forgotten }) {
    const { kdc, reference } = world
    if (forgotten) {
      if (!reference.policy.has(client, service)) return false
      await kdc.forget(client, service)
      reference.policy.forget(client, service)
      return true
    }
    const rule = ruleAt(kdc.clock.now(), client, service, terms)
    await kdc.setRule(rule)
    reference.policy.set(rule)
    return true
  },
}

function ruleAt(now: number, client: string, service: string, { lasts, ...terms }: DrawnTerms): FactRule {
  return { ...terms, client, service, until: lasts === null ? null : now + lasts }
}

export const regroup: Kind<{ readonly name: string; readonly group: string; readonly joins: boolean }> = {
  name: 'a group is changed',
  async act({ world }, { name, group, joins }) {
    const { kdc, reference } = world
    if (reference.principal(name)?.exists !== true) return false
    await kdc.move(name, group, joins)
    reference.policy.move(name, group, joins)
    return true
  },
}

const NOTHING = { delegable: false, claims: [], caveats: [], maxLife: null, rate: null } as const

/** Asks for everything, as often as it likes: a rate counts each ticket. */
async function askForAll({ world, attacker }: Run, times: number): Promise<void> {
  const entry = attacker.identities.find(({ principal }) => principal === EVE)
  const asking = { services: [ORDERS, BILLING, MALLORY], lifetime: 0, renew: false, offset: 0 }
  for (let i = 0; i < times && entry !== undefined; i++) await attacker.login(entry, EVE, asking)
  world.tally.count('the attacker asks for all that policy gives it')
}

export const askAtTheEnd: Kind<{ readonly which: number; readonly beyond: number }> = {
  name: 'the attacker asks at the very end of a rule',
  async act(run, { which, beyond }) {
    const { world } = run
    const now = world.kdc.clock.now()
    const until = among(world.reference.policy.endsOf(EVE, now), which)
    if (until === undefined || until + beyond <= now) return false
    world.pass(until + beyond - now)
    await askForAll(run, 1)
    return true
  },
}

export const comeAndGo: Kind<{ readonly name: string; readonly group: string }> = {
  name: 'who leaves a group leaves its rules',
  async act(run, { name, group }) {
    const { kdc, reference } = run.world
    if (reference.principal(name)?.exists !== true) return false
    const pair = group === BACKEND ? [EVE, BACKEND] : [group, MALLORY]
    const [client = EVE, service = MALLORY] = pair
    const denial = { ...NOTHING, client, service, effect: 'deny', until: null } as const
    await kdc.setRule(denial)
    reference.policy.set(denial)
    for (const joins of [true, false]) {
      await kdc.move(name, group, joins)
      reference.policy.move(name, group, joins)
      await askForAll(run, 1)
    }
    return true
  },
}

export const askAgain: Kind<{
  readonly service: string
  readonly points: number
  /** How long before the end of the interval it asks once more, milliseconds. */
  readonly early: number
}> = {
  name: 'the attacker asks for more than a rate gives it',
  async act(run, { service, points, early }) {
    const { world } = run
    const rate = { points, interval: RATE_INTERVAL }
    const rule = { ...NOTHING, client: EVE, service, effect: 'allow', until: null, rate } as const
    await world.kdc.setRule(rule)
    world.reference.policy.set(rule)
    await askForAll(run, points + 1)
    world.pass(RATE_INTERVAL - early)
    await askForAll(run, 1)
    return true
  },
}

const RATE_INTERVAL = 5_000

export const appoint: Kind<{
  readonly client: string
  readonly owned: string
  readonly lasts: number | null
  readonly taken: boolean
}> = {
  name: 'an owner is appointed, or ownership taken away',
  async act({ world }, { client, owned, lasts, taken }) {
    const { kdc, reference } = world
    if (taken && reference.policy.has(client, KDC)) {
      await kdc.forget(client, KDC)
      reference.policy.forget(client, KDC)
      return true
    }
    const terms = { ...NOTHING, effect: 'allow', claims: [['owner', owned]], lasts } as const
    const rule = ruleAt(kdc.clock.now(), client, KDC, terms)
    await kdc.setRule(rule)
    reference.policy.set(rule)
    return true
  },
}

export const OWNING = [
  'allow',
  'deny',
  'forget',
  'rule',
  'invite',
  'uninvite',
  'rotate',
  'show',
  'group-add',
  'group-remove',
] as const

/** Stands for what the attacker owns at that moment. */
export const OWN = 'its own'

export const actAsOwner: Kind<{
  readonly method: (typeof OWNING)[number]
  /** Whether it logs in for it, or uses a ticket of before. */
  readonly fresh: boolean
  readonly which: number
  readonly added: readonly PlainCaveat[]
  readonly client: string
  readonly service: string
  readonly terms: DrawnTerms
  /** How long a code is to be good for, milliseconds. */
  readonly life: number
}> = {
  name: 'an owner tries what it may and what it may not',
  async act(run, { method, fresh, which, added, client, service, terms, life }) {
    const { world, attacker } = run
    const { policy } = world.reference
    const entry = attacker.identities.find(({ principal }) => principal === EVE)
    const asking = { services: [KDC], lifetime: 0, renew: false, offset: 0 }
    if (fresh && entry !== undefined) await attacker.login(entry, EVE, asking)
    const powers = attacker.powers.filter(one => one.client === EVE && one.service === KDC)
    const power = fresh ? powers.at(-1) : among(powers, which)
    if (power === undefined) return false
    const talk = await world.openTalk(undefined, attacker.shown(power, encodeAll(added)))
    if (talk === undefined) return true
    world.talks.push({ talk, client: EVE })
    const now = world.kdc.clock.now()
    const [owned = MALLORY] = policy.ownedBy(EVE, now)
    const target = service === OWN ? owned : service
    const rule = ruleAt(now, client, target, { ...terms, effect: method === 'deny' ? 'deny' : 'allow' })
    const answer = await talk.call(method, argumentsOf(run, method, rule, now + life, which))
    if (answer === undefined || 'code' in answer) return true
    world.tally.count(`an owner may ${method}`)
    if (method !== 'invite') return true
    const { invitation } = decodeMadeInvitation(answer.results)
    world.reference.stealKey(invitation.principal)
    attacker.takeKey(invitation)
    return true
  },
}

function argumentsOf(
  { world, attacker }: Run,
  method: (typeof OWNING)[number],
  rule: FactRule,
  endsAt: number,
  which: number,
): readonly Value[] {
  const { client, service } = rule
  if (method === 'allow' || method === 'deny') return encodePolicyRule(ruleFrom(rule))
  if (method === 'forget' || method === 'rule') return [client, service]
  if (method === 'invite')
    return encodeNewInvitation({ target: service as Pattern, uses: 1, endsAt, principalsLife: null })
  if (method === 'group-add' || method === 'group-remove')
    return encodeGroupChange({ group: BACKEND as Pattern, principals: [EVE as Principal] })
  if (method !== 'uninvite') return [service]
  const codes = [...attacker.identities, ...world.codes].map(({ principal }) => principal)
  return [among(codes, which) ?? service]
}
