import { afterAll, describe, expect, it } from 'vitest'
import { FaultTable, FaultyCopy, placesOf } from '../deliberate-faults.js'
import { FAULTS } from './faults.js'

/**
 * The simulation of several KDCs finds faults: each is put into a copy of the sources, one at a time. In the slow set;
 * `ORTHRUS_REPLICAS_FAULT=confirmed` runs those that have this in their names.
 */

const TEST = 'test/replicas/simulation.test.ts'
/** One seed for all, so that a fault that is found today is found tomorrow; the first run that fails is the last. */
const SEED = { ORTHRUS_REPLICAS_SEED: '1' }

const copy = new FaultyCopy()
afterAll(() => copy.remove())

const chosen = process.env.ORTHRUS_REPLICAS_FAULT
const faults = FAULTS.filter(({ name }) => chosen === undefined || name.includes(chosen))

it.each(FAULTS.map(fault => [fault.name, fault] as const))('it can be made so that %s', async (_, fault) => {
  expect(await placesOf(fault)).toBe(1)
  expect(fault.to).not.toBe(fault.from)
})

describe.runIf(process.env.ORTHRUS_SLOW === '1' || chosen !== undefined)(
  'the simulation',
  { timeout: 600_000 },
  () => {
    const table = new FaultTable()
    afterAll(() => table.print())

    it('finds nothing in the unchanged copy', async () => {
      const { passed, output } = await copy.run(undefined, TEST, { ...SEED, ORTHRUS_REPLICAS_RUNS: '10' })
      expect(passed, output).toBe(true)
    })

    it.each(faults.map(fault => [fault.name, fault] as const))('notices that %s', async (_, fault) => {
      const test = fault.noticedBy ?? TEST
      const began = performance.now()
      const { passed, output } = await copy.run(fault, test, { ...SEED, ORTHRUS_REPLICAS_RUNS: '300' })
      table.add(
        fault,
        passed ? undefined : fault.noticedBy === undefined ? 'the simulation' : 'a test of its timing',
        began,
      )
      expect(passed).toBe(false)
      if (fault.noticedBy !== undefined) expect(output).toMatch(/FAIL .*\.test\.ts > /)
      else expect(output).toMatch(/granted: a ticket .*, \d+ ms after it was acknowledged/)
    })
  },
)
