import { setTimeout as sleep } from 'node:timers/promises'
import { type Bounds, check } from './checks/check.js'
import type { History, Rule, Violation } from './history.js'
import { type Choice, scheduleOf } from './schedule.js'
import { machineTime } from './time.js'
import { STALENESS, World } from './world.js'

/** What is promised of a cluster of three and three (docs/many-machines.md). */
export const BOUNDS: Bounds = { staleness: STALENESS.milliseconds, newTicket: 4_000, recovery: 6_000 }

export interface Plan extends Choice {
  readonly seed: number
  readonly folder: string
  /**
   * Milliseconds after which no further act begins; without the acts that take long, even if some were not done. Unset,
   * each act is done once.
   */
  readonly length?: number
  /** Ends with the act in which the first thing happens that must not, of these kinds if any are named. */
  readonly until?: readonly Rule[] | 'anything'
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
    const { length } = plan
    const isOver = length === undefined ? undefined : () => machineTime() - begun > length
    for (const [name, act] of scheduleOf(plan, world.chance, isOver)) {
      const began = machineTime()
      tell(`${((began - begun) / 1000).toFixed(1)} s: ${name}`)
      await Promise.race([act(world), tooLong(name)])
      world.recorder.add({ kind: 'act', name, began, ended: machineTime() })
      if (plan.until !== undefined && isFound(world.history(), plan.until)) break
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

function isFound(history: History, until: readonly Rule[] | 'anything'): boolean {
  return check(history, BOUNDS).some(({ rule }) => until === 'anything' || until.includes(rule))
}

/** Everything is mended, so that it can be read in the end. */
async function readAtLast(read: () => Promise<boolean>): Promise<void> {
  for (let tries = 100; tries > 0; tries--) {
    if (await read()) return
    await sleep(100)
  }
  throw new Error('nothing can be read although all faults have been mended')
}
