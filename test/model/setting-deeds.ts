import { secretsOf } from '../../client/ticket/ticket.js'
import { MALLORY } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import { obtain } from './honest-deeds.js'

/** What happens to the parties: time passes, clocks step, processes restart, administration and theft. */

export const pass: Kind<{ readonly time: number }> = {
  name: 'time passes',
  async act({ world }, { time }) {
    // Services that follow the KDC ask every 5 s, and come back within 5 s.
    const last = time > 30_000 ? 6_000 : 0
    world.pass(time - last)
    if (last > 0) await world.settle()
    world.pass(last)
    return true
  },
}

export const step: Kind<{ readonly clock: string; readonly offset: number }> = {
  name: 'a clock is set',
  async act({ world }, { clock, offset }) {
    world.clocks.set(clock, offset)
    return true
  },
}

/**
 * Within what section 8 promises: steps back since anything was admitted, even if it was refused later, are below a
 * second.
 */
export async function restart(
  { world }: Run,
  service: string,
  back: number,
  saved = false,
): Promise<boolean> {
  const host = world.host(service)
  const { clock } = host
  const now = clock.now() - back
  if (now <= host.admittedAt - 1_000) return false
  clock.set(now)
  await world.startService(service, saved)
  return true
}

export const restartService: Kind<{
  readonly service: string
  readonly back: number
  readonly pause: number
  /** Whether its process ends in order. */
  readonly saved: boolean
}> = {
  name: 'a service restarts',
  async act(run, { service, back, pause, saved }) {
    const restarted = await restart(run, service, back, saved)
    run.world.pass(pause)
    return restarted
  },
}

export const restartKdc: Kind<object> = {
  name: 'the KDC restarts',
  async act({ world }) {
    for (const { network } of world.feeds.values()) network.cut()
    await world.kdc.restart()
    world.reference.policy.restarted()
    world.talks.length = 0
    return true
  },
}

export const administer: Kind<{
  readonly name: string
  readonly method: 'disable' | 'enable' | 'remove' | 'add'
}> = {
  name: 'a principal is changed',
  async act(run, { name: wanted, method }) {
    const name = subjectOf(run.world, wanted, method)
    if (run.world.reference.principal(name)?.exists === (method === 'add')) return false
    if (method === 'add') await makeAgain(run, name)
    else await change(run.world, method, name)
    run.world.tally.count(`done: ${method}`)
    return true
  },
}

export const replace: Kind<{ readonly name: string }> = {
  name: 'a principal is removed and made again',
  async act(run, { name }) {
    const there = run.world.reference.principal(name)?.exists === true
    if (there) await change(run.world, 'remove', name)
    await makeAgain(run, name)
    return true
  },
}

/** @param back how far the KDC's clock is back meanwhile, milliseconds: what was issued before is still revoked */
export const interrupt: Kind<{ readonly name: string; readonly back: number }> = {
  name: 'a principal is disabled for a while',
  async act({ world }, { name, back }) {
    if (world.reference.principal(name)?.exists !== true) return false
    const { clock } = world.kdc
    clock.set(clock.now() - back)
    await change(world, 'disable', name)
    await change(world, 'enable', name)
    clock.set(clock.now() + back)
    return true
  },
}

async function change(
  world: Run['world'],
  method: 'disable' | 'enable' | 'remove',
  name: string,
): Promise<void> {
  const seq = await world.kdc.change(method, name)
  if (method !== 'enable') world.reference.revoke(name, seq)
  if (method === 'remove') {
    world.reference.removed(name, seq)
    world.reference.policy.removed(name)
  }
  const facts = { enabled: method === 'enable', exists: method !== 'remove' }
  Object.assign(world.reference.principal(name) ?? {}, facts)
}

/** Another principal of the same name, whose owner gets the new key at once. */
async function makeAgain({ world, attacker }: Run, name: string): Promise<void> {
  const entry = await world.kdc.add(name)
  const facts = world.reference.principal(name)
  Object.assign(facts ?? {}, { incarnation: (facts?.incarnation ?? 0) + 1, exists: true, enabled: true })
  world.renewKey(entry)
  // It has one key, and that is another.
  if (world.hosts.has(name)) await world.startService(name)
  attacker.renewKey(entry)
}

export const revokeClient: Kind<{ readonly name: string }> = {
  name: "a client's tickets are revoked",
  async act({ world }, { name }) {
    if (world.reference.principal(name)?.exists !== true) return false
    world.reference.revoke(name, await world.kdc.change('revoke-client', name))
    return true
  },
}

export const revokeTicket: Kind<{ readonly which: number }> = {
  name: 'a ticket is revoked',
  async act({ world }, { which }) {
    const ticket = among([...world.reference.tickets.values()], which)
    if (ticket === undefined) return false
    world.reference.revokeTicket(ticket, await world.kdc.revokeTicket(ticket.id))
    return true
  },
}

export const revokeKey: Kind<{ readonly name: string }> = {
  name: 'a key is revoked, and its owner made again',
  async act(run, { name }) {
    const { reference, kdc } = run.world
    if (reference.principal(name)?.exists !== true || reference.keys.current(name) === undefined) return false
    reference.revokeKey(name, await kdc.revokeKey(name))
    await run.world.settle()
    await change(run.world, 'remove', name)
    await makeAgain(run, name)
    return true
  },
}

/** A removed principal is made again, and a disabled one enabled, before another is chosen. */
function subjectOf({ reference }: Run['world'], wanted: string, method: string): string {
  const all = [...reference.principals]
  const [missing] = method === 'add' ? (all.find(([, { exists }]) => !exists) ?? []) : []
  const off = all.find(([, { exists, enabled }]) => exists && !enabled)
  const [disabled] = method === 'enable' ? (off ?? []) : []
  return missing ?? disabled ?? wanted
}

export const stealSession: Kind<{ readonly client: string; readonly service: string | null }> = {
  name: 'a session key is stolen',
  act: (run, { client, service }) => steal(run, client, service),
}

/** @param service null for the TGT. @returns whether there is one now */
export async function steal(run: Run, client: string, service: string | null): Promise<boolean> {
  const { world, attacker } = run
  const party = world.parties.get(client)
  if (party === undefined) return false
  const asked = service === null ? party.client.tgt() : party.client.ticket(service)
  const ticket = await obtain(run, client, asked)
  if (ticket === undefined) return false
  const { sealed, chain } = secretsOf(ticket)
  const issued = world.identify(sealed.bytes)
  if (issued === undefined || chain === undefined) return false
  issued.stolen = true
  attacker.steal(sealed, client, issued.id, chain)
  return true
}

export const stealKey: Kind<{ readonly client: string }> = {
  name: 'a long-term key is stolen',
  async act({ world, attacker }, { client }) {
    if (client === MALLORY || world.reference.isStolen(client)) return false
    world.reference.stealKey(client)
    attacker.takeKey(world.key(client))
    return true
  },
}
