import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Real processes, of what `npm run build` made. */

export const root = fileURLToPath(new URL('../..', import.meta.url))
const CLI = join(root, 'dist/cli/orthrus.js')

export interface TemporaryFolder {
  readonly folder: string
  remove(): Promise<void>
}

/** What a test that ran out of time did not remove goes when the tests of its file are over. */
export async function temporaryFolder(prefix = 'orthrus-test-'): Promise<TemporaryFolder> {
  const folder = await mkdtemp(join(tmpdir(), prefix))
  folders.add(folder)
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true })
    folders.delete(folder)
  }
  return { folder, remove }
}

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export async function run(command: string, args: readonly string[], cwd: string, input = ''): Promise<Ended> {
  const child = endAtLast(spawn(command, args, { cwd, stdio: 'pipe' }))
  // One that ends without having read its input is told by its code.
  child.stdin.on('error', () => {})
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
const folders = new Set<string>()
let isOver = false

/** Called before the tests of each file. */
export function beginFile(): void {
  isOver = false
}

/** Called after the tests of each file. */
export async function endFile(): Promise<void> {
  isOver = true
  const ended = [...children].map(child => once(child, 'exit'))
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(ended)
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
  folders.clear()
}

/** A test that fails may leave it: no process outlives the tests of its file. */
export function endAtLast<Child extends ChildProcess>(child: Child): Child {
  // One that could not be started has no number, and never exits.
  if (child.pid !== undefined) children.add(child)
  child.once('exit', () => children.delete(child))
  // A test that ran out of time goes on, and may start its next process only now.
  if (isOver) child.kill('SIGKILL')
  return child
}

/** How it is run: what is `before` the command may limit or watch it, such as `sh -c 'ulimit ...; exec "$@"' sh`. */
export function spawnKdc(
  cwd: string,
  data = 'orthrus-data',
  before: readonly string[] = [],
  options: readonly string[] = [],
) {
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
    ...options,
  ]
  return endAtLast(spawn(command[0] as string, command.slice(1), { cwd, stdio: ['ignore', 'pipe', 'pipe'] }))
}

export async function startKdc(
  cwd: string,
  data?: string,
  before: readonly string[] = [],
  options: readonly string[] = [],
): Promise<KdcProcess> {
  const child = spawnKdc(cwd, data, before, options)
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
