import { secretsOf } from '../../client/ticket/ticket.js'
import { decodeEnrolled } from '../../shared/administration/invitations.js'
import { finishChain } from '../../shared/crypto/derive.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { FLEET, KDC, ORDERS } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import type { HonestClient } from './honest-client.js'
import { obtain } from './honest-deeds.js'
import { require } from './reference.js'

/** Codes that bring a key to a new host: used by it, and stolen before, after and in between (section 12). */

export const invite: Kind<{
  readonly target: string
  readonly life: number
  readonly stolen: boolean
  /** How many hosts of a fleet, and how long each exists. */
  readonly uses: number
  readonly hostsLife: number | null
}> = {
  name: 'a host is invited',
  async act({ world, attacker }, { target, life, stolen, uses, hostsLife }) {
    const { reference, kdc } = world
    const forFleet = target === FLEET
    const endsAt = kdc.clock.now() + life
    const terms = { target, uses: forFleet ? uses : 1, endsAt, principalsLife: forFleet ? hostsLife : null }
    const code = await kdc.invite(terms)
    reference.invite(code.principal, terms, code.kvno)
    world.keepCode(code)
    if (stolen) {
      reference.stealKey(code.principal)
      attacker.takeKey(code)
    }
    return true
  },
}

export const stealCode: Kind<{ readonly which: number }> = {
  name: 'a code is stolen',
  async act({ world, attacker }, { which }) {
    const code = among(world.codes, which)
    if (code === undefined || world.reference.isStolen(code.principal)) return false
    world.reference.stealKey(code.principal)
    attacker.takeKey(code)
    return true
  },
}

export const withdraw: Kind<{ readonly which: number }> = {
  name: 'an invitation is withdrawn',
  async act({ world }, { which }) {
    const { reference, kdc } = world
    const code = among(world.codes, which)
    if (code === undefined || !reference.invitations.isUsable(code.principal, kdc.clock.now())) return false
    reference.endInvitation(code.principal, await kdc.uninvite(code.principal))
    return true
  },
}

export const join: Kind<{
  readonly which: number
  readonly interrupted: boolean
  readonly restarted: boolean
  readonly instance: string | null
}> = {
  name: 'a host joins',
  async act(run, { which, interrupted, instance, restarted }) {
    const { world } = run
    const code = among(world.codes, which)
    if (code === undefined) return false
    const forFleet = world.reference.invitations.isForFleet(code.principal)
    const key = await enrol(run, code, forFleet ? instance : null)
    if (key === undefined) return false
    world.tally.count('a host is enrolled')
    if (interrupted) return true
    const { principal } = key
    const host = world.connect([key], principal, world.clocks.of(principal))
    const joined = await obtain(run, principal, host.tgt())
    if (joined !== undefined && forFleet) await useAsHost(run, principal, host)
    host.close()
    if (joined === undefined) return true
    world.writeKeytab(principal, [key])
    if (world.parties.has(principal)) world.login(principal)
    // A process that runs on has read its keytab, and drops its old keys when the KDC tells it to.
    if (restarted && world.hosts.has(principal)) await world.startService(principal)
    world.tally.count('a host has joined')
    return true
  },
}

/** A rule that was written for the fleet covers it. */
async function useAsHost(run: Run, principal: string, host: HonestClient): Promise<void> {
  const { reference, judge, tally } = run.world
  const isSteady = reference.policy.isSteady(principal, ORDERS)
  const isDue = isSteady && reference.isActive(ORDERS) && reference.keys.current(ORDERS) !== undefined
  const ticket = await obtain(run, principal, host.ticket(ORDERS))
  judge.guarded(() => require(ticket !== undefined || !isDue, `${principal} gets no ticket for ${ORDERS}`))
  if (ticket !== undefined) tally.count('a host of a fleet has a ticket')
}

async function enrol(run: Run, code: KeytabEntry, instance: string | null): Promise<KeytabEntry | undefined> {
  const { world } = run
  const name = code.principal
  const client = world.connect([code], name, world.clocks.of(name))
  const ticket = await obtain(run, name, client.ticket(KDC))
  client.close()
  const { sealed, chain, caveats } = ticket ? secretsOf(ticket) : {}
  if (sealed === undefined || chain === undefined || caveats === undefined) return undefined
  const talk = await world.openTalk(name, { ticket: sealed, caveats, key: finishChain(chain) })
  if (talk === undefined) return undefined
  world.talks.push({ talk, client: name })
  const answer = await talk.call('enrol', [instance])
  return answer === undefined || 'code' in answer ? undefined : decodeEnrolled(answer.results)
}

export const spendCode: Kind<{
  readonly which: number
  readonly shown: boolean
  readonly instance: string | null
}> = {
  name: 'the attacker uses a code',
  async act({ world, attacker }, { which, shown, instance }) {
    const codes = attacker.identities.filter(({ principal }) => world.reference.invitations.has(principal))
    const code = among(codes, which)
    if (code === undefined) return false
    const asking = { services: [KDC], lifetime: 0, renew: false, offset: 0 }
    await attacker.login(code, code.principal, asking)
    const power = attacker.powers.findLast(one => one.client === code.principal && one.service === KDC)
    if (power === undefined) return true
    const talk = await world.openTalk(undefined, attacker.shown(power, []))
    if (talk === undefined) return true
    world.talks.push({ talk, client: code.principal })
    const forFleet = world.reference.invitations.isForFleet(code.principal)
    const answer = await talk.call('enrol', [forFleet ? instance : null])
    if (answer === undefined || 'code' in answer) return true
    const key = decodeEnrolled(answer.results)
    world.tally.count('the attacker is enrolled')
    attacker.takeKey(key)
    if (shown) await attacker.login(key, key.principal, { ...asking, services: [] })
    return true
  },
}
