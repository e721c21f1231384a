import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import { endAtLast, root } from '../../end-to-end/processes.js'
import { Connection, formatRequest, type RawRequest, type RawResponse } from '../connection.js'
import type { Order, Told } from './orders.js'

/** Real processes that serve, of what `npm run build` made. */

const PROGRAM = join(root, 'dist/test/service/several/service-process.js')
const CLUSTER = join(root, 'dist/test/service/several/cluster-process.js')

interface Line {
  send(order: Order): void
  next(): Promise<Told>
}

export class ServiceProcess {
  readonly #line: Line
  readonly child: ChildProcess | undefined
  port = 0
  floor = 0

  constructor(line: Line, child: ChildProcess | undefined) {
    this.#line = line
    this.child = child
  }

  async tell(order: Order): Promise<Told> {
    this.#line.send(order)
    const told = await this.#line.next()
    if (told.port !== undefined) this.port = told.port
    if (told.floor !== undefined) this.floor = told.floor
    return told
  }

  /** What the service answers: `handled`, or the code of its refusal. */
  async present(request: RawRequest): Promise<string> {
    const connection = new Connection(this.port)
    try {
      return outcomeOf(await connection.write(formatRequest(request), request.method).response())
    } finally {
      connection.destroy()
    }
  }

  async kill(): Promise<void> {
    if (this.child === undefined) return
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }
}

function outcomeOf({ status, body }: RawResponse): string {
  return status === 200 ? 'handled' : body.toString().trim()
}

/** A process of its own. */
export async function startProcess(): Promise<ServiceProcess> {
  const child = endAtLast(fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
  const line = lineTo(
    take => child.on('message', take),
    order => void child.send(order),
  )
  await line.next()
  return new ServiceProcess(line, child)
}

/** A thread of this process. */
export async function startThread(): Promise<ServiceProcess> {
  const worker = new Worker(PROGRAM)
  onTestFinished(() => void worker.terminate())
  const line = lineTo(
    take => worker.on('message', take),
    order => worker.postMessage(order),
  )
  await line.next()
  return new ServiceProcess(line, undefined)
}

/** Workers of `node:cluster`, all of one primary. */
export async function startCluster(count: number): Promise<ServiceProcess[]> {
  const child = endAtLast(fork(CLUSTER, [String(count)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
  const mixed = new Mixed(child, count)
  const lines = Array.from({ length: count }, (_, worker) => mixed.line(worker))
  await Promise.all(lines.map(line => line.next()))
  return lines.map(line => new ServiceProcess(line, undefined))
}

function lineTo(listen: (take: (told: Told) => void) => unknown, send: (order: Order) => void): Line {
  const queue = new Queue<Told>()
  listen(told => queue.push(told))
  return { send, next: () => queue.next() }
}

/** The lines to all workers of a cluster go through their primary. */
class Mixed {
  readonly #child: ChildProcess
  readonly #queues: Queue<Told>[]

  constructor(child: ChildProcess, count: number) {
    this.#child = child
    this.#queues = Array.from({ length: count }, () => new Queue<Told>())
    child.on('message', ({ worker, told }: { worker: number; told: Told }) =>
      this.#queues[worker]?.push(told),
    )
  }

  line(worker: number): Line {
    return {
      send: order => void this.#child.send({ worker, order }),
      next: () => this.#queues[worker]?.next() ?? Promise.reject(new Error('no such worker')),
    }
  }
}

class Queue<T> {
  readonly #values: T[] = []
  readonly #waiting: ((value: T) => void)[] = []

  push(value: T): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#values.push(value)
    else waiting(value)
  }

  next(): Promise<T> {
    const value = this.#values.shift()
    if (value !== undefined) return Promise.resolve(value)
    return new Promise(resolve => this.#waiting.push(resolve))
  }
}
