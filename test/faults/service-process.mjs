// A service in a process of its own: says where it listens, then the target of each request that its handler sees.
// Arguments: a keytab.
import { writeSync } from 'node:fs'
import { createServer } from 'node:http'
import { loadService, requireTicket } from 'orthrus/service'

const service = await loadService({ keytab: process.argv[2] })
const server = createServer(
  requireTicket({ service }, (req, res, ticket) => {
    // At once, as the process may be killed before anything else.
    writeSync(1, `${req.method} ${req.url}\n`)
    res.end(ticket.client)
  }),
)
server.listen(0, '127.0.0.1', () => writeSync(1, `http://127.0.0.1:${server.address().port}\n`))
process.once('SIGTERM', () => server.close())
