import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

/** Real processes, of what `npm run build` made. */

export const root = fileURLToPath(new URL('../..', import.meta.url))
const CLI = join(root, 'dist/cli/orthrus.js')

export async function temporaryFolder(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-test-'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export async function run(command: string, args: readonly string[], cwd: string, input = ''): Promise<Ended> {
  const child = spawn(command, args, { cwd, stdio: 'pipe' })
  child.stdin.end(input)
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => {
    out += String(chunk)
  })
  child.stderr.on('data', chunk => {
    err += String(chunk)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

export function orthrus(cwd: string, ...args: string[]): Promise<Ended> {
  return run(process.execPath, [CLI, ...args], cwd)
}

export interface KdcProcess {
  readonly url: string
  readonly child: ChildProcess
  log(): string
  /** Ends it as the signal does. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

const children = new Set<ChildProcess>()
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** A test that fails may leave it: no process outlives the tests of its file. */
export function endAtLast<Child extends ChildProcess>(child: Child): Child {
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** As it is run; what stands `before` the command may limit or watch it, as `sh -c 'ulimit ...; exec "$@"' sh`. */
export function spawnKdc(cwd: string, data = 'orthrus-data', before: readonly string[] = []) {
  const command = [
    ...before,
    process.execPath,
    CLI,
    'kdc',
    '--data',
    data,
    '--listen',
    '127.0.0.1:0',
    '--json',
  ]
  return endAtLast(spawn(command[0] as string, command.slice(1), { cwd, stdio: ['ignore', 'pipe', 'pipe'] }))
}

export async function startKdc(
  cwd: string,
  data?: string,
  before: readonly string[] = [],
): Promise<KdcProcess> {
  const child = spawnKdc(cwd, data, before)
  let log = ''
  child.stderr.on('data', chunk => {
    log += String(chunk)
  })
  const exited = once(child, 'exit')
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited])
  if (typeof line !== 'string') throw new Error(`the KDC did not start: ${log}`)
  const { url } = JSON.parse(line) as { url: string }
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    const [code] = (await exited) as [number | null]
    return code
  }
  return { url, child, log: () => log, end }
}
