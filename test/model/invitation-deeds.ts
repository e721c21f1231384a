import { secretsOf } from '../../client/ticket/ticket.js'
import { decodeEnrolled } from '../../shared/administration/invitations.js'
import { finishChain } from '../../shared/crypto/derive.js'
import type { KeytabEntry } from '../../shared/keytab/keytab.js'
import { KDC } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import { obtain } from './honest-deeds.js'

/** Codes that bring a key to a new host: used by it, and stolen before, after and in between (section 12). */

export const invite: Kind<{ readonly target: string; readonly life: number; readonly stolen: boolean }> = {
  name: 'a host is invited',
  async act({ world, attacker }, { target, life, stolen }) {
    const { reference, kdc } = world
    if (reference.principal(target)?.exists !== true) return false
    const endsAt = kdc.clock.now() + life
    const code = await kdc.invite(target, endsAt)
    reference.invite(code.principal, target, endsAt, code.kvno)
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

export const join: Kind<{ readonly which: number; readonly interrupted: boolean }> = {
  name: 'a host joins',
  async act(run, { which, interrupted }) {
    const { world } = run
    const code = among(world.codes, which)
    if (code === undefined) return false
    const key = await enrol(run, code)
    if (key === undefined) return false
    world.tally.count('a host is enrolled')
    if (interrupted) return true
    const { principal } = key
    const host = world.connect([key], principal, world.clocks.of(principal))
    const joined = await obtain(run, principal, host.tgt())
    host.close()
    if (joined === undefined) return true
    world.writeKeytab(principal, [key])
    if (world.parties.has(principal)) world.login(principal)
    if (world.hosts.has(principal)) await world.startService(principal)
    world.tally.count('a host has joined')
    return true
  },
}

async function enrol(run: Run, code: KeytabEntry): Promise<KeytabEntry | undefined> {
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
  const answer = await talk.call('enrol', [null])
  return answer === undefined || 'code' in answer ? undefined : decodeEnrolled(answer.results)
}

export const spendCode: Kind<{ readonly which: number; readonly shown: boolean }> = {
  name: 'the attacker uses a code',
  async act({ world, attacker }, { which, shown }) {
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
    const answer = await talk.call('enrol', [null])
    if (answer === undefined || 'code' in answer) return true
    const key = decodeEnrolled(answer.results)
    world.tally.count('the attacker is enrolled')
    attacker.takeKey(key)
    if (shown) await attacker.login(key, key.principal, { ...asking, services: [] })
    return true
  },
}
