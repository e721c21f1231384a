import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What each demonstration does: it says its steps, fails if one goes otherwise than it should, and leaves nothing, be it over,
 * failed or interrupted.
 */

/** How long a step that was interrupted may take to notice it, milliseconds. */
const PATIENCE = 5_000

type Cleanup = () => unknown

const cleanups: Cleanup[] = []
/** Those that came too late to wait for their turn. */
const late: Promise<void>[] = []
let steps = 0
let isInterrupted = false
let isOver = false

const interrupted = new Promise<void>(resolve => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      isInterrupted = true
      resolve()
    })
  }
})

/** Says that a step is done. */
export function say(text: string): void {
  console.log(`${String(++steps).padStart(2)}. ${text}`)
}

/** @throws Error unless it held */
export function require(held: boolean, expected: string, actual: unknown): void {
  if (!held) throw new Error(`expected: ${expected}; what happened: ${JSON.stringify(actual)}`)
}

/** To be done at the end, before what was given earlier; at once if that has come, as for a process that was just starting. */
export function atEnd(cleanup: Cleanup): void {
  if (isOver) late.push(attempt(cleanup))
  else cleanups.push(cleanup)
}

/** Carries out all steps, in a folder that is removed. */
export async function demonstrate(run: (folder: string) => Promise<void>): Promise<void> {
  try {
    await leavingNothing(run)
    if (!isInterrupted) console.log('All of it happened as it should.')
  } catch (error) {
    console.error(
      `The demonstration failed after step ${steps}: ${error instanceof Error ? error.message : error}`,
    )
    process.exitCode = 1
  }
  // A step may wait for what does not come any more.
  if (isInterrupted) process.exit(1)
}

/** Builds something in a folder that is removed when it is interrupted. */
export async function untilInterrupted(build: (folder: string) => Promise<void>): Promise<void> {
  await leavingNothing(async folder => {
    await build(folder)
    await interrupted
  })
  process.exit()
}

async function leavingNothing(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-demo-'))
  const running = run(folder)
  try {
    await Promise.race([running, interrupted])
  } finally {
    isOver = true
    for (const cleanup of cleanups.reverse()) await attempt(cleanup)
    // What was on its way fails by now, and writes nothing more into the folder.
    await Promise.race([running.catch(() => {}), sleep(PATIENCE)])
    await Promise.all(late)
    await rm(folder, { recursive: true, force: true })
  }
}

async function attempt(cleanup: Cleanup): Promise<void> {
  try {
    await cleanup()
  } catch (error) {
    console.error(error)
  }
}
