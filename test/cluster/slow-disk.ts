import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { endAtLast } from '../end-to-end/processes.js'

/** How long each call waits that has a file written to the disk, milliseconds. The members' election takes a second. */
const WAIT = 250

function mayTrace(): boolean {
  try {
    execFileSync('strace', ['-qq', '-o', '/dev/null', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** False, after a word about it, where strace is not installed, or not allowed to follow a process. */
export const hasSlowDisks = mayTrace()
if (!hasSlowDisks) console.warn('strace is not to be had: what needs a slow disk is skipped')

/**
 * Makes the disk slow for one process: all that it has written to it waits.
 * @returns what makes it as quick as before
 */
export async function slowDisk(pid: number): Promise<() => Promise<void>> {
  const calls = 'fsync,fdatasync'
  const inject = `inject=${calls}:delay_enter=${WAIT}ms`
  // Without a word about each call, and with one when it has begun.
  const args = ['-f', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', inject, '-p', String(pid)]
  const child = endAtLast(spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] }))
  await Promise.race([once(child.stderr, 'data'), once(child, 'exit')])
  if (child.exitCode !== null) throw new Error('strace could not follow a member of etcd')
  return async () => {
    const exit = once(child, 'exit')
    child.kill('SIGINT')
    await exit
  }
}
