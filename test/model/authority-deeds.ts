import { FOLLOWER, KDC, KRBTGT } from './cast.js'
import { among, type Kind, type Run } from './deed.js'
import type { PAUSES } from './service-host.js'

/** What administrators do about keys and the KDC itself, and what they revoke while a request is handled. */

export const replaceKey: Kind<{ readonly name: string; readonly restarted: boolean }> = {
  name: 'a key is replaced',
  async act({ world, attacker }, { name, restarted }) {
    const { reference, kdc } = world
    if (reference.principal(name)?.exists !== true) return false
    const { entry, seq } = await kdc.replaceKey(name)
    reference.replaceKey(name, entry.kvno, seq)
    world.giveKey(entry)
    attacker.renewKey(entry)
    // A process that runs on reads its keytab, and drops its old key when the KDC tells it to.
    if (!restarted) world.hosts.get(name)?.hold([entry])
    else if (world.hosts.has(name)) await world.startService(name)
    return true
  },
}

export const KDC_NAMES = [KRBTGT, KDC] as const

export const rotateKdc: Kind<{ readonly name: string }> = {
  name: 'the KDC gets another key',
  async act({ world }, { name }) {
    const entry = await world.kdc.rotate(name)
    world.judge.keepKey(entry)
    world.reference.keys.refreshed(name, entry.kvno)
    return true
  },
}

/** The longest that a follower is away, milliseconds. */
const AWAY = 6_000

export const restore: Kind<{ readonly power: number; readonly revoked: boolean }> = {
  name: 'the KDC is restored from a backup',
  async act(run, { power, revoked }) {
    const { world } = run
    const shown = revoked ? livePower(run, power) : undefined
    if (shown !== undefined) await revoke(run, shown.client)
    await world.settle()
    for (const { network } of world.feeds.values()) network.cut()
    await world.kdc.restore()
    world.talks.length = 0
    world.reference.restored(world.kdc.logId)
    world.reference.policy.restarted()
    if (shown === undefined) return true
    world.pass(AWAY)
    await world.settle()
    await world.present(FOLLOWER, letterOf(run, shown, 'GET'))
    return true
  },
}

export const revokeInFlight: Kind<{
  readonly power: number
  readonly method: 'GET' | 'POST'
  readonly pause: (typeof PAUSES)[number]
  readonly whole: boolean
}> = {
  name: 'a ticket is revoked while its request is handled',
  async act(run, { power, method, pause, whole }) {
    const { world } = run
    const shown = livePower(run, power)
    const issued = shown && world.reference.tickets.get(shown.id)
    if (shown === undefined || issued === undefined) return false
    await world.presentSlowly(FOLLOWER, letterOf(run, shown, method), pause, async () => {
      if (whole) await revoke(run, shown.client)
      else world.reference.revokeTicket(issued, await world.kdc.revokeTicket(issued.id))
      await world.settle()
    })
    return true
  },
}

async function revoke({ world }: Run, name: string): Promise<void> {
  if (world.reference.principal(name)?.exists !== true) return
  world.reference.revoke(name, await world.kdc.change('revoke-client', name))
}

/** A ticket of the attacker's that the follower would accept now. */
function livePower({ world, attacker }: Run, which: number) {
  const { reference } = world
  const now = world.host(FOLLOWER).clock.now()
  const live = attacker.powers.filter(({ service, id }) => {
    const ticket = reference.tickets.get(id)
    return service === FOLLOWER && ticket !== undefined && ticket.deadBy === undefined && now < ticket.end
  })
  return among(live, which)
}

function letterOf(
  { world, attacker }: Run,
  power: NonNullable<ReturnType<typeof livePower>>,
  method: 'GET' | 'POST',
) {
  const time = world.host(FOLLOWER).clock.now()
  const asking = { method, target: '/orders/7', body: method === 'POST' ? 'pay 7' : '', time }
  return attacker.letter(attacker.shown(power, []), asking)
}
