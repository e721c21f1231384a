import { Agent, get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { connect } from '../../client/connect.js'
import { secretsOf, type Ticket } from '../../client/ticket/ticket.js'
import { openError } from '../../shared/encoding/error.js'
import { parseChallenges } from '../../shared/http/headers.js'
import { clientName, type StartedKdc, serviceName } from '../exchanges/realm.js'
import { presentAt } from '../http/requests.js'
import { machineTime } from '../machine-time.js'
import { serve } from '../processes.js'

/** The process of a client that is revoked while a request of it waits at each service. */

interface PrepareOrder extends StartedKdc {
  readonly ports: readonly number[]
}

let order: PrepareOrder
let refusals: Promise<number[]>
/** Each service has one connection, so that none is opened while time is taken. */
const agent = new Agent({ keepAlive: true })

function prepare(given: PrepareOrder): void {
  order = given
}

/** Logs in anew and asks each service, whose handler does not answer. */
async function ask(): Promise<void> {
  const { url, keytab, ports } = order
  const realm = await connect({ kdc: url, keytab: { text: keytab }, principal: clientName(0) })
  const tickets = await Promise.all(ports.map((_, i) => realm.getServiceTicket(serviceName(i))))
  await realm.close()
  refusals = Promise.all(ports.map((port, i) => untilRefused(port, tickets[i] as Ticket)))
  // Whoever asks for them is told.
  refusals.catch(() => {})
}

/** When each service had refused a request that was made after it ended the one that waited, milliseconds. */
function refused(): Promise<number[]> {
  return refusals
}

async function untilRefused(port: number, ticket: Ticket): Promise<number> {
  const waited = await askOnce(port, ticket)
  const asked = await askOnce(port, ticket)
  const time = machineTime()
  for (const check of [waited, asked]) check()
  return time
}

/** @returns what throws unless the service refused the request as revoked, for when time is no longer taken */
async function askOnce(port: number, ticket: Ticket): Promise<() => void> {
  const { key, sealed } = secretsOf(ticket)
  const { header, mac } = presentAt('/orders/7', key, sealed)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ port, path: '/orders/7', agent, headers: { authorization: header } }, resolve).on('error', reject)
  })
  await text(response)
  return () => {
    const [challenge] = parseChallenges(response.headers['www-authenticate'] ?? '')
    const { error } = challenge ?? {}
    const { code, authenticated } = error === undefined ? {} : openError(error, key, mac)
    if (code !== 'revoked' || authenticated !== true) {
      throw new Error(`a service answered ${response.statusCode} ${code}, not revoked`)
    }
  }
}

serve({ prepare, ask, refused })
