import { setTimeout as sleep } from 'node:timers/promises'
import type { Chance } from '../support/chance.js'
import {
  type Act,
  compactWhileCut,
  deafService,
  holderChangesKey,
  majorityAway,
  memberAway,
  oneCodeTwoHosts,
  replaceDuring,
  rotateAndShow,
  takeAndGiveBack,
  takeDuring,
  takeWhileRead,
  twoAtOnce,
  upgradeOneByOne,
} from './acts.js'
import { type Bounds, check } from './checks/check.js'
import type { History, Rule, Violation } from './history.js'
import { machineTime } from './time.js'
import { STALENESS, World } from './world.js'

/** What is promised of a cluster of three and three (docs/many-machines.md). */
export const BOUNDS: Bounds = { staleness: STALENESS.milliseconds, newTicket: 4_000, recovery: 6_000 }

type Named = readonly [name: string, act: Act]

/** In a minute or so, each kind of fault once. */
const USUAL: readonly Named[] = [
  ['take and give back', takeAndGiveBack],
  ['take while a watch hangs', takeDuring('its watch hangs')],
  ['take while a KDC stops after its keep-alive', takeDuring('it stops between keep-alive and confirmation')],
  ['take while a KDC is cut off from etcd', takeDuring('it is cut off from etcd')],
  ['take while what etcd sends is held up', takeDuring('what etcd sends is held up', 'disable')],
  ['take while a KDC is killed', takeDuring('it is killed')],
  ['take while a clock goes back', takeDuring('its clock goes back')],
  ['take while a KDC reads', takeWhileRead],
  ['replace a key while a watch hangs', replaceDuring('its watch hangs')],
  ['the leader is killed', memberAway('it is killed', 'leader', 2_000)],
  ['compact while a KDC is cut off', compactWhileCut],
  ['two administrators at once', twoAtOnce],
  ['rotate and show', rotateAndShow('its watch hangs')],
  ['a holder changes its key', holderChangesKey],
  ['one code, two hosts', oneCodeTwoHosts],
]

/** What takes longer, or leaves nothing to be promised but safety. */
const FURTHER: readonly Named[] = [
  ['a deaf service', deafService],
  ['the leader stops', memberAway('it stops', 'leader', 4_000)],
  ['the leader is cut off', memberAway('it is cut off from its peers', 'leader', 4_000)],
  ['what a follower hears is held up', memberAway('what its peers send is held up', 'follower', 3_000)],
  ['a slow leader', memberAway('it is slow', 'leader', 3_000)],
  ['a slow follower', memberAway('it is slow', 'follower', 3_000)],
  ['take while a KDC stops', takeDuring('it stops')],
  ['take while a clock goes ahead', takeDuring('its clock goes ahead')],
  ['take while clients are cut off', takeDuring('clients are cut off from it')],
  ['take while what clients send is held up', takeDuring('what clients send it is held up')],
  ['replace a key while a KDC stops', replaceDuring('it stops between keep-alive and confirmation')],
  ['the majority is away', majorityAway],
  ['upgrade one by one', upgradeOneByOne],
]

export interface Plan {
  readonly seed: number
  readonly folder: string
  /** Milliseconds after which no further act begins. Without it, each act is done once. */
  readonly length?: number
  /** Ends with the act in which the first thing happens that must not, of these kinds if any are named. */
  readonly until?: readonly Rule[] | 'anything'
  /** Without the acts that take long. */
  readonly isShort?: boolean
  /** Acts whose names contain one of these, and no others. */
  readonly only?: readonly string[] | undefined
  /** Told of each act as it begins. */
  readonly tell?: (line: string) => void
}

export interface Outcome {
  readonly history: History
  readonly violations: readonly Violation[]
}

/** Drives a cluster through a schedule that the seed draws, and holds what happened against what is promised. */
export async function drive(plan: Plan): Promise<Outcome> {
  const { seed, folder, tell = () => {} } = plan
  const world = await World.start(seed, folder)
  try {
    const begun = machineTime()
    for (const [name, act] of scheduleOf(plan, world.chance)) {
      if (plan.length !== undefined && machineTime() - begun > plan.length) break
      const at = ((machineTime() - begun) / 1000).toFixed(1)
      tell(`${at} s: ${name}`)
      await Promise.race([act(world), tooLong(name)])
      if (plan.until !== undefined && isOver(world.history(), plan.until)) break
    }
    await world.quiet()
    for (const administrator of world.administrators) await readAtLast(() => administrator.readAll())
    const history = world.history()
    return { history, violations: check(history, BOUNDS) }
  } finally {
    await world.close()
  }
}

/** How long an act may take, which waits for nothing without end, milliseconds. */
const LONGEST = 90_000

async function tooLong(name: string): Promise<never> {
  await sleep(LONGEST, undefined, { ref: false })
  throw new Error(`the act "${name}" does not end`)
}

function isOver(history: History, until: readonly Rule[] | 'anything'): boolean {
  return check(history, BOUNDS).some(({ rule }) => until === 'anything' || until.includes(rule))
}

function* scheduleOf({ length, only, isShort = false }: Plan, chance: Chance): Iterable<Named> {
  const wanted = ([name]: Named): boolean => only === undefined || only.some(part => name.includes(part))
  const acts = isShort && only === undefined ? USUAL : [...USUAL, ...FURTHER].filter(wanted)
  do yield* shuffled(acts, chance)
  while (length !== undefined)
}

function shuffled<T>(items: readonly T[], chance: Chance): T[] {
  const left = [...items]
  return items.map(() => left.splice(chance.below(left.length), 1)[0] as T)
}

/** Everything is mended, so that it can be read in the end. */
async function readAtLast(read: () => Promise<boolean>): Promise<void> {
  for (let tries = 100; tries > 0; tries--) {
    if (await read()) return
    await sleep(100)
  }
  throw new Error('nothing can be read although all faults have been mended')
}
