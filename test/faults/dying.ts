import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { endAtLast, root } from '../end-to-end/processes.js'
import type { Chance } from '../support/chance.js'

/** Processes that are killed with -9 at one step of what they do (dying.mjs). Each step is hit, not a moment. */

const PRELOAD = `--import=${pathToFileURL(join(root, 'test/faults/dying.mjs')).href}`

/** For a command that passes its environment on. @param step from 1 */
export function dyingEnvironment(step: number, signal: NodeJS.Signals = 'SIGKILL'): Record<string, string> {
  return { NODE_OPTIONS: PRELOAD, ORTHRUS_DIE_AT: String(step), ORTHRUS_DIE_BY: signal }
}

/** The step that a process was killed at, such as `rename`, from what it said on standard error. */
export function deathIn(log: string): string | undefined {
  return /^killed at step \d+: (.*)$/m.exec(log)?.[1]
}

export interface DyingProcess {
  readonly child: ChildProcess
  /** Resolves with what it was killed at; undefined once it said that it was done, or ended by itself. */
  readonly done: Promise<string | undefined>
  log(): string
}

export interface DyingOptions {
  readonly args: readonly string[]
  readonly cwd: string
  readonly step: number
  /** Default: SIGKILL. */
  readonly signal?: NodeJS.Signals
  /** The line of standard output with which it says that it is done. */
  readonly until?: string
}

export function startDying({ args, cwd, step, signal, until }: DyingOptions): DyingProcess {
  const env = { ...process.env, ...dyingEnvironment(step, signal) }
  const child = endAtLast(spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] }))
  let log = ''
  child.stderr.on('data', chunk => {
    log += String(chunk)
  })
  const said = new Promise<void>(resolve => {
    createInterface({ input: child.stdout }).on('line', line => {
      if (line === until) resolve()
    })
  })
  const done = Promise.race([said, once(child, 'close')]).then(() => deathIn(log))
  return { child, done, log: () => log }
}

export interface Sweep {
  readonly chance: Chance
  /** How many steps are tried, drawn from the first `below`, which are always reached. Slow: each step there is. */
  readonly few: number
  readonly below: number
}

const slow = process.env.ORTHRUS_SLOW === '1'

/**
 * Does something again and again, and lets it die at another step each time.
 * @param run resolves with the step's name; undefined if it was done before it came to the step
 * @returns how often each kind of step was hit
 */
export async function sweepSteps(
  { chance, few, below }: Sweep,
  run: (step: number) => Promise<string | undefined>,
): Promise<ReadonlyMap<string, number>> {
  const hit = new Map<string, number>()
  const note = (name: string): void => void hit.set(name, (hit.get(name) ?? 0) + 1)
  if (!slow) {
    for (let i = 0; i < few; i++) {
      const step = 1 + chance.below(below)
      const name = await run(step)
      if (name === undefined) throw new Error(`step ${step} was not reached`)
      note(name)
    }
    return hit
  }
  for (let step = 1; ; step++) {
    const name = await run(step)
    if (name === undefined) break
    note(name)
  }
  return hit
}
