import { createEtcd } from '../../kdc/store/etcd/client/client.js'
import { createEtcdStore, joinEtcdStore } from '../../kdc/store/etcd/store.js'
import { openLevelStore } from '../../kdc/store/level/store.js'
import { createMemoryStore } from '../../kdc/store/memory.js'
import type { Store } from '../../kdc/store/store.js'
import type { MasterKey } from '../../kdc/vault/master-key.js'
import { toldKeys } from '../../kdc/vault/shared-keys.js'
import { REALM } from './realm.js'

/** Where a KDC of the bench keeps its realm: the folder of a LevelDB, or the URL of a member of etcd. */
export type StoreOrder = { readonly level: string } | { readonly etcd: string }

/** What the realm is made in, and what the KDC is started on. In memory and in LevelDB they are one. */
export interface Stores {
  readonly made: Store
  serving(): Promise<Store>
}

const PREFIX = `/orthrus/${REALM}/`

export async function storesOf(order: StoreOrder | undefined, key: MasterKey): Promise<Stores> {
  if (order === undefined || 'level' in order) {
    const store =
      order === undefined ? createMemoryStore() : await openLevelStore(order.level, { create: true })
    return { made: store, serving: async () => store }
  }
  const { etcd } = order
  const made = createEtcdStore({ etcd: createEtcd({ endpoints: [etcd] }), prefix: PREFIX })
  return {
    made,
    serving: async () => {
      await made.close()
      const told = toldKeys({ current: key, previous: undefined })
      return await joinEtcdStore({ etcd: createEtcd({ endpoints: [etcd] }), prefix: PREFIX, told })
    },
  }
}
