import { HOUR, MINUTE } from '../../shared/time.js'
import type { Ledger } from './ledger.js'
import { recover } from './recovery.js'
import { KEYS_STAY, type Settings, World } from './world.js'

export interface Run {
  readonly seed: number
  readonly violations: readonly string[]
  /** What happened, one line each, for people. */
  readonly lines: readonly string[]
  readonly counts: ReadonlyMap<string, number>
}

/** How many old requests are sent again at the end. */
const SALVO = 100

/** One run: trouble, recovery, and at the end every captured request once more. */
export async function simulate(seed: number, requests: number, settings = KEYS_STAY): Promise<Run> {
  const { stackTraceLimit } = Error
  // Most of what is thrown here is an expected refusal, and its stack costs more than the refusal.
  Error.stackTraceLimit = 0
  try {
    return await runWorld(seed, requests, settings)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

async function runWorld(seed: number, requests: number, settings: Settings): Promise<Run> {
  const world = await World.create(seed, settings)
  const { ledger, network, timeline } = world
  await world.run(requests)
  // A call that still waits would wait for ever.
  if (ledger.violations.length > 0) return endOf(seed, ledger)
  await recover(world)
  network.replay(Number.POSITIVE_INFINITY, SALVO)
  await timeline.pass(settings.keysChange ? 5 * MINUTE : 3 * HOUR)
  for (const { name, clock, realm } of world.clients) {
    realm.close()
    if (clock.timers > 0) ledger.violate(`leak: ${name} leaves ${clock.timers} timers`)
  }
  return endOf(seed, ledger)
}

function endOf(seed: number, { violations, lines, counts }: Ledger): Run {
  return { seed, violations, lines, counts }
}
