import { setTimeout as sleep } from 'node:timers/promises'
import { enrol } from '../../client/channel/invitations.js'
import { openKdcChannel } from '../../client/channel/kdc-channel.js'
import { stageNextKey } from '../../client/channel/own-keys.js'
import { connect } from '../../client/connect.js'
import { deriveNextKey } from '../../shared/crypto/derive.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import type { Administrator } from './administrator.js'
import { type Asker, digestOf, type Hand } from './asker.js'
import { Hammer } from './hammer.js'
import type { KdcHost } from './kdc-host.js'
import { shortOf, whole } from './names.js'
import { loggedIn, makeVictim, TAKINGS, type Taking, takeAway, type Victim } from './take-away.js'
import { machineTime } from './time.js'
import {
  during,
  type KdcTrouble,
  kdcTrouble,
  type MemberTrouble,
  memberFor,
  memberTrouble,
} from './troubles.js'
import { STALENESS, type World } from './world.js'

/** What a schedule is made of. Each act puts one thing wrong, tries what the design promises there, and mends it. */
export type Act = (world: World) => Promise<void>

const TAKING_NAMES = Object.keys(TAKINGS) as Taking[]

/** Two different KDCs, as administrators. */
function two(world: World): [Administrator, Administrator] {
  const one = world.chance.below(world.kdcs.length)
  const other = (one + 1 + world.chance.below(world.kdcs.length - 1)) % world.kdcs.length
  return [world.administrators[one], world.administrators[other]] as [Administrator, Administrator]
}

function askerAt(world: World, host: KdcHost): Asker {
  return world.askers.find(asker => asker.host === host) as Asker
}

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
 * Many clients that a KDC far from etcd has never heard of log in there just as they are disabled: what it reads of them
 * is on its way while what it read before is out of date.
 */
export const takeWhileRead: Act = async world => {
  const [admin, far] = two(world)
  const service = world.chance.pick(world.services)
  const hands: Hand[] = []
  for (let i = 0; i < 6; i++) {
    const name = world.fresh('cold')
    const hand = await admin.add(name)
    if (hand !== undefined && (await admin.allow(name, service.name)).outcome === 'done') hands.push(hand)
  }
  const trouble = kdcTrouble(far.host, 'etcd is far away')
  await during(world, 'kdc', far.host.name, trouble, async () => {
    const asker = askerAt(world, far.host)
    await Promise.all(
      hands.map(async (hand, index) => {
        await sleep(index * 60)
        const hammer = new Hammer([asker], hand, [service.name], undefined)
        await sleep(world.chance.below(250))
        hammer.isSound = false
        await admin.disable(shortOf(hand.principal))
        await sleep(500)
        await hammer.stop()
      }),
    )
  })
}

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

/** Two administrators change the same records at two KDCs at once: neither change is lost. */
export const twoAtOnce: Act = async world => {
  const [one, other] = two(world)
  const name = world.fresh('shared')
  if ((await one.add(name)) === undefined) return
  const groups: string[] = []
  for (let i = 0; i < 4; i++) {
    const pair = [`@${world.fresh('g')}`, `@${world.fresh('g')}`] as const
    groups.push(...pair)
    await Promise.all([one.group(name, pair[0]), other.group(name, pair[1])])
    await Promise.all(world.administrators.map(admin => admin.read(name, groups)))
  }
  const revoked = [world.fresh('revoked'), world.fresh('revoked')]
  for (const each of revoked) await one.add(each)
  await Promise.all([one.revokeClient(revoked[0] as string), other.revokeClient(revoked[1] as string)])
  await Promise.all([one.rotate('krbtgt'), other.rotate('krbtgt')])
}

/** A TGT under a key that was made a moment ago is shown to the other KDCs at once, also to one that has not heard of it. */
export function rotateAndShow(trouble: KdcTrouble): Act {
  return async world => {
    const [admin, troubled] = two(world)
    const name = world.fresh('early')
    const hand = await admin.add(name)
    const service = world.chance.pick(world.services)
    if (hand === undefined || (await admin.allow(name, service.name)).outcome !== 'done') return
    for (let i = 0; i < 3; i++) {
      await during(world, 'kdc', troubled.host.name, kdcTrouble(troubled.host, trouble), async () => {
        await admin.rotate('krbtgt')
        const { reply } = await askerAt(world, admin.host).login(hand)
        const [tgt] = reply?.grants ?? []
        if (tgt === undefined) return
        const ask = (asker: Asker) => asker.tickets(hand.principal, tgt, [whole(service.name)])
        await Promise.all(world.askers.map(ask))
      })
    }
  }
}

/** A key is replaced after a theft: from then on nothing is sealed under the old one. */
export function replaceDuring(trouble: KdcTrouble): Act {
  return async world => {
    const [admin, troubled] = two(world)
    const stolen = world.fresh('stolen')
    const client = world.fresh('caller')
    const [target, hand] = [await admin.add(stolen), await admin.add(client)]
    if (target === undefined || hand === undefined) return
    if ((await admin.allow(client, stolen)).outcome !== 'done') return
    const { reply } = await askerAt(world, admin.host).login(hand, [whole(stolen)])
    const [tgt] = reply?.grants ?? []
    if (tgt === undefined) return
    await askerAt(world, troubled.host).tickets(hand.principal, tgt, [whole(stolen)])
    await during(world, 'kdc', troubled.host.name, kdcTrouble(troubled.host, trouble), async () => {
      const hammer = new Hammer(world.askers, hand, [stolen], tgt)
      await admin.replaceKey(stolen)
      await sleep(1_300)
      await hammer.stop()
    })
  }
}

/** A holder changes its key at one KDC, shows it to another, and is asked for at a third. */
export const holderChangesKey: Act = async world => {
  const [admin, other] = two(world)
  const name = world.fresh('holder')
  const client = world.fresh('caller')
  const [hand, caller] = [await admin.add(name), await admin.add(client)]
  if (hand === undefined || caller === undefined) return
  if ((await admin.allow(client, name)).outcome !== 'done') return
  const next = await stagedBy(world, admin.host, hand)
  if (next === undefined) return
  const ask = () => Promise.all(world.askers.map(asker => asker.login(caller, [whole(name)])))
  await ask()
  const mayServe = machineTime()
  const born = { kind: 'born', principal: name, kvno: next.kvno, key: digestOf(next.key) } as const
  world.recorder.add({ ...born, mayServe })
  const login = await askerAt(world, other.host).login(next)
  if (login.outcome !== 'reply') return
  await ask()
}

/** @returns the key that follows; `undefined` if the KDC could not be reached */
async function stagedBy(world: World, host: KdcHost, hand: Hand): Promise<Hand | undefined> {
  const realm = await connectAs(host, hand).catch(() => undefined)
  try {
    if (realm === undefined) return undefined
    const channel = await openKdcChannel(realm)
    const { kvno, salt } = await stageNextKey(channel, hand.kvno)
    const next = { principal: hand.principal, kvno, key: deriveNextKey(hand.key, salt) }
    world.keys.add(next)
    return next
  } catch {
    return undefined
  } finally {
    realm?.close()
  }
}

function connectAs(host: KdcHost, hand: Hand) {
  return connect({
    kdc: host.url('driver'),
    keytab: { text: formatKeytab([hand]) },
    logger: silentLogger,
    timeouts: { connect: 1_000, exchange: 2_000, call: 8_000 },
  })
}

/** Two hosts hold one code, and bring it to two KDCs at once. */
export const oneCodeTwoHosts: Act = async world => {
  const [one, other] = two(world)
  const target = world.fresh('joining')
  const { result } = await one.invite(target, 1)
  if (result === undefined) return
  const { invitation } = result
  await Promise.all([
    join(world, one.host, invitation, 'first'),
    join(world, other.host, invitation, 'second'),
  ])
  // Whoever comes later comes to nothing.
  await join(world, other.host, invitation, 'third')
}

async function join(world: World, at: KdcHost, invitation: Hand, host: string): Promise<void> {
  const realm = await connectAs(at, invitation).catch(() => undefined)
  if (realm === undefined) return
  try {
    const channel = await openKdcChannel(realm)
    const { principal, kvno, key } = await enrol(channel, null)
    const given = { principal, kvno, key }
    const name = shortOf(principal)
    world.keys.add(given)
    const born = { kind: 'born', principal: name, kvno, key: digestOf(key) } as const
    world.recorder.add({ ...born, mayServe: machineTime() })
    await sleep(world.chance.below(30))
    const asker = world.chance.pick(world.askers)
    const { outcome } = await asker.login(given, [], () => false)
    if (outcome !== 'reply') return
    world.recorder.add({
      kind: 'joined',
      at: machineTime(),
      invitation: shortOf(invitation.principal),
      uses: 1,
      host,
    })
  } catch {
    // Refused, or not reached: then it did not come in.
  } finally {
    realm.close()
  }
}

/** A service hears of one KDC alone, which itself hears of nothing: in time it accepts nothing. */
export const deafService: Act = async world => {
  const [admin, troubled] = two(world)
  const { deaf } = world
  const victim = await makeVictim(world, admin, deaf)
  if (victim === undefined) return
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

async function readEverywhere(world: World, name: string): Promise<void> {
  await Promise.all(world.administrators.filter(({ host }) => host.isUp).map(admin => admin.read(name)))
}
