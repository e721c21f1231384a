import type { LongTermKey } from '../../shared/crypto/keys.js'
import { systemMachine } from '../../shared/machine.node.js'
import { LastRun } from './last-run.js'
import { type RestartOptions, RestartState } from './restart-state.js'

export interface BegunRun {
  /** Milliseconds; undefined if the six seconds of a start stand. */
  readonly floor: number | undefined
  /** Another key came, and its lock is held. */
  keyCame(key: LongTermKey): Promise<void>
  /** @param floor whatever was accepted is stamped at or below it; undefined if that is not known */
  end(floor: number | undefined): Promise<void>
}

/** A service begins to serve. Its locks are held, and it has accepted nothing yet. */
export async function beginRun(
  { state: path }: { readonly state?: string },
  options: Omit<RestartOptions, 'path' | 'machine' | 'lastRun'>,
): Promise<BegunRun> {
  const lastRun = new LastRun()
  const { keys } = options
  if (path === undefined) {
    // What an earlier process left is no longer of the last one.
    for (const kvno of keys.kvnos) {
      const key = keys.get(kvno)
      if (key !== undefined) await lastRun.forget(key)
    }
    return { floor: undefined, keyCame: key => lastRun.forget(key), end: async () => {} }
  }
  const state = new RestartState({ ...options, path, machine: systemMachine, lastRun })
  return {
    floor: await state.begin(),
    keyCame: key => state.add(key),
    end: async floor => {
      if (floor !== undefined) await state.end(floor)
    },
  }
}
