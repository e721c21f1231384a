import { unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { WINDOW } from '../../shared/constants.js'
import type { LongTermKey } from '../../shared/crypto/keys.js'
import { createStateMac, isStateMac } from '../../shared/crypto/lock.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import { exists, syncFolder } from '../../shared/folder.node.js'
import { invalidFile, type PrivateFileKind } from '../../shared/keytab/private-file.js'
import { readPrivateFile, writePrivateFile } from '../../shared/keytab/private-file.node.js'
import type { Machine } from '../../shared/machine.node.js'
import type { Principal } from '../../shared/principal.js'
import type { Clock } from '../../shared/time.js'
import type { ServiceKeys } from '../keys.js'
import type { Report } from '../report/events.js'
import type { LastRun } from './last-run.js'
import {
  formatState,
  looksLikeState,
  parseState,
  RUN_BYTES,
  type SavedState,
  stateText,
} from './saved-state.js'

const STATE_FILE: PrivateFileKind = {
  name: 'saved state',
  hintIfMissing: 'it is written when the service is closed',
  hintIfTaken: 'give state a path of its own',
  sizeMax: 64 * 1024,
}

export interface RestartOptions {
  readonly path: string
  readonly service: Principal
  readonly keys: ServiceKeys
  readonly clock: Clock
  readonly machine: Machine
  readonly lastRun: LastRun
  readonly report: Report
}

/**
 * What an orderly end leaves for the next start (docs/protocol.md section 8, "Floor"). The locks of all keys must be held
 * from before `begin` to after `end`. Whatever is uncertain gives no floor, and then the six seconds of a start stand.
 */
export class RestartState {
  readonly #options: RestartOptions
  /** Undefined if this run cannot be told from others, and so leaves nothing. */
  #run: Uint8Array | undefined

  constructor(options: RestartOptions) {
    this.#options = options
  }

  /**
   * Takes what the last end left, and makes sure that it is never taken again, before anything is accepted.
   * @returns the floor, milliseconds; undefined if nothing was left, or it cannot be used
   */
  async begin(): Promise<number | undefined> {
    const { report } = this.#options
    try {
      const state = await this.#take()
      const isUsable = state !== undefined && (await this.#isOfLastRun(state))
      await this.#beginRun()
      return isUsable ? state.floor : undefined
    } catch (err) {
      await this.#beginRun().catch(() => {})
      report({ kind: 'state_not_used', err })
      return undefined
    }
  }

  /** Another key came, and its lock is held. Whoever served under it before left a state that is not the last. */
  async add(key: LongTermKey): Promise<void> {
    await this.#options.lastRun.forget(key)
  }

  /** @param floor whatever was accepted is stamped at or below it, and nothing is accepted any more */
  async end(floor: number): Promise<void> {
    try {
      await this.#save(floor)
    } catch (err) {
      this.#options.report({ kind: 'state_not_saved', err })
    }
  }

  async #take(): Promise<SavedState | undefined> {
    const { path } = this.#options
    if (!(await exists(path))) return undefined
    const text = await readPrivateFile(STATE_FILE, path)
    if (!looksLikeState(text)) {
      throw invalidFile(STATE_FILE, path, 'is not a saved state', 'give state a path of its own')
    }
    await unlink(path)
    await syncFolder(dirname(path))
    const { state, macs: given } = parseState(text)
    const { service, keys } = this.#options
    if (state.service !== service) throw unusable(`it is of ${state.service}`)
    for (const [kvno, key] of keysOf(keys)) {
      const found = given.get(kvno)
      if (found === undefined || !isStateMac(key, found, stateText(state))) {
        throw unusable(`it was not written under the key of kvno ${kvno}`)
      }
    }
    await this.#requireSameTime(state)
    return state
  }

  /** The machine must not have started since, and its clocks must not have moved apart. */
  async #requireSameTime({ boot, wall, uptime }: SavedState): Promise<void> {
    const { clock, machine } = this.#options
    if (boot !== (await machine.boot())) throw unusable('the machine was started since')
    const passed = machine.uptime() - uptime
    const moved = clock.now() - wall - passed
    if (!(passed >= 0 && Math.abs(moved) <= WINDOW.CLOCKS_PART)) throw unusable('the clock was set since')
    // Then everything that was accepted is past the window, and nothing is gained.
    if (passed >= WINDOW.SERVICE_PAST) throw unusable('it is older than a minute')
  }

  /** Told by what lies elsewhere, so that an older state that was put back is not taken for the last. */
  async #isOfLastRun({ run }: SavedState): Promise<boolean> {
    const { keys, lastRun } = this.#options
    for (const [, key] of keysOf(keys)) {
      if (!(await lastRun.is(key, run))) {
        throw unusable('another process has served since, or an older state was put back')
      }
    }
    return true
  }

  async #beginRun(): Promise<void> {
    const { keys, lastRun } = this.#options
    this.#run = undefined
    const run = systemRandom(RUN_BYTES)
    for (const [, key] of keysOf(keys)) await lastRun.begin(key, run)
    this.#run = run
  }

  async #save(floor: number): Promise<void> {
    const { path, service, keys, clock, machine, lastRun } = this.#options
    const run = this.#run
    if (run === undefined) throw unusable('this process could not write down that it serves')
    // Keys that came since the start were locked when they came.
    for (const [, key] of keysOf(keys)) await lastRun.begin(key, run)
    const boot = await machine.boot()
    const state = { service, boot, wall: clock.now(), uptime: machine.uptime(), floor, run }
    const text = stateText(state)
    const macs = new Map([...keysOf(keys)].map(([kvno, key]) => [kvno, createStateMac(key, text)]))
    if ((await exists(path)) && looksLikeState(await readPrivateFile(STATE_FILE, path))) await unlink(path)
    await writePrivateFile(STATE_FILE, path, formatState({ state, macs }))
  }
}

function* keysOf(keys: ServiceKeys): Generator<readonly [kvno: number, key: LongTermKey]> {
  for (const kvno of keys.kvnos) {
    const key = keys.get(kvno)
    if (key !== undefined) yield [kvno, key]
  }
}

function unusable(reason: string): OrthrusError {
  return new OrthrusError('unavailable', `the saved state cannot be used: ${reason}`, {
    hint: 'the service accepts nothing in its first six seconds, as after any end without a state',
  })
}
