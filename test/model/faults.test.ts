import { afterAll, describe, expect, it } from 'vitest'
import { FaultTable, FaultyCopy, placesOf } from '../deliberate-faults.js'
import { FAULTS } from './deliberate-faults.js'

/**
 * Shows that the model can fail: each fault is put into a copy of the sources, where the model must see it by an
 * invariant and not by a crash. The unchanged copy must pass. `ORTHRUS_MODEL_FAULT` selects some by their names, with `|`
 * between several.
 */

const TEST = 'test/model/model.test.ts'
const SEED = '20261121'
/** Three in four faults show within the first fifty runs. */
const RUNS = { WITH_FAULT: '5000', AS_IT_IS: '300' } as const
const TIMEOUT = 3_600_000

const copy = new FaultyCopy()
afterAll(() => copy.remove())

const chosen = process.env.ORTHRUS_MODEL_FAULT
const faults = FAULTS.filter(
  ({ name }) => chosen === undefined || chosen.split('|').some(part => name.includes(part)),
)

/** Runs until it fails, but no longer. */
function told(runs: string, { about = '', foundAt = 1 } = {}): Readonly<Record<string, string>> {
  return {
    ORTHRUS_MODEL_SEED: SEED,
    // fast-check goes on with the runs after it.
    ORTHRUS_MODEL_PATH: String(foundAt - 1),
    ORTHRUS_MODEL_RUNS: runs,
    ORTHRUS_MODEL_QUICK: '1',
    ORTHRUS_MODEL_ABOUT: about,
  }
}

describe('the deliberate faults', () => {
  it.each(FAULTS)('can be made: $name', async fault => {
    expect(await placesOf(fault)).toBe(1)
    if (fault.and !== undefined) expect(await placesOf(fault.and)).toBe(1)
    expect(fault.to).not.toBe(fault.from)
  })

  it('are many, with different names', () => {
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length)
    expect(FAULTS.length).toBeGreaterThanOrEqual(15)
  })
})

describe.runIf(process.env.ORTHRUS_SLOW === '1' || chosen !== undefined)(
  'the model',
  { timeout: TIMEOUT },
  () => {
    const table = new FaultTable()
    afterAll(() => table.print())

    it.each(faults)('sees that $name', async fault => {
      const began = performance.now()
      const { passed, output } = await copy.run(fault, TEST, told(RUNS.WITH_FAULT, fault))
      const [seen] = output.match(/INVARIANT: .*/) ?? []
      const [, tried] = output.match(/Property failed after (\d+) tests/) ?? []
      const run = Number(tried) + (fault.foundAt ?? 1) - 1
      table.add(fault, seen && `${seen} (run ${run})`, began)
      console.log(`${fault.name}: ${seen} (run ${run})`)
      expect(seen, output).toBeDefined()
      expect(passed).toBe(false)
    })

    it('sees nothing in the unchanged copy', async () => {
      const { passed, output } = await copy.run(undefined, TEST, told(RUNS.AS_IT_IS))
      expect(output).not.toContain('INVARIANT: ')
      expect(passed, output).toBe(true)
    })
  },
)
