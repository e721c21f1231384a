import type { Value } from '../encoding/encoding.js'
import { fields, nullable, numberOf, textOf } from '../encoding/fields.js'

/** `rotate-master-key`: one step of giving the realm another master key. The caller goes on until there is no next. */

/** A kind of record and a name in it; only the KDC knows what they mean. */
export type RotationPosition = readonly [kind: string, after: string]

export interface RotationStep {
  /** Where to go on; null when all is done. */
  readonly next: RotationPosition | null
  /** How many records this step has sealed under the new key. */
  readonly sealed: number
  /** Where the key before is kept, on the machine of the KDC; null until all is done, or if its owner keeps it. */
  readonly kept: string | null
}

export function encodeRotationQuestion(position: RotationPosition | null): Value[] {
  return [position && [...position]]
}

/** @throws OrthrusError `malformed` */
export function decodeRotationQuestion(args: readonly Value[]): RotationPosition | null {
  return nullable(fields(args, 1)[0], positionOf)
}

export function encodeRotationStep({ next, sealed, kept }: RotationStep): Value[] {
  return [next && [...next], sealed, kept]
}

/** @throws OrthrusError `malformed` */
export function decodeRotationStep(results: readonly Value[]): RotationStep {
  const [next, sealed, kept] = fields(results, 3)
  return { next: nullable(next, positionOf), sealed: numberOf(sealed), kept: nullable(kept, textOf) }
}

function positionOf(value: Value | undefined): RotationPosition {
  const [kind, after] = fields(value, 2)
  return [textOf(kind), textOf(after)]
}
