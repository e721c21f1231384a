import { connect } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { silentLogger } from '../../shared/logger.js'
import type { Hand } from './asker.js'
import type { KdcHost } from './kdc-host.js'

/** A client of one KDC, over the driver's own way to it. @throws OrthrusError */
export function connectAs(host: KdcHost, hand: Hand): Promise<Realm> {
  return connect({
    kdc: host.url('driver'),
    keytab: { text: formatKeytab([hand]) },
    logger: silentLogger,
    timeouts: { connect: 1_000, exchange: 2_000, call: 8_000 },
  })
}
