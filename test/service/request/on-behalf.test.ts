import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Realm } from '../../../client/realm.js'
import { credentialOf, type Ticket as HeldTicket, secretsOf } from '../../../client/ticket/ticket.js'
import type { AcceptedTicket } from '../../../service/request/ticket.js'
import { requireTicket } from '../../../service/require-ticket.js'
import { fromBase64url, toBase64url, toHex } from '../../../shared/bytes.js'
import { TYPE } from '../../../shared/constants.js'
import { type AuthKey, ChainKey, revealKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { createApRequest } from '../../../shared/exchange/ap.js'
import { requestBinding } from '../../../shared/http/binding.js'
import { CREDENTIAL_HEADER } from '../../../shared/http/header-names.js'
import { formatMessageHeader } from '../../../shared/http/headers.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { encodeCaveat } from '../../../shared/ticket/caveats.js'
import { sealHandOff } from '../../../shared/ticket/credential.js'
import type { TestRealm } from '../../../testing/index.js'
import { deliver, HttpProxy, headerOf, withHeader } from '../../support/http-proxy.js'
import { failureOf, Guarded, startTestRealm } from '../../support/world.js'

/** web calls billing, which calls orders in web's name, with what web sent along. */

type Handler = (req: IncomingMessage, res: ServerResponse, ticket: AcceptedTicket) => unknown

interface Scene {
  readonly realm: TestRealm
  readonly orders: Guarded
  readonly ordersUrl: string
  /** Behind a network that the test controls. */
  readonly billing: HttpProxy
  readonly billingPort: number
  readonly web: Realm
  readonly eve: Realm
  /** web's ticket for orders, for billing to read with. */
  readonly handOff: HeldTicket
  /** The error that the handler of billing got from `onBehalf`. */
  readonly failures: OrthrusError[]
  readonly tickets: AcceptedTicket[]
  readonly log: string[]
}

async function scene(handler?: (caller: Realm, ordersUrl: string) => Handler): Promise<Scene> {
  const log: string[] = []
  const realm = await startTestRealm({ logger: logTo(log) })
  await realm.add('web', 'eve', 'gate', 'billing', 'orders')
  for (const client of ['web', 'eve', 'gate']) {
    await realm.allow(client, 'billing', { delegable: true })
    await realm.allow(client, 'orders', { claims: { role: 'reader' }, delegable: true })
  }
  await realm.allow('billing', 'orders')
  const orders = await Guarded.start(realm, 'orders')
  const ordersUrl = `http://127.0.0.1:${orders.port}`
  const caller = await realm.connect('billing')
  const failures: OrthrusError[] = []
  const tickets: AcceptedTicket[] = []
  const usual: Handler = async (req, res, ticket) => {
    tickets.push(ticket)
    try {
      const response = await ticket
        .onBehalf(caller)
        .fetch(`${ordersUrl}/orders${req.url}`, { service: 'orders', method: req.method ?? '' })
      res.end(`bill: ${await response.text()}`)
    } catch (cause) {
      failures.push(cause as OrthrusError)
      res.writeHead(502).end((cause as OrthrusError).code)
    }
  }
  const service = await realm.loadService('billing')
  const billingPort = await listen(requireTicket({ service }, handler?.(caller, ordersUrl) ?? usual))
  const billing = await HttpProxy.start(billingPort)
  const [web, eve] = [await realm.connect('web'), await realm.connect('eve')]
  const whole = await web.getServiceTicket('orders')
  const handOff = whole.attenuate({ to: 'billing', expires: '1m', methods: ['GET'], paths: ['/orders'] })
  return { realm, orders, ordersUrl, billing, billingPort, web, eve, handOff, failures, tickets, log }
}

function logTo(log: string[]) {
  const add = (fields: object, message: string): void => {
    log.push(`${message} ${inspect(fields, { depth: 20, showHidden: true })}`)
  }
  return { debug: add, info: add, warn: add, error: add }
}

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A request for billing with that header, well formed and bound by its sender, whatever the header says. */
async function sendWith(
  { realm, billingPort }: Scene,
  client: Realm,
  header: (key: AuthKey, nonce: Uint8Array) => string,
): Promise<string> {
  const { sealed, caveats, key } = secretsOf(await client.getServiceTicket('billing'))
  const nonce = systemRandom(16)
  const headers = [[CREDENTIAL_HEADER, header(key, nonce)]] as const
  const binding = requestBinding('GET', '/7', headers, new Uint8Array())
  const question = { ticket: sealed, caveats, time: realm.clock.now(), nonce, binding, delegated: null }
  const { bytes } = createApRequest(TYPE.AP_REQ, key, question)
  const authorization = ['authorization', formatMessageHeader(bytes)] as const
  const response = await deliver(billingPort, {
    method: 'GET',
    target: '/7',
    headers: [...headers, authorization],
    body: Buffer.alloc(0),
  })
  return `${response.status} ${response.body}`
}

const sealedFor =
  (ticket: HeldTicket) =>
  (key: AuthKey, nonce: Uint8Array): string =>
    toBase64url(sealHandOff(key, nonce, credentialOf(ticket, false), systemRandom))

/** What anybody can seal: what looks like a ticket for orders, with a key of the sender's choice. */
const madeUp =
  ({ eve, handOff }: Scene, caveats: readonly Uint8Array[]) =>
  (key: AuthKey, nonce: Uint8Array): string => {
    const chain = new ChainKey(systemRandom(32))
    const credential = { ...credentialOf(handOff, false), client: eve.client, caveats, key: chain }
    return toBase64url(sealHandOff(key, nonce, credential, systemRandom))
  }

describe('a request over two hops', () => {
  it('shows the last service the first client, through the one between', async () => {
    const { orders, billing, web, handOff, tickets } = await scene()
    const response = await web.fetch(`${billing.url}/7`, { service: 'billing', handOff })
    expect(await response.text()).toBe('bill: web@test.example GET /orders/7')
    expect(tickets[0]).toMatchObject({ client: 'web@test.example', via: undefined })
    expect(orders.handled.map(({ ticket: { client, via, claims } }) => [client, via, claims.role])).toEqual([
      ['web@test.example', 'billing@test.example', 'reader'],
    ])
  })

  it('keeps the credential of each request apart when many are under way', async () => {
    const { realm, orders, billing, web, handOff } = await scene()
    const gate = await realm.connect('gate')
    const gates = (await gate.getServiceTicket('orders')).attenuate({ to: 'billing', methods: ['GET'] })
    const send = (client: Realm, ticket: HeldTicket, i: number) =>
      client.fetch(`${billing.url}/${i}`, { service: 'billing', handOff: ticket }).then(each => each.text())
    const texts = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? send(web, handOff, i) : send(gate, gates, i))),
    )
    const names = ['gate', 'web']
    expect(texts).toEqual(texts.map((_, i) => `bill: ${names[i % 2]}@test.example GET /orders/${i}`))
    expect(orders.handled).toHaveLength(20)
  })

  it('does no more than the first client allowed', async () => {
    const { realm, orders, billing, web, handOff, failures } = await scene()
    expect(
      (await web.fetch(`${billing.url}/7`, { method: 'POST', service: 'billing', handOff })).status,
    ).toBe(502)
    realm.clock.advance(60_000)
    expect((await web.fetch(`${billing.url}/7`, { service: 'billing', handOff })).status).toBe(502)
    expect(failures).toEqual([
      expect.objectContaining({
        code: 'caveat_failed',
        facts: expect.objectContaining({ caveat: 'methods' }),
      }),
      expect.objectContaining({
        code: 'caveat_failed',
        facts: expect.objectContaining({ caveat: 'expires' }),
      }),
    ])
    expect(orders.handled).toHaveLength(0)
  })

  it('sends along nothing that does not name the next service', async () => {
    const { billing, web, tickets } = await scene()
    const whole = await web.getServiceTicket('orders')
    const tgt = (await web.getTgt()).attenuate({ services: ['orders'] })
    for (const handOff of [whole, whole.attenuate({ expires: '1m' }), whole.attenuate({ to: 'gate' }), tgt]) {
      await expect(web.fetch(`${billing.url}/7`, { service: 'billing', handOff })).rejects.toThrow(
        /attenuate\(\{ to: 'billing'/,
      )
    }
    expect(tickets).toHaveLength(0)
  })

  it('lets a delegate send along what its client gave it', async () => {
    const { realm, orders, billing, web, handOff } = await scene()
    const gate = await realm.connect('gate')
    const forGate = (await web.getServiceTicket('billing')).attenuate({ to: 'gate' }).credential()
    const further = gate.import(
      (await web.getServiceTicket('orders')).attenuate({ expires: '1m' }).credential(),
      { allowBearerCredential: true },
    )
    const sent = await gate
      .onBehalf(forGate)
      .fetch(`${billing.url}/7`, { service: 'billing', handOff: further.attenuate({ to: 'billing' }) })
    expect(await sent.text()).toBe('bill: web@test.example GET /orders/7')
    expect(orders.handled[0]?.ticket).toMatchObject({
      client: 'web@test.example',
      via: 'billing@test.example',
    })
    // Its own request is in its own name, where nothing of web's is opened.
    const own = await gate.fetch(`${billing.url}/7`, { service: 'billing', handOff })
    expect([own.status, await own.text()]).toEqual([502, 'credential_invalid'])
  })

  it('works from middleware too', async () => {
    const { realm, ordersUrl, web, handOff } = await scene()
    const caller = await realm.connect('billing')
    const guard = requireTicket({ service: await realm.loadService('billing') })
    const port = await listen((req, res) => {
      guard(req, res, async () => {
        const response = await req.ticket
          ?.onBehalf(caller)
          .fetch(`${ordersUrl}/orders/1`, { service: 'orders' })
        res.end(await response?.text())
      })
    })
    const response = await web.fetch(`http://127.0.0.1:${port}/`, { service: 'billing', handOff })
    expect(await response.text()).toBe('web@test.example GET /orders/1')
  })
})

describe('ticket.onBehalf throws', () => {
  async function expectNothingOf(parties: Scene, told: string, facts: object): Promise<void> {
    expect(told).toBe('502 credential_invalid')
    expect(parties.failures.at(-1)).toMatchObject({ code: 'credential_invalid', final: true, ...facts })
    expect([parties.orders.handled.length, parties.orders.refused.length]).toEqual([0, 0])
  }

  it('if the client sent nothing along', async () => {
    const parties = await scene()
    const { billing, web } = parties
    const response = await web.fetch(`${billing.url}/7`, { service: 'billing' })
    await expectNothingOf(parties, `${response.status} ${await response.text()}`, {
      reason: 'the client sent no credential along with its request',
      facts: { hint: expect.stringContaining('handOff') },
    })
  })

  it('if it was sealed for another request to the same service', async () => {
    const parties = await scene()
    const { billing, web, handOff } = parties
    await web.fetch(`${billing.url}/7`, { service: 'billing', handOff })
    parties.orders.handled.length = 0
    const sealed = headerOf(billing.last, CREDENTIAL_HEADER) ?? ''
    const notThis = { reason: 'the credential was not sealed for this request' }
    await expectNothingOf(parties, await sendWith(parties, web, () => sealed), notThis)
    await expectNothingOf(parties, await sendWith(parties, parties.eve, () => sealed), notThis)
  })

  it('if it was sealed for another service', async () => {
    const parties = await scene()
    const { web, handOff } = parties
    const { key } = secretsOf(await web.getServiceTicket('orders'))
    const told = await sendWith(parties, web, (_, nonce) => sealedFor(handOff)(key, nonce))
    await expectNothingOf(parties, told, { reason: 'the credential was not sealed for this request' })
  })

  it('if it was sealed with another nonce', async () => {
    const parties = await scene()
    const told = await sendWith(parties, parties.web, key =>
      sealedFor(parties.handOff)(key, systemRandom(16)),
    )
    await expectNothingOf(parties, told, { reason: 'the credential was not sealed for this request' })
  })

  it('if it is another client’s, whoever may use it', async () => {
    const parties = await scene()
    const { web, eve, handOff } = parties
    const loose = (await web.getServiceTicket('orders')).attenuate({ methods: ['GET'] })
    const facts = { facts: { expected: 'eve@test.example', actual: 'web@test.example' } }
    await expectNothingOf(parties, await sendWith(parties, eve, sealedFor(handOff)), facts)
    const imported = eve.import(loose.credential(), { allowBearerCredential: true })
    for (const each of [loose, imported]) {
      const named = each.attenuate({ to: 'billing' })
      await expectNothingOf(parties, await sendWith(parties, eve, sealedFor(named)), facts)
    }
  })

  it('at the next service, if it only claims to be of the client of the request', async () => {
    const parties = await scene()
    const { eve, handOff, orders, failures } = parties
    const stolen = { ...credentialOf(handOff, false), client: eve.client }
    const told = await sendWith(parties, eve, (key, nonce) =>
      toBase64url(sealHandOff(key, nonce, stolen, systemRandom)),
    )
    expect(told).toBe('502 delegation_invalid')
    expect(failures).toEqual([expect.objectContaining({ code: 'delegation_invalid', final: true })])
    expect([orders.handled.length, orders.refused.length]).toEqual([0, 1])
  })

  it('if it was made for another delegate', async () => {
    const parties = await scene()
    const handOff = (await parties.web.getServiceTicket('orders')).attenuate({ to: 'gate' })
    await expectNothingOf(parties, await sendWith(parties, parties.web, sealedFor(handOff)), {
      facts: { expected: 'gate@test.example', actual: 'billing@test.example' },
    })
  })

  it('if it names no holder, whatever else it is cut down by', async () => {
    const parties = await scene()
    const whole = await parties.web.getServiceTicket('orders')
    const handOff = whole.attenuate({ expires: '1m', methods: ['GET'], paths: ['/orders'] })
    await expectNothingOf(parties, await sendWith(parties, parties.web, sealedFor(handOff)), {
      reason: 'the credential sent along names no holder, so anyone may have made it',
      facts: { expected: 'billing@test.example', hint: expect.stringContaining('attenuate({ to') },
    })
  })

  it('if its client made it up, with a key of its own, to answer in place of orders', async () => {
    const parties = await scene()
    for (const caveats of [
      [],
      [encodeCaveat({ name: 'methods', methods: ['GET'] })],
      [new Uint8Array([1])],
    ]) {
      await expectNothingOf(parties, await sendWith(parties, parties.eve, madeUp(parties, caveats)), {
        reason: 'the credential sent along names no holder, so anyone may have made it',
      })
    }
  })

  it('if any of several holders is another', async () => {
    const parties = await scene()
    const twice = parties.handOff.attenuate({ to: 'gate' })
    await expectNothingOf(parties, await sendWith(parties, parties.web, sealedFor(twice)), {
      reason: 'the credential sent along was made for another delegate',
      facts: { expected: 'gate@test.example', actual: 'billing@test.example' },
    })
  })

  it('if the realm is of another principal than the holder', async () => {
    const used: string[] = []
    const foreign = {
      client: parsePrincipal('gate@test.example'),
      onBehalf: (text: string) => void used.push(text),
    }
    const parties = await scene(() => (_req, res, ticket) => {
      expect(() => ticket.onBehalf(foreign)).toThrow(
        expect.objectContaining({ code: 'credential_invalid', facts: holders }),
      )
      res.end('refused')
    })
    const holders = { expected: 'billing@test.example', actual: 'gate@test.example' }
    const { billing, web, handOff } = parties
    const response = await web.fetch(`${billing.url}/7`, { service: 'billing', handOff })
    expect([await response.text(), used]).toEqual(['refused', []])
  })

  it.each([
    ['nothing', undefined],
    ['what does not say who it is', { onBehalf: (text: string) => text }],
    ['what takes no credential', { client: 'billing@test.example' }],
    ['a text', 'billing@test.example'],
  ])('a TypeError for %s in place of a realm', async (_, realm) => {
    const parties = await scene(() => (_req, res, ticket) => {
      expect(() => ticket.onBehalf(realm as unknown as Realm)).toThrow(TypeError)
      res.end('refused')
    })
    const { billing, web, handOff } = parties
    const response = await web.fetch(`${billing.url}/7`, { service: 'billing', handOff })
    expect(await response.text()).toBe('refused')
  })

  it('if it is of a TGT', async () => {
    const parties = await scene()
    const tgt = credentialOf((await parties.web.getTgt()).attenuate({ services: ['orders'] }), false)
    const holder = encodeCaveat({ name: 'holder', holder: parsePrincipal('billing@test.example') })
    const credential = { ...tgt, caveats: [...tgt.caveats, holder] }
    const sealed = (key: AuthKey, nonce: Uint8Array): string =>
      toBase64url(sealHandOff(key, nonce, credential, systemRandom))
    await expectNothingOf(parties, await sendWith(parties, parties.web, sealed), {
      facts: { hint: expect.stringContaining('connect({ kdc, credential, allowBearerCredential: true })') },
    })
  })

  it.each(['!', 'AAA=', 'AA AA', 'AAAAA', 'AB'])('where it is no base64url: %s', async header => {
    const parties = await scene()
    await expectNothingOf(parties, await sendWith(parties, parties.web, () => header), {
      reason: 'the credential sent along is no base64url',
    })
  })

  it('if any byte of it was altered or some are missing', async () => {
    const parties = await scene()
    const { web, handOff } = parties
    const altered = (change: (bytes: Uint8Array) => Uint8Array) =>
      sendWith(parties, web, (key, nonce) =>
        toBase64url(change(fromBase64url(sealedFor(handOff)(key, nonce)))),
      )
    const facts = { reason: 'the credential was not sealed for this request' }
    const { length } = fromBase64url(sealedFor(handOff)(secretsOf(handOff).key, new Uint8Array(16)))
    for (let at = 0; at < length; at += 29) {
      const told = await altered(bytes => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)))
      await expectNothingOf(parties, told, facts)
    }
    for (const end of [1, 24, 39, 40, length - 1]) {
      await expectNothingOf(parties, await altered(bytes => bytes.subarray(0, end)), facts)
    }
    await expectNothingOf(parties, await altered(bytes => new Uint8Array([...bytes, 0])), facts)
  })

  it('and fails a handler that does not catch it', async () => {
    const { billing, web, log } = await scene(
      caller => (_req, res, ticket) => res.end(ticket.onBehalf(caller).client),
    )
    const response = await web.fetch(`${billing.url}/7`, { service: 'billing' })
    expect(response.status).toBe(500)
    expect(log.join('\n')).toContain('credential_invalid')
  })
})

describe('the header of a credential', () => {
  it.each(['moved to another request', 'altered', 'taken away', 'doubled'])(
    'the header %s is noticed',
    async what => {
      const { billing, web, handOff, tickets } = await scene()
      await web.fetch(`${billing.url}/7`, { service: 'billing', handOff })
      const first = headerOf(billing.last, CREDENTIAL_HEADER) ?? ''
      billing.intercept = async (request, forward) => {
        const own = headerOf(request, CREDENTIAL_HEADER) ?? ''
        const altered = `${own.slice(0, 60)}${own[60] === 'A' ? 'B' : 'A'}${own.slice(61)}`
        if (what === 'taken away') return await forward(withHeader(request, CREDENTIAL_HEADER))
        if (what === 'altered') return await forward(withHeader(request, CREDENTIAL_HEADER, altered))
        if (what === 'doubled')
          return await forward({ ...request, headers: [...request.headers, [CREDENTIAL_HEADER, first]] })
        return await forward(withHeader(request, CREDENTIAL_HEADER, first))
      }
      const refused = await failureOf(web.fetch(`${billing.url}/8`, { service: 'billing', handOff }))
      const code = what === 'doubled' ? 'refused_unproved' : 'binding_mismatch'
      expect(refused).toMatchObject({ code })
      expect(tickets).toHaveLength(1)
    },
  )

  it('cannot be put into a request by hand', async () => {
    const { billing, web, handOff } = await scene()
    const headers = { [CREDENTIAL_HEADER]: handOff.credential() }
    await expect(web.fetch(`${billing.url}/7`, { service: 'billing', headers })).rejects.toThrow(
      /never sent unencrypted/,
    )
    expect(billing.captured).toHaveLength(0)
  })
})

it('the credential shows nowhere: not in the ticket, the request, errors, logs, nor on the wire', async () => {
  const shown: string[] = []
  const parties = await scene((caller, url) => async (req, res, ticket) => {
    const inTheirName = ticket.onBehalf(caller)
    const refused = await inTheirName
      .fetch(`${url}/orders`, { service: 'orders', method: 'DELETE' })
      .catch((cause: unknown) => cause)
    for (const each of [ticket, req.ticket, inTheirName, refused, req.rawHeaders, req.headers]) {
      shown.push(inspect(each, { depth: 30, showHidden: true }), JSON.stringify(each) ?? '', String(each))
    }
    expect(Object.keys(ticket)).not.toContain('onBehalf')
    expect({ ...ticket }).not.toHaveProperty('onBehalf')
    res.end(await (await inTheirName.fetch(`${url}/orders`, { service: 'orders' })).text())
  })
  const { billing, web, handOff, log } = parties
  const response = await web.fetch(`${billing.url}/7`, { service: 'billing', handOff })
  expect(await response.text()).toBe('web@test.example GET /orders')
  const { chain, key } = secretsOf(handOff)
  const keys = [chain, key].map(each => (each === undefined ? new Uint8Array() : revealKey(each)))
  const secrets = [
    handOff.credential().slice(9, 80),
    ...keys.flatMap(bytes => [
      toHex(bytes),
      toBase64url(bytes),
      Buffer.from(bytes).toString('base64'),
      [...bytes].join(', '),
    ]),
  ]
  const wire = [...billing.captured, ...billing.answered].map(
    ({ headers, body }) => `${headers.join('\n')}\n${body}`,
  )
  for (const place of [...shown, ...log, ...wire]) {
    for (const secret of secrets) expect(place).not.toContain(secret)
    expect(place).not.toContain('orthrus1_')
  }
  expect([shown.length, log.length > 3, wire.length]).toEqual([18, true, 2])
})
