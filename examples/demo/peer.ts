import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect, OrthrusError } from 'orthrus/client'
import { loadService, requireTicket } from 'orthrus/service'

/**
 * One party of the demonstration, in a process of its own: a service that answers and a client that calls, under one
 * key. The parent process says which URL to call, and gets the result as a message.
 */

export interface CallOrder {
  readonly url: string
  readonly service: string
  readonly method: string
  readonly body?: string
}

export type CallOutcome =
  | { readonly status: number; readonly body: string }
  | { readonly code: string; readonly claimed?: string; readonly final: boolean }

const [keytab = '', kdc = ''] = process.argv.slice(2)
const service = await loadService({ keytab })
const realm = await connect({ kdc, keytab })

async function bodyOf(req: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of req) body += String(chunk)
  return body
}

const server = createServer(
  requireTicket({ service }, async (req, res, ticket) => {
    const body = await bodyOf(req)
    res.setHeader('content-type', 'text/plain')
    res.end(`hello ${ticket.client}, I am ${service.principal}${body === '' ? '' : `; you said "${body}"`}`)
  }),
)

async function call({ url, service, method, body }: CallOrder): Promise<CallOutcome> {
  try {
    const response = await realm.fetch(url, { service, method, ...(body === undefined ? {} : { body }) })
    return { status: response.status, body: await response.text() }
  } catch (error) {
    if (!(error instanceof OrthrusError)) throw error
    const { claimed } = error.facts
    return { code: error.code, final: error.final, ...(claimed === undefined ? {} : { claimed }) }
  }
}

process.on('message', async (order: CallOrder) => process.send?.(await call(order)))
process.once('disconnect', () => {
  server.close()
  realm.close()
})
server.listen(0, '127.0.0.1', () => {
  process.send?.({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    principal: service.principal,
  })
})
