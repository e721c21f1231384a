import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Instance } from './deployment.js'

/**
 * A small load balancer of HTTP. Each request goes to one of the instances in rotation, or to the one that its client
 * names. An attacker has its cable: all requests are recorded, and copies of some go to every instance.
 */

/** The name of the header by which a client says which instance it means. */
export const INSTANCE_HEADER = 'x-instance'
/** A copy of each such request goes to all instances at once; the others wait for a new instance. */
const COPIED_AT_ONCE = 8

/** A request as it came. */
export interface Recorded {
  readonly method: string
  readonly target: string
  readonly headers: readonly string[]
  readonly body: Buffer
}

export class Balancer {
  readonly recorded: Recorded[] = []
  /** How many copies were brought to instances. */
  copies = 0
  /** The copies that an instance answered with 200. */
  readonly copiesServed: Recorded[] = []
  readonly #server: Server
  readonly #rotation = new Set<Instance>()
  readonly #underWay = new Map<Instance, number>()
  readonly #attacks = new Set<Promise<void>>()
  #turn = 0
  #idle: () => void = () => {}

  private constructor() {
    this.#server = createServer((req, res) => {
      this.#forward(req, res).catch(() => res.writeHead(502).end())
    })
  }

  static async start(): Promise<Balancer> {
    const balancer = new Balancer()
    await new Promise<void>(resolve => balancer.#server.listen(0, '127.0.0.1', resolve))
    return balancer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  add(instance: Instance): void {
    this.#rotation.add(instance)
  }

  /** Nothing more goes to the instance, and what is under way there is over when this resolves. */
  async drain(instance: Instance): Promise<void> {
    this.#rotation.delete(instance)
    while ((this.#underWay.get(instance) ?? 0) > 0) {
      await new Promise<void>(resolve => {
        this.#idle = resolve
      })
    }
  }

  /** Has the client use an instance that is in rotation, and that is drained only when the client is done. */
  async use<T>(act: (instance: Instance) => Promise<T>): Promise<T> {
    const instances = [...this.#rotation]
    const instance = instances[this.#turn++ % instances.length]
    if (instance === undefined) throw new Error('no instance is in rotation')
    this.#underWay.set(instance, (this.#underWay.get(instance) ?? 0) + 1)
    try {
      return await act(instance)
    } finally {
      this.#underWay.set(instance, (this.#underWay.get(instance) ?? 1) - 1)
      this.#idle()
    }
  }

  /** Copies of what was recorded last, to an instance that has just begun to listen. */
  async copyAllTo(instance: Instance, most: number): Promise<void> {
    for (const recorded of this.recorded.slice(-most)) await this.#copyTo(instance, recorded)
  }

  async close(): Promise<void> {
    await Promise.all(this.#attacks)
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #forward(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    const { method = '', url: target = '', rawHeaders: headers } = req
    const recorded = { method, target, headers, body: Buffer.concat(chunks) }
    const named = req.headers[INSTANCE_HEADER]
    if (named === undefined) await this.use(instance => pass(instance, recorded, res))
    else {
      const instance = [...this.#underWay.keys()].find(({ name }) => name === named)
      if (instance === undefined) throw new Error(`no ${named}`)
      await pass(instance, recorded, res)
    }
    this.recorded.push(recorded)
    if (this.recorded.length % COPIED_AT_ONCE === 0) this.#attack(recorded)
  }

  #attack(recorded: Recorded): void {
    const copies = [...this.#rotation].map(instance => this.#copyTo(instance, recorded))
    const attack = Promise.all(copies).then(() => void this.#attacks.delete(attack))
    this.#attacks.add(attack)
  }

  /** An instance that has just gone out of rotation, and ended, takes no copy. */
  async #copyTo(instance: Instance, recorded: Recorded): Promise<void> {
    const status = await send(instance, recorded).then(
      answer => {
        answer.resume()
        return answer.statusCode
      },
      () => undefined,
    )
    if (status === undefined) return
    this.copies += 1
    if (status === 200) this.copiesServed.push(recorded)
  }
}

async function pass(instance: Instance, recorded: Recorded, res: ServerResponse): Promise<void> {
  const answer = await send(instance, recorded)
  res.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
  for await (const chunk of answer) res.write(chunk)
  res.end()
}

/** On a connection of its own. */
function send({ port }: Instance, { method, target, headers, body }: Recorded): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', method, path: target, headers, agent: false }, resolve)
    sent.on('error', reject)
    sent.end(body)
  })
}
