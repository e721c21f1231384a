import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { Order } from './orders.js'

/** The primary of a cluster: it hands on what its parent and its workers say to each other. */

cluster.setupPrimary({ exec: fileURLToPath(new URL('service-process.js', import.meta.url)) })
const workers: Worker[] = Array.from({ length: Number(process.argv[2]) }, (_, worker) => {
  const forked = cluster.fork()
  forked.on('message', told => process.send?.({ worker, told }))
  return forked
})
process.on('message', ({ worker, order }: { worker: number; order: Order }) => {
  workers[worker]?.send(order)
})
