import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, type TestContext } from 'vitest'
import { connect, type Realm } from '../../../client/connect.js'
import { startKdc } from '../../../kdc/main.js'
import type { LoadServiceOptions } from '../../../service/index.js'
import { makeRealm } from '../../support/folder-realm.js'
import { Balancer, INSTANCE_HEADER } from './balancer.js'
import { type Handled, Instance } from './deployment.js'

/**
 * Three instances of a service are deployed again, one after another, while clients write: each instance goes out of
 * rotation, ends in good order, starts, and comes back when it listens, as docs/several-processes.md says. What is
 * promised then is that a restart costs nobody a write. So **no** error of a client is allowed here, of whatever code,
 * and none is tried again except by `realm.fetch` itself. And nothing that was handled is handled again, although copies
 * are brought to all instances all the time, and to a new one from its first moment.
 */

const slow = process.env.ORTHRUS_SLOW === '1'

/** How often all that are to be deployed are deployed. */
const ROUNDS = slow ? 2 : 1
const WRITERS = slow ? 3 : 2
/** Between two requests of one client, milliseconds. */
const PACE = 20
/** One of this many requests is a GET. */
const READS = 4
/** How many copies a new instance gets. */
const COPIES = slow ? 60 : 30
/** How many requests are answered before and after each deployment. */
const SERVED_BETWEEN = 10

interface Scene {
  readonly shared: boolean
  /** Which of the three instances are deployed. */
  readonly deployed: readonly number[]
  readonly options: (folder: string, instance: number) => Omit<LoadServiceOptions, 'keytab'>
}

const ALL = [0, 1, 2]

const withState = (folder: string, instance: number): Omit<LoadServiceOptions, 'keytab'> => ({
  state: join(folder, `orders.${instance}.state`),
})
const shared = (): Omit<LoadServiceOptions, 'keytab'> => ({ replayCache: { shared: 'machine' } })

const quickScenes: Record<string, Scene> = {
  'with a principal each, of which one has a state and one has none': {
    shared: false,
    deployed: [0, 1],
    options: (folder, instance) => (instance === 0 ? withState(folder, instance) : {}),
  },
}
const slowScenes: Record<string, Scene> = {
  'with one replay cache, which a process keeps that is not deployed': {
    shared: true,
    deployed: ALL,
    options: shared,
  },
  'with a principal each, and a state each': { shared: false, deployed: ALL, options: withState },
  'with a principal each': { shared: false, deployed: ALL, options: () => ({}) },
}
const scenes: Record<string, Scene> = { ...quickScenes, ...(slow ? slowScenes : {}) }

const CLIENTS = ['web/0', 'web/1']

class Deployment {
  readonly handled: Handled = { payments: [], authorizations: [] }
  readonly paid: string[] = []
  readonly failures: string[] = []
  readonly balancer: Balancer
  readonly instances: readonly Instance[]
  readonly #isShared: boolean
  readonly #clients: readonly Realm[]
  readonly #events = new EventEmitter()
  #asked = 0
  #isOver = false

  private constructor(
    balancer: Balancer,
    clients: readonly Realm[],
    isShared: boolean,
    instances: Options[],
  ) {
    this.balancer = balancer
    this.#clients = clients
    this.#isShared = isShared
    this.instances = instances.map(([name, options]) => new Instance(name, options, this.handled))
  }

  static async start({ shared, options }: Scene, { onTestFinished }: TestContext): Promise<Deployment> {
    // The shared cache is named by the principal, and other tests of this machine must not meet it.
    const service = `orders-${randomBytes(6).toString('hex')}`
    const names = [1, 2, 3].map(number => (shared ? service : `${service}/${number}`))
    const services = [...new Set(names)]
    const rules = services.map(name => ['web/*', name] as const)
    const realm = await makeRealm([...CLIENTS, ...services], rules)
    onTestFinished(() => realm.remove())
    const kdc = await startKdc({ dataDirectory: realm.data, listen: { port: 0 } })
    onTestFinished(() => kdc.close())
    const balancer = await Balancer.start()
    onTestFinished(() => balancer.close())
    const clients = await Promise.all(
      CLIENTS.map(name => connect({ kdc: kdc.url, keytab: { text: realm.keytab(name) } })),
    )
    onTestFinished(() => {
      for (const client of clients) client.close()
    })
    const instances = names.map((name, i): Options => {
      const keytab = { text: realm.keytab(name) }
      return [name, { keytab, ...options(realm.folder, i) }]
    })
    const deployment = new Deployment(balancer, clients, shared, instances)
    if (shared) {
      const keeper = new Instance('keeper', (instances[0] as Options)[1], deployment.handled)
      await keeper.start('keeper')
      onTestFinished(() => keeper.end())
    }
    await Promise.all(
      deployment.instances.map(async instance => {
        await instance.start()
        balancer.add(instance)
      }),
    )
    return deployment
  }

  /** Each instance once, while the others serve. */
  async deploy(deployed: readonly number[]): Promise<void> {
    await this.#served(SERVED_BETWEEN)
    for (const number of deployed) {
      const instance = this.instances[number] as Instance
      await this.balancer.drain(instance)
      await instance.end()
      await instance.start()
      await this.balancer.copyAllTo(instance, COPIES)
      this.balancer.add(instance)
      await this.#served(SERVED_BETWEEN)
    }
  }

  /** Until it is over, and then until the last answer. */
  async write(until: Promise<void>): Promise<void> {
    const writers = Array.from({ length: WRITERS }, (_, i) => this.#keepWriting(i))
    await until.finally(() => {
      this.#isOver = true
    })
    await Promise.all(writers)
    for (const instance of this.instances) await instance.end()
  }

  /** Some requests go well after a deployment, so that it is not the next one that is tried. */
  async #served(more: number): Promise<void> {
    const length = this.paid.length + this.failures.length
    while (this.paid.length + this.failures.length < length + more) await once(this.#events, 'answered')
  }

  async #keepWriting(writer: number): Promise<void> {
    const client = this.#clients[writer % this.#clients.length] as Realm
    while (!this.#isOver) {
      await this.#request(client).catch(cause => this.failures.push(String(cause)))
      this.#events.emit('answered')
      await wait(PACE)
    }
  }

  async #request(client: Realm): Promise<void> {
    const payment = String(this.#asked++)
    if (this.#asked % READS === 0) return await this.#fetch(client, {})
    await this.#fetch(client, { method: 'POST', body: payment })
    this.paid.push(payment)
  }

  /** With a principal each, a client says which instance it means; with one for all, the balancer chooses. */
  async #fetch(client: Realm, init: RequestInit): Promise<void> {
    const send = async (instance: Instance): Promise<void> => {
      const headers: HeadersInit = this.#isShared ? {} : { [INSTANCE_HEADER]: instance.name }
      const options = { ...init, headers, service: instance.name }
      const response = await client.fetch(`${this.balancer.url}/payments`, options)
      if (response.status !== 200) throw new Error(`status ${response.status}`)
      await response.text()
    }
    const [any] = this.instances
    if (this.#isShared && any !== undefined) await send(any)
    else await this.balancer.use(send)
  }
}

type Options = readonly [name: string, options: LoadServiceOptions]

describe.skipIf(process.platform !== 'linux')('a rolling deploy of three instances', () => {
  it.for(Object.entries(scenes))(
    '%s fails no write, and handles nothing twice',
    { timeout: slow ? 1_200_000 : 120_000, concurrent: !slow },
    async ([, scene], context) => {
      const deployment = await Deployment.start(scene, context)
      const deployAll = async (): Promise<void> => {
        for (let round = 0; round < ROUNDS; round++) await deployment.deploy(scene.deployed)
      }
      await deployment.write(deployAll())
      const { failures, paid, handled, balancer } = deployment
      console.log(`${handled.authorizations.length} requests handled, ${balancer.copies} copies refused`)
      expect(failures).toEqual([])
      expect(balancer.copiesServed).toEqual([])
      const payments = handled.payments.filter(payment => payment !== '')
      expect(payments.sort()).toEqual(paid.sort())
      expect(new Set(handled.authorizations).size).toBe(handled.authorizations.length)
      expect(balancer.copies).toBeGreaterThan(SERVED_BETWEEN)
    },
  )
})
