import { connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { requireTicket } from '../../../service/index.js'
import { expectRefused, type RunningRealm, startRealm } from '../realm.js'

/** What the log says about a refusal whose cause lies in how the service is run, and which option helps. */

function lastHint(realm: RunningRealm): unknown {
  return realm.log.lines.at(-1)?.fields.hint
}

describe('the hint of a refusal', () => {
  it.each(['X-Original-URL', 'x-rewrite-url', 'X-HTTP-Method-Override'])(
    'names %s, which a proxy adds',
    async name => {
      const realm = await startRealm()
      const request = realm.sign()
      const rewritten = { ...request, headers: [...request.headers, [name, '/orders/7'] as const] }
      expectRefused(await realm.send(rewritten), request, 'malformed', '05')
      expect(realm.log.lines.at(-1)?.fields.reason).toContain(name)
      expect(lastHint(realm)).toContain(`${name.toLowerCase()} for another one: if a proxy adds the header`)
    },
  )

  it.each([[], [{ name: 'paths', prefixes: ['/orders'] }] as const])(
    'tells of a whole URL on the request line, with caveats %j',
    async (...caveats) => {
      const realm = await startRealm()
      const request = realm.sign({}, { caveats })
      const proxied = { ...request, target: `http://orders.example${request.target}` }
      const code = caveats.length === 0 ? 'binding_mismatch' : 'caveat_failed'
      expectRefused(await realm.send(proxied), request, code, '06')
      expect(lastHint(realm)).toContain('as to a proxy')
    },
  )

  it('says what was rewritten on the way', async () => {
    const realm = await startRealm()
    const request = realm.sign()
    expectRefused(await realm.send({ ...request, target: '/invoices/8' }), request, 'binding_mismatch', '06')
    expect(lastHint(realm)).toContain('a proxy or framework on the way changed')
  })

  it('names maxBody, with its value', async () => {
    const realm = await startRealm({ maxBody: 10 })
    const request = realm.sign({ method: 'POST', body: Buffer.alloc(11) })
    expectRefused(await realm.send(request), request, 'too_large', '06')
    expect(lastHint(realm)).toBe('the service takes larger ones with requireTicket({ maxBody }), now 10')
  })

  it('names maxResponse, with its value', async () => {
    const realm = await startRealm({ maxResponse: 10, handler: (_req, res) => res.end('x'.repeat(11)) })
    expect((await realm.get()).status).toBe(500)
    expect(lastHint(realm)).toContain('requireTicket({ maxResponse }), now 10')
  })

  it('says for a request over HTTP/2 what to serve instead', async () => {
    const realm = await startRealm()
    const server = createServer(requireTicket({ service: realm.service }, (_req, res) => res.end()) as never)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      session.destroy()
      server.close()
    })
    const request = realm.sign()
    const { authorization = '' } = Object.fromEntries(request.headers)
    const stream = session.request({ ':path': request.target, authorization })
    const status = await new Promise(resolve => stream.on('response', head => resolve(head[':status'])))
    expect(status).toBe(400)
    expect(realm.log.lines.at(-1)?.fields.reason).toContain('only HTTP/1.1 can be bound')
    expect(lastHint(realm)).toContain("ALPNProtocols: ['http/1.1']")
  })

  it('is in no response', async () => {
    const realm = await startRealm({ maxBody: 10 })
    const request = realm.sign({ method: 'POST', body: Buffer.alloc(11) })
    const response = await realm.send(request)
    expect(JSON.stringify(response.headers) + response.body.toString()).not.toContain('maxBody')
  })
})

describe('the path in the log', () => {
  it.each(['/api', '/api/'])('is the whole one under a mount, for a failed response too: %s', async cut => {
    const realm = await startRealm({
      listener: ({ service }) => {
        const guarded = requireTicket({ service }, () => {
          throw new Error('no database')
        })
        return (req, res) => {
          Object.assign(req, { originalUrl: req.url })
          req.url = `/${req.url?.slice(cut.length)}`
          guarded(req, res)
        }
      },
    })
    const request = realm.sign({ target: '/api/orders/7?token=x' })
    expect((await realm.send(request)).status).toBe(500)
    expect(realm.log.lines.map(({ fields }) => [fields.kind, fields.path])).toEqual([
      ['accepted', '/api/orders/7'],
      ['response_failed', '/api/orders/7'],
    ])
  })

  it('is bounded', async () => {
    const realm = await startRealm({ handler: () => Promise.reject(new Error('no database')) })
    const request = realm.sign({ target: `/${'a'.repeat(5_000)}` })
    expect((await realm.send(request)).status).toBe(500)
    for (const { fields } of realm.log.lines) expect(String(fields.path)).toHaveLength(256)
    expect(realm.log.lines).toHaveLength(2)
  })
})
