import { closeSync, openSync, writeSync } from 'node:fs'
import { startKdc } from '../../kdc/main.js'
import { MasterKey } from '../../kdc/vault/master-key.js'
import { toHex } from '../../shared/bytes.js'
import { SIZE } from '../../shared/constants.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Clock } from '../../shared/time.js'
import { fileLogger } from './file-logger.js'
import type { KdcOrders, Order, Told } from './kdc-orders.js'
import { watchStalls } from './stalls.js'
import { openEtcd, openReplicaStore } from './store.js'
import { machineTime } from './time.js'
import { TroubledEtcd } from './troubled-etcd.js'

/** A KDC of the cluster in a process of its own, whose clock and whose watch the driver can disturb. */

const orders = JSON.parse(process.argv[2] ?? '') as KdcOrders

let offset = 0
const clock: Clock = { now: () => Date.now() + offset, monotonic: () => performance.now() }

const seals = openSync(orders.seals, 'a')
/** Ids of tickets are what is drawn at this length, in the step that seals the ticket. */
const random = (length: number): Uint8Array => {
  const bytes = systemRandom(length)
  if (length === SIZE.TICKET_ID) writeSync(seals, `${toHex(bytes)} ${machineTime()}\n`)
  return bytes
}

watchStalls((began, ended) => writeSync(seals, `stall ${began} ${ended}\n`))

const logger = fileLogger(orders.log)

function tell(told: Told): void {
  process.send?.(told)
}

// Whoever hears it stops this process. If it stopped itself too, that could come after the other has let it go on.
const etcd = new TroubledEtcd(openEtcd(orders.endpoints), () => tell({ says: 'stopping' }))
const PLENTY = { points: 1_000_000, interval: 60_000 }
const store = await openReplicaStore(etcd, clock)
const kdc = await startKdc({
  store,
  masterKey: new MasterKey(Buffer.from(orders.masterKey, 'base64url')),
  clock,
  random,
  logger,
  listen: { port: 0 },
  // Whoever was removed goes on to ask, and each question is to be decided.
  limits: { failedLogins: PLENTY, failedLoginsPerAddress: PLENTY, failedLoginsPerName: PLENTY },
})

async function close(): Promise<void> {
  await kdc.close()
  closeSync(seals)
  process.exit(0)
}

process.on('message', (order: Order) => {
  switch (order.do) {
    case 'step clock':
      offset += order.by
      return
    case 'hold watch':
      etcd.holdWatch(order.on)
      return
    case 'stop after keep-alive':
      etcd.stopAfterKeepAlive()
      return
    case 'close':
      void close()
  }
})
process.once('disconnect', () => process.exit(1))
tell({ says: 'ready', port: kdc.address.port })
