import {
  decodeRotationStep,
  encodeRotationQuestion,
  type RotationPosition,
  type RotationStep,
} from '../../shared/administration/master-key.js'
import { MINUTE } from '../../shared/time.js'
import type { AdminTransport } from './transport.js'

/** How much longer than usual a step may take: the last one rewrites the whole database. Milliseconds. */
const WAIT = 30 * MINUTE

/** Gives the realm another master key, or goes on with that. Yields each step; the last one has no next. */
export async function* rotateMasterKey(transport: AdminTransport): AsyncGenerator<RotationStep> {
  let position: RotationPosition | null = null
  do {
    const args = encodeRotationQuestion(position)
    const step = decodeRotationStep(await transport.call('rotate-master-key', args, { wait: WAIT }))
    yield step
    position = step.next
  } while (position !== null)
}
