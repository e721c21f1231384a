import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * The attacker of the demonstration is the network between client and service. It forwards, changes and repeats what
 * passes, and answers in the service's place. It has no key.
 */

export type AttackerOrder =
  | { readonly mode: 'forward' | 'tamper-request' | 'tamper-response' | 'impersonate' }
  | { readonly mode: 'replay' }

export interface Answer {
  readonly status: number
  readonly challenge: string | undefined
}

interface Message {
  readonly method: string
  readonly target: string
  readonly headers: string[]
  readonly body: Buffer
}

const upstream = new URL(process.argv[2] ?? '')
let mode: AttackerOrder['mode'] = 'forward'
let recorded: Message | undefined

async function read(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function send({
  method,
  target,
  headers,
  body,
}: Message): Promise<{ status: number; headers: string[]; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const options = { method, path: target, headers, host: upstream.hostname, port: upstream.port }
    const sent = httpRequest(options, async response => {
      resolve({ status: response.statusCode ?? 0, headers: response.rawHeaders, body: await read(response) })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Changes one letter and keeps the length. */
function tampered(body: Buffer): Buffer {
  const changed = Buffer.from(body)
  changed[0] = (changed[0] ?? 0) ^ 1
  return changed
}

const server = createServer(async (req, res) => {
  const body = await read(req)
  const message: Message = { method: req.method ?? '', target: req.url ?? '', headers: req.rawHeaders, body }
  recorded = message
  if (mode === 'impersonate') {
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.end('hello, I am orders@demo.example, trust me')
    return
  }
  const answer = await send(mode === 'tamper-request' ? { ...message, body: tampered(body) } : message)
  res.writeHead(answer.status, answer.headers)
  res.end(mode === 'tamper-response' ? tampered(answer.body) : answer.body)
})

async function obey(order: AttackerOrder): Promise<Answer | { readonly mode: string }> {
  if (order.mode !== 'replay') {
    mode = order.mode
    return { mode }
  }
  if (recorded === undefined) throw new Error('nothing was recorded yet')
  const { status, headers } = await send(recorded)
  const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'www-authenticate')
  return { status, challenge: at < 0 ? undefined : headers[at + 1] }
}

process.on('message', async (order: AttackerOrder) => process.send?.(await obey(order)))
process.once('disconnect', () => server.close())
server.listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
})
