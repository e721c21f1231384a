import { replicaKey } from '../../kdc/store/etcd/replica-keys.js'
import { PREFIX, type TestKdc } from '../support/replicas.js'
import type { World } from './simulate.js'

/** What befalls KDCs that share a store, and the way between. Each is over after a while, most before the next. */

type Happening = (world: World, kdc: TestKdc) => void | Promise<void>

const HAPPENINGS: Readonly<Record<string, Happening>> = {
  stopped: (world, { client }) => {
    client.stop()
    after(world, 4_000, () => client.goOn())
  },
  'cut off': (world, { client }) => {
    client.isCut = true
    after(world, 4_000, () => {
      client.isCut = false
    })
  },
  'cut off but for its lease': (world, { client }) => {
    client.isCut = true
    client.keepsLease = true
    after(world, 4_000, () => {
      client.isCut = false
      client.keepsLease = false
    })
  },
  'not answered': (world, { client }) => {
    client.isDeaf = true
    after(world, 2_000, () => {
      client.isDeaf = false
    })
  },
  'told of nothing': (_, { client }) => client.hangWatches(),
  'told late': ({ chance, ...world }, { client }) => {
    client.watchDelay = () => chance.below(1_500)
    after({ chance, ...world }, 3_000, () => {
      client.watchDelay = () => 1
    })
  },
  'answered late': ({ chance, ...world }, { client }) => {
    client.delay = () => chance.below(300)
    after({ chance, ...world }, 3_000, () => {
      client.delay = () => 1
    })
  },
  'without its watch': (_, { client }) => client.cutWatches(),
  'without its key': ({ cluster }, { replica }) => cluster.etcd.delete(replicaKey(PREFIX, replica.id)),
  'without its key, and told of nothing': ({ cluster }, { client, replica }) => {
    client.hangWatches()
    cluster.etcd.delete(replicaKey(PREFIX, replica.id))
  },
  'by another wall clock': ({ cluster, chance }) => cluster.clock.step((chance.below(5) - 2) * 700),
  'killed and another one started': async (world, kdc) => {
    // It never goes on. Its key is there for as long as its lease.
    kdc.client.stop()
    world.kdcs = world.kdcs.filter(other => other !== kdc)
    world.kdcs.push(await world.cluster.start())
  },
  'closed and another one started': async (world, kdc) => {
    if (kdc.client.isStopped) return
    world.kdcs = world.kdcs.filter(other => other !== kdc)
    const closing = kdc.close()
    world.kdcs.push(await world.cluster.start())
    await world.cluster.during(closing)
  },
}

/** @returns the KDC that it befell */
export async function happen(world: World): Promise<TestKdc> {
  const { chance, kdcs } = world
  const [name, happening] = chance.pick(Object.entries(HAPPENINGS))
  const kdc = chance.pick(kdcs)
  world.count(`a KDC was ${name}`)
  await happening(world, kdc)
  return kdc
}

function after(
  { cluster: { clock }, chance }: Pick<World, 'cluster' | 'chance'>,
  most: number,
  end: () => void,
): void {
  clock.setTimeout(end, 1 + chance.below(most))
}
