import { createEtcd } from '../../kdc/store/etcd/client/client.js'
import type { Etcd } from '../../kdc/store/etcd/etcd.js'
import { createEtcdStore, joinEtcdStore } from '../../kdc/store/etcd/store.js'
import type { Store } from '../../kdc/store/store.js'
import type { Clock } from '../../shared/time.js'
import { REALM } from './names.js'

const PREFIX = `/orthrus/${REALM}/`

/** @param endpoints `host:port` of each member */
export function openEtcd(endpoints: readonly string[]): Etcd {
  return createEtcd({ endpoints: endpoints.map(each => `http://${each}`) })
}

/** The store of a command, which keeps nothing in memory. */
export function openPlainStore(etcd: Etcd): Store {
  return createEtcdStore({ etcd, prefix: PREFIX })
}

/** The store of a KDC. */
export function openReplicaStore(etcd: Etcd, clock: Clock): Promise<Store> {
  return joinEtcdStore({ etcd, prefix: PREFIX, clock })
}
