import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRealm } from '../../kdc/realm/create-realm.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { Vault } from '../../kdc/vault/vault.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { type Duration, systemClock } from '../../shared/time.js'
import { Chance } from '../support/chance.js'
import { Administrator } from './administrator.js'
import { Asker, type Hand, KnownKeys } from './asker.js'
import { HonestClient } from './clients.js'
import { EtcdCluster, MEMBERS } from './etcd-cluster.js'
import { fileLogger } from './file-logger.js'
import type { Granted, History } from './history.js'
import { bundleKdc, KdcHost, type Rack } from './kdc-host.js'
import { REALM } from './names.js'
import { Recorder } from './recorder.js'
import { ServiceHouse } from './service-house.js'
import { openEtcd, openPlainStore } from './store.js'

export const KDCS = ['kdc-1', 'kdc-2', 'kdc-3'] as const
const CLIENTS = 20
export const SERVICES = ['orders', 'billing', 'stock', 'mail'] as const
/** It hears of revocations by one rack of connections alone, which the driver cuts. */
const DEAF = 'deaf'

/** How long services go on without a KDC. They ask each five seconds. */
export const STALENESS: { readonly text: Duration; readonly milliseconds: number } = {
  text: '10s',
  milliseconds: 10_000,
}

/** Three members, three KDCs, five services and twenty clients. */
export class World {
  readonly chance: Chance
  readonly recorder = new Recorder()
  readonly cluster: EtcdCluster
  readonly kdcs: readonly KdcHost[]
  readonly askers: readonly Asker[]
  readonly administrators: readonly Administrator[]
  readonly keys: KnownKeys
  readonly services: readonly ServiceHouse[]
  readonly deaf: ServiceHouse
  readonly #clients: readonly HonestClient[]
  #names = 0

  private constructor(parts: Parts) {
    this.chance = parts.chance
    this.cluster = parts.cluster
    this.kdcs = parts.kdcs
    this.recorder = parts.recorder
    this.keys = parts.keys
    this.askers = parts.askers
    this.administrators = parts.administrators
    this.services = parts.services
    this.deaf = parts.deaf
    this.#clients = parts.clients
  }

  static async start(seed: number, folder: string): Promise<World> {
    const chance = new Chance(seed)
    const recorder = new Recorder()
    const keys = new KnownKeys()
    const [program, cluster] = await Promise.all([bundleKdc(folder), EtcdCluster.start(folder)])
    const masterKey = systemRandom(32)
    const admin = await foundRealm(cluster, masterKey)
    const common = { folder, program, realm: REALM, masterKey, portOf: cluster.portOf.bind(cluster) }
    const kdcs = await Promise.all(KDCS.map(name => KdcHost.start({ ...common, name })))
    const askers = kdcs.map(host => new Asker(host, recorder, keys))
    const keytab = formatKeytab([admin])
    const administrators = kdcs.map(host => new Administrator(host, keytab, recorder, keys))
    const urls = (rack: Rack): string[] => kdcs.map(kdc => kdc.url(rack))
    const [first] = administrators as [Administrator]
    const services: ServiceHouse[] = []
    const house = async (name: string, rack: Rack): Promise<ServiceHouse> => {
      const logger = fileLogger(join(folder, `${name}.log`))
      return ServiceHouse.open(await added(first, name), urls(rack), STALENESS.text, recorder, logger)
    }
    for (const name of SERVICES) services.push(await house(name, 'east'))
    const deaf = await house(DEAF, 'west')
    const clients: HonestClient[] = []
    for (let i = 0; i < CLIENTS; i++) {
      const hand = await added(first, `client/${i}`)
      clients.push(
        new HonestClient({ hand, kdc: urls('east'), services, chance: new Chance(seed + i), recorder }),
      )
    }
    for (const name of SERVICES)
      while ((await first.allow('client/*', name)).outcome !== 'done') await sleep(100)
    await Promise.all([...services, deaf].map(service => service.ready()))
    for (const client of clients) await client.ready()
    for (const client of clients) client.start()
    return new World({
      chance,
      recorder,
      keys,
      cluster,
      kdcs,
      askers,
      administrators,
      services,
      deaf,
      clients,
    })
  }

  /** A name that nobody had. */
  fresh(kind: string): string {
    return `${kind}-${++this.#names}`
  }

  /** The history so far, with what the KDCs tell of what they sealed. */
  history(): History {
    const happenings = this.recorder.history.map(happening =>
      happening.kind === 'ask' ? { ...happening, granted: happening.granted.map(this.#opened) } : happening,
    )
    return [...happenings, ...this.kdcs.flatMap(kdc => kdc.told())]
  }

  readonly #opened = (granted: Granted): Granted => ({
    ...granted,
    key: this.keys.whichOpens(granted.ticketId),
  })

  /** Clients stop asking. */
  async quiet(): Promise<void> {
    await Promise.all(this.#clients.map(client => client.close()))
  }

  async close(): Promise<void> {
    this.recorder.close()
    await this.quiet()
    for (const asker of this.askers) asker.close()
    for (const administrator of this.administrators) administrator.close()
    await Promise.all([...this.services, this.deaf].map(service => service.close()))
    await Promise.all(this.kdcs.map(kdc => kdc.close()))
    await this.cluster.close()
  }
}

interface Parts {
  readonly chance: Chance
  readonly recorder: Recorder
  readonly keys: KnownKeys
  readonly cluster: EtcdCluster
  readonly kdcs: readonly KdcHost[]
  readonly askers: readonly Asker[]
  readonly administrators: readonly Administrator[]
  readonly services: readonly ServiceHouse[]
  readonly deaf: ServiceHouse
  readonly clients: readonly HonestClient[]
}

/** How often it is tried to make a principal, on a machine that is busy with other things. */
const TRIES = 50

async function added(administrator: Administrator, name: string): Promise<Hand> {
  for (let tries = 0; tries < TRIES; tries++) {
    const hand = await administrator.add(name)
    if (hand !== undefined) return hand
    // It may have been added although nobody was told.
    await administrator.remove(name)
    await sleep(100)
  }
  throw new Error(`${name} was not added`)
}

async function foundRealm(cluster: EtcdCluster, masterKey: Uint8Array): Promise<Hand> {
  const etcd = openEtcd(MEMBERS.map(name => `127.0.0.1:${cluster.portOf(name)}`))
  const random = systemRandom
  const store = openPlainStore(etcd)
  const vault = new Vault(store, new MasterKey(masterKey), random)
  try {
    return await createRealm({ vault, realm: REALM, clock: systemClock, random })
  } finally {
    await vault.close()
  }
}
