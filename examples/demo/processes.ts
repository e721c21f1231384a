import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Starts the processes of the demonstration, exchanges messages with them, and stops them in every case. */

const CLI = fileURLToPath(new URL('../../cli/orthrus.js', import.meta.url))

/**
 * Runs one `orthrus` command to its end.
 * @param input what it reads
 * @returns what it printed.
 * @throws Error with what it wrote to standard error
 */
export async function orthrus(folder: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] })
  // What it does not read is no failure.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => (out += String(chunk)))
  child.stderr.on('data', chunk => (err += String(chunk)))
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`orthrus ${args.join(' ')} ended with ${code}: ${err}`)
  return out.trim()
}

/** Starts a KDC. @returns its URL and how to stop it */
export async function startKdc(
  folder: string,
  data: string,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const args = ['kdc', '--data', data, '--listen', '127.0.0.1:0']
  const { told, stop } = await startCommand<{ url: string }>(folder, args)
  return { url: told.url, stop }
}

/**
 * Starts a command that goes on until it is stopped.
 * @returns what it said when it had begun, and how to stop it, in order or as a power cut does
 * @throws Error with what it wrote to standard error, if it ends instead
 */
export async function startCommand<Told>(
  folder: string,
  args: readonly string[],
): Promise<{ told: Told; stop: () => Promise<void>; kill: () => Promise<void> }> {
  const command = [CLI, ...args, '--json']
  const child = spawn(process.execPath, command, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', chunk => (log += String(chunk)))
  const first = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'close'),
  ])
  if (typeof first[0] !== 'string') throw new Error(`orthrus ${args[0]} did not start: ${log}`)
  const end = (signal: NodeJS.Signals) => () => stop(child, () => child.kill(signal))
  return { told: JSON.parse(first[0]) as Told, stop: end('SIGTERM'), kill: end('SIGKILL') }
}

async function stop(child: ChildProcess, ask: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  ask()
  await ended
}

/** A forked process that is asked one thing at a time. */
export class Party {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** @returns the party and the first message that it sent, which says that it is ready */
  static async start<Ready>(
    folder: string,
    module: string,
    args: readonly string[],
  ): Promise<[Party, Ready]> {
    const child = fork(fileURLToPath(new URL(module, import.meta.url)), [...args], { cwd: folder })
    const [ready] = await answerOf(child, module)
    return [new Party(child), ready as Ready]
  }

  async ask<Answer>(order: object): Promise<Answer> {
    const answer = answerOf(this.#child, 'a party')
    this.#child.send(order)
    return (await answer)[0] as Answer
  }

  stop(): Promise<void> {
    return stop(this.#child, () => this.#child.disconnect())
  }
}

async function answerOf(child: ChildProcess, name: string): Promise<unknown[]> {
  const gone = new AbortController()
  const ended = once(child, 'close', { signal: gone.signal }).then(() => {
    throw new Error(`${name} ended early`)
  })
  ended.catch(() => {})
  try {
    return (await Promise.race([once(child, 'message', { signal: gone.signal }), ended])) as unknown[]
  } finally {
    gone.abort()
  }
}
