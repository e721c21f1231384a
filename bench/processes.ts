import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The bench's processes: forked, given one or more orders, and always ended in the end. */

type Handlers = Readonly<Record<string, (argument: never) => unknown>>

interface Question {
  readonly id: number
  readonly order: string
  readonly argument: unknown
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: string }

interface Waiting {
  resolve(value: unknown): void
  reject(cause: Error): void
}

const DEADLINE = 60_000
const END_DEADLINE = 5_000
const children = new Set<ChildProcess>()

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** A file of this folder, as built, to be run by another Node than this one. */
export interface OtherProgram {
  readonly module: string
  /** The path of the program. */
  readonly node: string
}

/** A process that does what it is asked, by `serve`. */
export class Child {
  readonly #process: ChildProcess
  readonly #name: string
  readonly #waiting = new Map<number, Waiting>()
  #asked = 0

  /** @param program a file of this folder, as built. */
  constructor(program: string | OtherProgram) {
    const { module, node } =
      typeof program === 'string' ? { module: program, node: process.execPath } : program
    const path = fileURLToPath(new URL(module, import.meta.url))
    this.#name = module
    this.#process = fork(path, {
      execPath: node,
      // What one version of Node serializes, another may not read.
      serialization: node === process.execPath ? 'advanced' : 'json',
      // Lets a round collect the garbage of its preparation before it begins, and not while it is measured.
      execArgv: ['--expose-gc', '--no-warnings'],
    })
    children.add(this.#process)
    this.#process.on('message', message => this.#take(message as Answer))
    this.#process.on('exit', () => this.#ended())
    this.#process.on('error', cause => this.#failAll(cause))
  }

  /** @param deadline milliseconds, after which the process is ended. @throws Error of the process, or of its end */
  async ask<T>(order: string, argument?: unknown, deadline = DEADLINE): Promise<T> {
    const id = this.#asked++
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    const late = setTimeout(() => void this.stop(), deadline)
    this.#process.send({ id, order, argument } satisfies Question, cause => {
      if (cause !== null) this.#failAll(cause)
    })
    try {
      return (await answer) as T
    } finally {
      clearTimeout(late)
    }
  }

  /** Microseconds of CPU that the process has used so far, user and system. */
  cpu(): Promise<number> {
    return this.ask<number>('cpu')
  }

  /** Stands still, as a process that its machine forgot, until `goOn`. */
  stopForNow(): void {
    this.#process.kill('SIGSTOP')
  }

  goOn(): void {
    this.#process.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    if (!children.has(this.#process)) return
    const ended = once(this.#process, 'exit')
    const late = setTimeout(() => this.#process.kill('SIGKILL'), END_DEADLINE)
    if (this.#process.connected) this.#process.disconnect()
    await ended
    clearTimeout(late)
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ('fault' in answer) waiting?.reject(new Error(`${this.#name}: ${answer.fault}`))
    else waiting?.resolve(answer.value)
  }

  #ended(): void {
    children.delete(this.#process)
    const { exitCode, signalCode } = this.#process
    this.#failAll(new Error(`${this.#name} ended early, ${signalCode ?? exitCode}`))
  }

  #failAll(cause: Error): void {
    for (const { reject } of this.#waiting.values()) reject(cause)
    this.#waiting.clear()
  }
}

/** Runs `use` with processes that are stopped afterwards. */
export async function withChildren<T>(
  programs: readonly (string | OtherProgram)[],
  use: (...processes: Child[]) => Promise<T>,
): Promise<T> {
  const forked = programs.map(program => new Child(program))
  try {
    return await use(...forked)
  } finally {
    await Promise.all(forked.map(child => child.stop()))
  }
}

/** The forked side: answers orders by name until the parent process is gone. */
export function serve(handlers: Handlers): void {
  const all: Handlers = { ...handlers, cpu: cpuUsed }
  process.on('disconnect', () => process.exit())
  // With what there is to sweep away at the exit.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
  process.on('message', (message: Question) => {
    answerTo(all, message).then(answer => process.send?.(answer))
  })
}

async function answerTo(handlers: Handlers, { id, order, argument }: Question): Promise<Answer> {
  try {
    const handler = handlers[order]
    if (handler === undefined) throw new TypeError(`nobody here can ${order}`)
    return { id, value: await handler(argument as never) }
  } catch (cause) {
    return { id, fault: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }
  }
}

function cpuUsed(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
