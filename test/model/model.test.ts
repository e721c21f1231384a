import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTestClock } from '../../testing/index.js'
import { Random } from '../support/random.js'
import { Attacker } from './attacker.js'
import type { Deed, Run } from './deed.js'
import { prepareRealm } from './kdc.js'
import { missing } from './minimums.js'
import { programs } from './program.js'
import type { Reference } from './reference.js'
import { Tally } from './tally.js'
import { World } from './world.js'

/**
 * The attacker is the network. Everything is real except sockets, and is compared with a reference without cryptography
 * after each command. A failed run can be repeated with what it printed: `ORTHRUS_MODEL_SEED`, `ORTHRUS_MODEL_PATH`,
 * and `ORTHRUS_MODEL_REPLAY` for the replayPath. `ORTHRUS_MODEL_RUNS` sets how many runs there are,
 * `ORTHRUS_MODEL_ABOUT=policy` has little else happen than what rules, groups and owners are about, and
 * `ORTHRUS_MODEL_QUICK=1` turns shrinking off.
 */

const {
  ORTHRUS_SLOW,
  ORTHRUS_MODEL_SEED,
  ORTHRUS_MODEL_PATH,
  ORTHRUS_MODEL_REPLAY,
  ORTHRUS_MODEL_RUNS,
  ORTHRUS_MODEL_QUICK,
  ORTHRUS_MODEL_ABOUT,
} = process.env
const RUNS = Number(ORTHRUS_MODEL_RUNS ?? (ORTHRUS_SLOW === '1' ? 10_000 : 50))
const ABOUT = ORTHRUS_MODEL_ABOUT === 'policy' ? 'policy' : 'everything'
/** Drawn here, because fast-check prints its own only if a property fails, and not if too little happened. */
const SEED = Number(ORTHRUS_MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31))

describe('an attacker who is the network', () => {
  it('makes no party believe what is not true', async () => {
    const tally = new Tally()
    const prepared = await prepareRealm(createTestClock(), new Random(1, 'model').bytes)
    const before = process.cpuUsage()
    const property = fc.asyncProperty(
      fc.nat(),
      programs(ORTHRUS_MODEL_REPLAY ?? null, ABOUT),
      async (seed, commands) => {
        const world = await World.start(prepared, seed, tally)
        const attacker = await Attacker.start(world)
        const run: Run = { world, attacker, imported: [], borrowers: [] }
        const setup = () => ({ model: world.reference, real: run })
        await fc.asyncModelRun(setup, commands as Iterable<Deed<unknown> & fc.AsyncCommand<Reference, Run>>)
        await world.close()
      },
    )
    await fc.assert(property, {
      numRuns: RUNS,
      seed: SEED,
      ...(ORTHRUS_MODEL_PATH === undefined ? {} : { path: ORTHRUS_MODEL_PATH }),
      endOnFailure: ORTHRUS_MODEL_QUICK === '1',
    })
    const { user, system } = process.cpuUsage(before)
    console.log(`${tally}\n${RUNS} runs by seed ${SEED}, ${Math.round((user + system) / 1000)} ms of CPU`)
    if (ABOUT === 'everything')
      expect(missing(tally, RUNS), `too little of these happened, by ORTHRUS_MODEL_SEED=${SEED}`).toEqual([])
  }, 3_600_000)
})
