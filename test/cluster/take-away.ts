import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from '../../shared/bytes.js'
import type { Grant } from '../../shared/ticket/grant.js'
import type { Administrator } from './administrator.js'
import type { Hand } from './asker.js'
import { Hammer } from './hammer.js'
import { shortOf, whole } from './names.js'
import type { ServiceHouse } from './service-house.js'
import type { World } from './world.js'

/** Somebody who had a right, from whom it is taken. */
export interface Victim {
  readonly hand: Hand
  readonly name: string
  readonly tgt: Grant
  readonly ticket: Grant
  readonly service: ServiceHouse
}

/** How it is taken, and whether that ends the tickets too. */
export const TAKINGS = {
  disable: (admin, { name }) => admin.disable(name),
  remove: (admin, { name }) => admin.remove(name),
  'revoke client': (admin, { name }) => admin.revokeClient(name),
  'revoke ticket': (admin, { name, ticket }) => admin.revokeTicket(toHex(ticket.ticketId), name),
  deny: (admin, { name, service }) => admin.deny(name, service.name),
  forget: (admin, { name, service }) => admin.forget(name, service.name),
} as const satisfies Readonly<Record<string, (admin: Administrator, victim: Victim) => Promise<unknown>>>

export type Taking = keyof typeof TAKINGS

/** How often it is tried to make a victim while something is wrong. */
const TRIES = 8

/** @returns `undefined` if it did not come about, as while something is wrong */
export async function makeVictim(
  world: World,
  admin: Administrator,
  service: ServiceHouse,
): Promise<Victim | undefined> {
  for (let tries = 0; tries < TRIES; tries++) {
    const victim = await tryVictim(world, admin, service)
    if (victim !== undefined) return victim
    await sleep(250)
  }
  return undefined
}

async function tryVictim(
  world: World,
  admin: Administrator,
  service: ServiceHouse,
): Promise<Victim | undefined> {
  const name = world.fresh('victim')
  const hand = await admin.add(name)
  if (hand === undefined) return undefined
  if ((await admin.allow(name, service.name)).outcome !== 'done') return undefined
  return loggedIn(world, admin, hand, service)
}

/** The same, with a ticket of a login at this moment. */
export async function loggedIn(
  world: World,
  admin: Administrator,
  hand: Hand,
  service: ServiceHouse,
): Promise<Victim | undefined> {
  const asker = world.askers.find(({ host }) => host === admin.host)
  const { reply } = (await asker?.login(hand, [whole(service.name)])) ?? {}
  const [tgt, ticket] = reply?.grants ?? []
  return tgt && ticket && { hand, name: shortOf(hand.principal), tgt, ticket, service }
}

/** For how long replicas are asked after the acknowledgement, milliseconds: longer than any answers from memory. */
const AFTER = 1_300

/**
 * Takes a right from somebody who goes on to ask every KDC for tickets, all the while and for some time after it was
 * acknowledged.
 * @param hitherto what is done at the moment of the acknowledgement, such as letting a stopped KDC go on
 */
export async function takeAway(
  world: World,
  admin: Administrator,
  victim: Victim,
  taking: Taking,
  hitherto: () => Promise<void> = async () => {},
): Promise<void> {
  const { hand, service, tgt, ticket, name } = victim
  const byTicket = new Hammer(world.askers, hand, [service.name], tgt)
  const byKey = new Hammer(world.askers, hand, [service.name], undefined)
  await sleep(100)
  await service.show(ticket, name)
  byTicket.isSound = false
  byKey.isSound = false
  await TAKINGS[taking](admin, victim)
  await hitherto()
  const shows = (async () => {
    for (let shown = 0; shown < 4; shown++) {
      await service.show(ticket, name)
      await sleep(AFTER / 4)
    }
  })()
  await Promise.all([sleep(AFTER), shows])
  await Promise.all([byTicket.stop(), byKey.stop()])
}
