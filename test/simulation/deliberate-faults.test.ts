import { afterAll, describe, expect, it } from 'vitest'
import { FaultyCopy, placesOf } from '../deliberate-faults.js'
import { FAULTS } from './faults.js'

/**
 * The simulation finds faults: each is put into a copy of the sources, one at a time. In the slow set;
 * `ORTHRUS_SIMULATION_FAULT=proof` runs those that have this in their names.
 */

const TEST = 'test/simulation/simulation.test.ts'
const TEST_OF_KEYS = 'test/simulation/keys.test.ts'
/** One seed for all, so that a fault that is found today is found tomorrow; the first run that fails is the last. */
const SEED = { ORTHRUS_SIMULATION_SEED: '1', ORTHRUS_SIMULATION_REQUESTS: '500' }
const RUNS = { ...SEED, ORTHRUS_SIMULATION_RUNS: '60' }
const TIMEOUT = 600_000

const copy = new FaultyCopy()
afterAll(() => copy.remove())

const chosen = process.env.ORTHRUS_SIMULATION_FAULT
const faults = FAULTS.filter(({ name }) => chosen === undefined || name.includes(chosen))

it.each(FAULTS.map(fault => [fault.name, fault] as const))('it can be made so that %s', async (_, fault) => {
  expect(await placesOf(fault)).toBe(1)
  expect(fault.to).not.toBe(fault.from)
})

describe.runIf(process.env.ORTHRUS_SLOW === '1' || chosen !== undefined)(
  'the simulation',
  { timeout: TIMEOUT },
  () => {
    it.each([TEST, TEST_OF_KEYS])('finds nothing in the unchanged copy: %s', async test => {
      const { passed, output } = await copy.run(undefined, test, SEED)
      expect(passed, output).toBe(true)
      // What a run prints when all is well must not match what it says of a fault.
      expect(FAULTS.filter(({ says }) => says.test(output)).map(({ name }) => name)).toEqual([])
    })

    it.each(faults.map(fault => [fault.name, fault] as const))('notices that %s', async (_, fault) => {
      const test = fault.isOfKeys ? TEST_OF_KEYS : TEST
      const { passed, output } = await copy.run(fault, test, RUNS)
      expect(passed).toBe(false)
      expect(output).toMatch(fault.says)
    })
  },
)
