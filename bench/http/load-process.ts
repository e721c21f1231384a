import type { LoadFigures } from '../exchanges/load-process.js'
import { quantile } from '../figures.js'
import type { Presented } from '../presentation/service.js'
import { serve } from '../processes.js'
import { HttpConnection } from './connection.js'
import { BARE, CONNECTIONS, createPresenter, createTicketed, type MadeRequest } from './requests.js'

/** The process that calls the service over keep-alive connections, each another client's. */

/** The handlers that are called, each at a port: alone, behind `requireTicket`, and there in a service that follows. */
export interface Ports {
  readonly bare: number
  readonly ticketed: number
  readonly followed: number
}

export interface ConnectOrder extends Ports {
  readonly keytab: string
}

export type Handler = keyof Ports

export interface PrepareOrder {
  readonly handler: Handler
  readonly count: number
}

interface Line {
  readonly connections: Readonly<Record<Handler, HttpConnection>>
  readonly presenter: Presented
}

const lines: Line[] = []
let called: Handler = 'bare'
let made: MadeRequest[][] = []

async function connect({ bare, ticketed, followed, keytab }: ConnectOrder): Promise<void> {
  for (let i = 0; i < CONNECTIONS; i++) {
    lines.push({
      connections: {
        bare: await HttpConnection.open(bare),
        ticketed: await HttpConnection.open(ticketed),
        followed: await HttpConnection.open(followed),
      },
      presenter: createPresenter(keytab, i),
    })
  }
}

/** Just before they are sent, as their stamps would be. */
function prepare({ handler, count }: PrepareOrder): void {
  called = handler
  const share = Math.ceil(count / CONNECTIONS)
  made = lines.map(({ presenter }) =>
    Array.from({ length: share }, () => (handler === 'bare' ? BARE : createTicketed(presenter))),
  )
  globalThis.gc?.()
}

async function run(): Promise<LoadFigures> {
  const times: number[] = []
  const begin = performance.now()
  const last = await Promise.all(lines.map((line, i) => runLine(line, made[i] ?? [], times)))
  const elapsed = performance.now() - begin
  for (const check of last) check()
  const sorted = Float64Array.from(times)
  return { elapsed, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}

/** @returns the whole check of its last response, for when time is no longer taken */
async function runLine(line: Line, requests: readonly MadeRequest[], times: number[]): Promise<() => void> {
  const connection = line.connections[called]
  let check = (): void => {}
  for (const request of requests) {
    const start = performance.now()
    const head = await connection.ask(request.text)
    times.push(performance.now() - start)
    if (!head.startsWith('HTTP/1.1 200 ')) throw new Error('the service refused a request of the bench')
    check = () => request.check(head)
  }
  return check
}

serve({ connect, prepare, run })
