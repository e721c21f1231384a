import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { LoadServiceOptions } from '../../../service/index.js'
import { endAtLast, root } from '../processes.js'
import type { InstanceTold } from './instance.js'

const PROGRAM = join(root, 'dist/test/end-to-end/rolling/instance.js')

/** What all instances of a service handled, those that have ended too. */
export interface Handled {
  readonly payments: string[]
  readonly authorizations: string[]
}

/** A process that serves, and that can be deployed again. */
export class Instance {
  /** The principal, as `orders/1`. */
  readonly name: string
  readonly #options: LoadServiceOptions
  readonly #handled: Handled
  #child: ChildProcess | undefined
  port = 0

  constructor(name: string, options: LoadServiceOptions, handled: Handled) {
    this.name = name
    this.#options = options
    this.#handled = handled
  }

  /** Resolves when it listens, which it does when it is ready. */
  async start(role: 'serves' | 'keeper' = 'serves'): Promise<void> {
    const args = [JSON.stringify(this.#options), role]
    const child = endAtLast(fork(PROGRAM, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
    this.#child = child
    const isUp = new Promise<void>((resolve, reject) => {
      child.on('exit', code => reject(new Error(`${this.name} ended with ${code}`)))
      child.on('message', (told: InstanceTold) => {
        if ('authorization' in told) {
          this.#handled.authorizations.push(told.authorization)
          this.#handled.payments.push(told.payment)
          return
        }
        if ('port' in told) this.port = told.port
        resolve()
      })
    })
    await isUp
  }

  /** As whoever deploys asks it to. */
  async end(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    if (child.exitCode !== null) throw new Error(`${this.name} ended by itself`)
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    const [code] = await exit
    if (code !== 0) throw new Error(`${this.name} ended with ${code}`)
  }
}
