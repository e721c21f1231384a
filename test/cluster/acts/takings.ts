import { setTimeout as sleep } from 'node:timers/promises'
import type { Hand } from '../asker.js'
import { Hammer } from '../hammer.js'
import { shortOf, whole } from '../names.js'
import { loggedIn, makeVictim, TAKINGS, type Taking, takeAway, type Victim } from '../take-away.js'
import { during, type KdcTrouble, kdcTrouble, WAY } from '../troubles.js'
import { type Act, askerAt, readEverywhere, two } from './act.js'

export const TAKING_NAMES = Object.keys(TAKINGS) as Taking[]

/** A right is taken at one KDC while something is wrong with another. */
export function takeDuring(trouble: KdcTrouble, taking?: Taking): Act {
  return async world => {
    const [admin, troubled] = two(world)
    const service = world.chance.pick(world.services)
    const victim = await makeVictim(world, admin, service)
    if (victim === undefined) return
    // What the troubled KDC has in memory is what it must not answer from.
    await askerAt(world, troubled.host).tickets(victim.hand.principal, victim.tgt, [whole(service.name)])
    const wrong = kdcTrouble(troubled.host, trouble)
    let isMended = false
    const mend = async (): Promise<void> => {
      if (!isMended) await wrong.end()
      isMended = true
    }
    const trying = { ...wrong, end: mend }
    await during(world, 'kdc', troubled.host.name, trying, async () => {
      await sleep(world.chance.below(300))
      // Half of the time it comes back in the very moment in which the right is gone.
      await takeAway(
        world,
        admin,
        victim,
        taking ?? world.chance.pick(TAKING_NAMES),
        world.chance.oneIn(2) ? mend : undefined,
      )
    })
    await readEverywhere(world, victim.name)
  }
}

/** A right is taken while nothing is wrong, and given back elsewhere. */
export const takeAndGiveBack: Act = async world => {
  const [admin, other] = two(world)
  const victim = await makeVictim(world, admin, world.chance.pick(world.services))
  if (victim === undefined) return
  await takeAway(world, admin, victim, 'disable')
  await readEverywhere(world, victim.name)
  await other.enable(victim.name)
  await readEverywhere(world, victim.name)
  const again = await loggedIn(world, other, victim.hand, victim.service)
  if (again !== undefined) await takeAway(world, other, again, 'remove')
  await readEverywhere(world, victim.name)
  // Another one of the same name has another key.
  await admin.add(victim.name)
  await readEverywhere(world, victim.name)
}

/**
 * Clients that a KDC far from etcd has never heard of log in there just as something is taken from them: of the records that
 * it decides from, some are read when the first is out of date. Groups are told of by that record alone, so that their
 * change is acknowledged before the last is read.
 */
export const takeWhileRead: Act = async world => {
  const [admin, far] = two(world)
  const service = world.chance.pick(world.services)
  const group = `@${world.fresh('cold')}`
  if ((await admin.allow(group, service.name)).outcome !== 'done') return
  const hands: Hand[] = []
  for (let i = 0; i < 6; i++) {
    const name = world.fresh('cold')
    const hand = await admin.add(name)
    if (hand !== undefined && (await admin.group(name, group, service.name)).outcome === 'done')
      hands.push(hand)
  }
  const trouble = kdcTrouble(far.host, 'etcd is far away')
  await during(world, 'kdc', far.host.name, trouble, async () => {
    const asker = askerAt(world, far.host)
    // One after another: a KDC so far away tells of one change at a time that it has applied it, and each would wait.
    for (const hand of hands) {
      const name = shortOf(hand.principal)
      const hammer = new Hammer([asker], hand, [service.name], undefined)
      // The record is on its way back, and the rules are not asked for yet.
      await sleep(WAY - 10 + world.chance.below(WAY / 2))
      hammer.isSound = false
      if (world.chance.oneIn(3)) await admin.disable(name)
      else await admin.ungroup(name, group, service.name)
      await sleep(3 * WAY)
      await hammer.stop()
    }
  })
}

/** etcd forgets its history while a KDC is cut off, so that its watch cannot go on where it was. */
export const compactWhileCut: Act = async world => {
  const [admin, troubled] = two(world)
  const service = world.chance.pick(world.services)
  const victims: Victim[] = []
  for (let i = 0; i < 2; i++) {
    const victim = await makeVictim(world, admin, service)
    if (victim !== undefined) victims.push(victim)
  }
  const asker = askerAt(world, troubled.host)
  for (const { hand, tgt } of victims) await asker.tickets(hand.principal, tgt, [whole(service.name)])
  const trouble = kdcTrouble(troubled.host, 'it is cut off from etcd')
  await during(world, 'kdc', troubled.host.name, trouble, async () => {
    for (const { name } of victims) await admin.disable(name)
    await world.cluster.compact()
  })
  // It comes back, and what it missed is gone from the history.
  const hammers = victims.map(({ hand, tgt }) => {
    const hammer = new Hammer([asker], hand, [service.name], tgt)
    hammer.isSound = false
    return hammer
  })
  await sleep(1_500)
  for (const hammer of hammers) await hammer.stop()
}

/** Whoever was enabled again is not refused for long by a KDC that hears nothing of it: soon it says that it does not know. */
export function enableDuring(trouble: KdcTrouble): Act {
  return async world => {
    const [admin, troubled] = two(world)
    const name = world.fresh('hopeful')
    const hand = await admin.add(name)
    if (hand === undefined || (await admin.disable(name)).outcome !== 'done') return
    const asker = askerAt(world, troubled.host)
    const isSound = (): boolean => false
    // That it is disabled is what the troubled KDC has in memory.
    await asker.login(hand, [], isSound)
    await during(world, 'kdc', troubled.host.name, kdcTrouble(troubled.host, trouble), async () => {
      await admin.enable(name)
      const hammer = new Hammer([asker], hand, [], undefined)
      hammer.isSound = false
      await sleep(2_500)
      await hammer.stop()
    })
  }
}
