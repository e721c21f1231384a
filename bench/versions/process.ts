import { parsePrincipal } from '../../shared/principal.js'
import { sealedBody } from '../channel.js'
import type { RowHead, Sample } from '../figures.js'
import { type BoundOperation, warmUp } from '../measure.js'
import { clientOperations } from '../presentation/client.js'
import { createService } from '../presentation/scene.js'
import { serviceOperations } from '../presentation/service.js'
import { serve } from '../processes.js'
import type { Settings } from '../settings.js'

/** The process of one version of Node, with operations that are measured in others at the same time. */

const KIB = 1024
/** How many operations the first round of a row has. */
const FIRST = 64

export interface BegunVersion {
  readonly version: string
  readonly rows: readonly { readonly head: RowHead; readonly count: number }[]
}

export interface RoundOrder {
  readonly id: string
  readonly count: number
}

const operations = new Map<string, BoundOperation>()

async function begin(settings: Settings): Promise<BegunVersion> {
  const service = createService(parsePrincipal('orders@bench.example'))
  const rows: { head: RowHead; count: number }[] = []
  for (const operation of [
    ...serviceOperations(service),
    ...clientOperations(service),
    sealedBody(64 * KIB),
  ]) {
    const { head, round } = operation
    operations.set(head.id, operation)
    rows.push({ head, count: await warmUp(round, FIRST, settings) })
  }
  return { version: process.version, rows }
}

function round({ id, count }: RoundOrder): Promise<Sample> {
  const operation = operations.get(id)
  if (operation === undefined) throw new TypeError(`there is no operation ${id}`)
  return operation.round(count)
}

serve({ begin, round })
