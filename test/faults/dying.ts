import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { expect } from 'vitest'
import { endAtLast, root } from '../end-to-end/processes.js'
import type { Chance } from '../support/chance.js'

/** Processes that are killed with -9 at one step of what they do (dying.mjs). Each step is hit, not a moment. */

const PRELOAD = `--import=${pathToFileURL(join(root, 'test/faults/dying.mjs')).href}`

/** For a command that passes its environment on. @param step as `rename 2` */
export function dyingEnvironment(step: string, signal: NodeJS.Signals = 'SIGKILL'): Record<string, string> {
  return { NODE_OPTIONS: PRELOAD, ORTHRUS_DIE_AT: step, ORTHRUS_DIE_BY: signal }
}

/** The step that a process was killed at, from what it said on standard error. */
export function deathIn(log: string): string | undefined {
  return /^killed at: (.*)$/m.exec(log)?.[1]
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
  /** As `rename 2`. */
  readonly step: string
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

/** The kinds of step that there are, and how many of each at least. */
export type Steps = Readonly<Record<string, number>>

const slow = process.env.ORTHRUS_SLOW === '1'

/**
 * Does something that dies at a step: again and again, at each step there is, or once at one that is drawn.
 * @param run resolves with the step; undefined if it was done before it came to it
 */
export async function sweepSteps(
  chance: Chance,
  steps: Steps,
  run: (step: string) => Promise<string | undefined>,
): Promise<void> {
  const kinds = Object.entries(steps)
  if (!slow) {
    const [kind, count] = chance.pick(kinds)
    const step = `${kind} ${1 + chance.below(count)}`
    expect(await run(step)).toBe(step)
    return
  }
  for (const [kind, count] of kinds) {
    let hit = 0
    while ((await run(`${kind} ${hit + 1}`)) !== undefined) hit += 1
    console.log(`${kind}: ${hit}`)
    expect(hit, kind).toBeGreaterThanOrEqual(count)
  }
}
