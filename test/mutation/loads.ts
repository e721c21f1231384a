import { expect, it } from 'vitest'
import areas from './areas.json' with { type: 'json' }

/** A mutant that keeps its module from loading fails no test that Stryker can see, but this one. */

const area = process.env.ORTHRUS_MUTATION_AREA as keyof typeof areas

// Not in the test: what runs there counts as covered by that test alone.
const faults = await Promise.all(
  areas[area].sources.map(path =>
    import(new URL(`../../${path}`, import.meta.url).href).then(
      () => undefined,
      (fault: unknown) => fault,
    ),
  ),
)

it('every source of the area loads', () => {
  expect(faults.filter(fault => fault !== undefined)).toEqual([])
})
