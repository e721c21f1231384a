import fc from 'fast-check'
import { Deed, type Kind } from './deed.js'

/** How deeds and what they need are drawn. */

export const maybe = <T>(arbitrary: fc.Arbitrary<T>, nothing = 3): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: nothing, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })

/** From the newest: mostly what was just there. */
export const index = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 2 }) },
  { weight: 1, arbitrary: fc.nat({ max: 40 }) },
)

export const mostly = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(usual, ...others) },
  )

/** A deed that is drawn, by the name of its kind. */
export interface WeightedDeed<A = unknown> extends fc.WeightedArbitrary<Deed<A>> {
  readonly name: string
}

export function deed<A>(weight: number, kind: Kind<A>, args: fc.Arbitrary<A>): WeightedDeed<A> {
  return { weight, name: kind.name, arbitrary: args.map(drawn => new Deed(kind, drawn)) }
}
