import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

/** Runs a process of Node to its end. @returns milliseconds. @throws Error if it fails */
export async function runProcess(args: readonly string[]): Promise<number> {
  const begin = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}: ${said}`)
  return performance.now() - begin
}

/** Linux counts in hundredths of a second. */
const TICK = 10

/** Milliseconds of CPU of all processes that this one has seen end. @returns undefined where the system does not tell */
export function endedCpu(): number | undefined {
  if (process.platform !== 'linux') return undefined
  // The name of the program, in brackets, may have spaces.
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  const [user, system] = fields.slice(13, 15).map(Number)
  return user === undefined || system === undefined ? undefined : (user + system) * TICK
}
