import { setTimeout as sleep } from 'node:timers/promises'
import { makeVictim, takeAway } from '../take-away.js'
import { machineTime } from '../time.js'
import { during, kdcTrouble, type MemberTrouble, memberFor, memberTrouble } from '../troubles.js'
import { STALENESS } from '../world.js'
import { type Act, readEverywhere, two } from './act.js'
import { TAKING_NAMES } from './takings.js'

/** Something is wrong with a member of etcd, while rights are given and taken. */
export function memberAway(trouble: MemberTrouble, role: 'leader' | 'follower', forHowLong: number): Act {
  return async world => {
    const member = await memberFor(world, role)
    const wrong = memberTrouble(world, member, trouble)
    await during(world, 'member', member, wrong, async () => {
      const until = machineTime() + forHowLong
      do {
        const [admin] = two(world)
        const victim = await makeVictim(world, admin, world.chance.pick(world.services))
        if (victim !== undefined) {
          await takeAway(world, admin, victim, world.chance.pick(TAKING_NAMES))
          await readEverywhere(world, victim.name)
        }
      } while (machineTime() < until)
    })
    await sleep(500)
  }
}

/** A service hears of one KDC alone, which itself hears of nothing: in time it accepts nothing. */
export const deafService: Act = async world => {
  const [admin, troubled] = two(world)
  const { deaf } = world
  const victim = await makeVictim(world, admin, deaf)
  if (victim === undefined) return
  await deaf.show(victim.ticket, victim.name)
  for (const kdc of world.kdcs) if (kdc !== troubled.host) kdc.front('west').set({ kind: 'cut' })
  await sleep(1_500)
  const trouble = kdcTrouble(troubled.host, 'what etcd sends is held up')
  try {
    await during(world, 'kdc', troubled.host.name, trouble, async () => {
      await sleep(200)
      await admin.revokeTicket(Buffer.from(victim.ticket.ticketId).toString('hex'), victim.name)
      const until = machineTime() + STALENESS.milliseconds + 1_500
      while (machineTime() < until) {
        await deaf.show(victim.ticket, victim.name)
        await sleep(250)
      }
    })
  } finally {
    for (const kdc of world.kdcs) kdc.front('west').open()
  }
}

/** Two of three members are away, and so is the store: nothing is promised but that nothing goes wrong. */
export const majorityAway: Act = async world => {
  const [admin] = two(world)
  const [one, other] = ['a', 'b'] as const
  const victim = await makeVictim(world, admin, world.chance.pick(world.services))
  await during(world, 'member', one, memberTrouble(world, one, 'it stops'), () =>
    during(world, 'member', other, memberTrouble(world, other, 'it is killed'), async () => {
      if (victim !== undefined) await takeAway(world, admin, victim, 'disable')
    }),
  )
  await world.cluster.ready()
  await sleep(2_000)
  if (victim !== undefined) await readEverywhere(world, victim.name)
}

/** All KDCs start again, one after another. */
export const upgradeOneByOne: Act = async world => {
  for (const kdc of world.kdcs) {
    const trouble = kdcTrouble(kdc, 'it ends and starts again')
    await during(world, 'kdc', kdc.name, trouble, () => sleep(300))
    await sleep(2_600)
  }
}
