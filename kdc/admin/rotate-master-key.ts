import {
  decodeRotationQuestion,
  encodeRotationStep,
  type RotationPosition,
  type RotationStep,
} from '../../shared/administration/master-key.js'
import { rotateMasterKey } from '../upkeep/rotate-master-key.js'
import { type AdminContext, actorOf } from './context.js'
import { type Method, method } from './method.js'

async function rotate(context: AdminContext, position: RotationPosition | null): Promise<RotationStep> {
  const { realm, report, change } = context
  const step = await rotateMasterKey({ vault: realm.vault, change }, position)
  const stage = position === null ? 'begun' : step.next === null ? 'finished' : undefined
  if (stage !== undefined) {
    const told = { method: 'rotate-master-key', realm: realm.record.realm, stage } as const
    await report.record({ kind: 'record_changed', ...actorOf(context), change: told })
  }
  return step
}

export const MASTER_KEY_METHODS = {
  'rotate-master-key': method({
    callers: 'administrators',
    reads: false,
    decode: decodeRotationQuestion,
    run: async (context, position) => encodeRotationStep(await rotate(context, position)),
  }),
} satisfies Record<string, Method>
