import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { LoadServiceOptions } from '../../../service/load-options.js'
import { loadService } from '../../../service/load-service.js'
import { requireTicket } from '../../../service/require-ticket.js'

/**
 * One instance of a service, as docs/several-processes.md tells to write it: it listens when it is ready, and ends in
 * good order. It tells its parent each request that its handler sees. Arguments: options of `loadService` as JSON; and
 * `keeper` if it is to keep the shared cache, and to serve nobody.
 */

/** What an instance tells its parent. */
export type InstanceTold =
  | { readonly port: number }
  | { readonly keeps: true }
  | { readonly authorization: string; readonly payment: string }

const tell = (told: InstanceTold): void => void process.send?.(told)
const [options = '{}', role] = process.argv.slice(2)
const service = await loadService(JSON.parse(options) as LoadServiceOptions)
let turn = 0
const server = createServer(
  requireTicket({ service }, async (req, res, ticket) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    tell({ authorization: req.headers.authorization ?? '', payment: Buffer.concat(chunks).toString() })
    // Some are under way when the instance is to end.
    await wait(turn++ % 4 === 0 ? 40 : 0)
    res.end(`${ticket.client} was served`)
  }),
)

// Of a keeper, nothing else keeps its process alive.
const standing = setInterval(() => {}, 60_000)
process.once('SIGTERM', () => {
  clearInterval(standing)
  server.close(async () => {
    await service.close()
    process.disconnect()
  })
})

await service.ready()
if (role === 'keeper') tell({ keeps: true })
else {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (address !== null && typeof address === 'object') tell({ port: address.port })
  })
}
