import { TYPE } from '../../shared/constants.js'
import { quantile } from '../figures.js'
import { serve } from '../processes.js'
import { KdcSocket } from './kdc-socket.js'
import { type Actor, type Asked, actorFrom, askAs, askTgs, type Exchange } from './questions.js'
import { clientName, entryOf, type StartedKdc } from './realm.js'

/** The process that asks the KDC. Each connection is a separate client, or several in turn, and every request is made beforehand. */

export interface LoadOrder extends Exchange {
  readonly count: number
  readonly connections: number
}

export interface RunOrder {
  /** Of each connection. */
  readonly inFlight: number
}

/** Milliseconds. */
export interface LoadFigures {
  readonly elapsed: number
  readonly p50: number
  readonly p99: number
}

interface Line {
  readonly socket: KdcSocket
  readonly actors: readonly Actor[]
  asked: Asked[]
}

const lines: Line[] = []
let answerType: number = TYPE.AS_REP

interface ConnectOrder extends StartedKdc {
  readonly connections: number
  /** How many clients take turns over each connection. Default: one. */
  readonly clients?: number
}

async function connect({ url, keytab, connections, clients = 1 }: ConnectOrder): Promise<void> {
  for (let i = 0; i < connections; i++) {
    const socket = await KdcSocket.open(url)
    const actors: Actor[] = []
    for (let j = 0; j < clients; j++) actors.push(await login(socket, keytab, i * clients + j))
    lines.push({ socket, actors, asked: [] })
  }
}

async function login(socket: KdcSocket, keytab: string, instance: number): Promise<Actor> {
  const client = clientName(instance)
  const { key } = entryOf(keytab, client)
  const asked = askAs(client, key, 0)
  return actorFrom(client, key, asked.open(await socket.ask(asked.bytes)))
}

function prepare({ exchange, services, count, connections }: LoadOrder): void {
  answerType = exchange === 'AS' ? TYPE.AS_REP : TYPE.TGS_REP
  for (const [i, line] of lines.entries()) {
    const share = i < connections ? Math.ceil(count / connections) : 0
    const one = (_: unknown, n: number) => {
      const actor = line.actors[n % line.actors.length] as Actor
      return exchange === 'AS' ? askAs(actor.client, actor.key, services) : askTgs(actor, services)
    }
    line.asked = Array.from({ length: share }, one)
  }
  globalThis.gc?.()
}

async function run({ inFlight }: RunOrder): Promise<LoadFigures> {
  const busy = lines.filter(line => line.asked.length > 0)
  const times: number[] = []
  const begin = performance.now()
  await Promise.all(busy.map(line => runLine(line, inFlight, times)))
  const elapsed = performance.now() - begin
  const sorted = Float64Array.from(times)
  return { elapsed, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}

async function runLine({ socket, asked }: Line, inFlight: number, times: number[]): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    for (let question = asked[next++]; question !== undefined; question = asked[next++]) {
      const start = performance.now()
      const answer = await socket.ask(question.bytes)
      times.push(performance.now() - start)
      // Counting a refusal as an answer would measure something else.
      if (answer[1] !== answerType) throw new Error('the KDC refused a request of the bench')
    }
  }
  await Promise.all(Array.from({ length: inFlight }, one))
}

/** Opens one answer of the kind that is measured. @returns how many tickets it brought */
async function probe(): Promise<number> {
  const [line] = lines
  const [question] = line?.asked ?? []
  if (line === undefined || question === undefined) throw new TypeError('nothing was prepared')
  return question.open(await line.socket.ask(question.bytes)).grants.length
}

serve({ connect, prepare, run, probe })
