import { describe, expect, it } from 'vitest'
import type { Realm } from '../../client/realm.js'
import type { Caller } from '../../client/realm-options.js'
import { toBase64url } from '../../shared/bytes.js'
import { TYPE } from '../../shared/constants.js'
import { deriveAuthKey, extendChain, finishChain, startChain } from '../../shared/crypto/derive.js'
import { AuthKey, ChainKey, revealKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { OrthrusError } from '../../shared/errors.js'
import { createApReply, decodeApRequest } from '../../shared/exchange/ap.js'
import { responseBinding } from '../../shared/http/binding.js'
import { CREDENTIAL_HEADER } from '../../shared/http/header-names.js'
import { formatMessageHeader, parseMessageHeader } from '../../shared/http/headers.js'
import { encodeCaveat } from '../../shared/ticket/caveats.js'
import { type Credential, formatCredential, sealHandOff } from '../../shared/ticket/credential.js'
import { decodeTicket, type SealedTicket } from '../../shared/ticket/ticket.js'
import { deliver, type HttpInterceptor, HttpProxy, headerOf, type Relayed } from '../support/http-proxy.js'
import { Guarded, startTestRealm } from '../support/world.js'
import { entryOf, HandClient, present } from './by-hand.js'

/** A client of billing that makes a credential up, and sits on the plain HTTP between billing and orders. */

type Act = (realm: Realm, credential: () => Caller) => Caller | undefined

interface Acting {
  readonly act?: Act
  /** Which service billing names. */
  readonly init?: { readonly service?: string }
}

async function scene({ act = (_, credential) => credential(), init = { service: 'orders' } }: Acting = {}) {
  const realm = await startTestRealm()
  await realm.add('eve', 'billing', 'orders')
  await realm.allow('*', '*', { delegable: true })
  const orders = await Guarded.start(realm, 'orders')
  const wire = await HttpProxy.start(orders.port)
  const caller = await realm.connect('billing')
  /** What billing came to believe that orders said. */
  const believed: string[] = []
  const refused: unknown[] = []
  const billing = await Guarded.start(realm, 'billing', {
    answer: async (_req, res, ticket) => {
      try {
        const inTheirName = act(caller, () => ticket.onBehalf(caller))
        const response = await inTheirName?.fetch(`${wire.url}/orders/7`, init)
        believed.push((await response?.text()) ?? '')
      } catch (cause) {
        refused.push(cause)
      }
      res.end()
    },
  })
  const eve = await HandClient.open(realm, 'eve')
  const [, forBilling, forOrders] = await eve.grants('billing', 'orders')
  if (forBilling === undefined || forOrders === undefined) throw new Error('no tickets')
  /** Everything in it is eve's choice; orders could not even open the ticket with that key. */
  const madeUp = (...caveats: Uint8Array[]): Credential => ({
    ticket: decodeTicket(forOrders.ticket) as SealedTicket,
    caveats,
    key: caveats.reduce(extendChain, new ChainKey(systemRandom(32))),
    service: forOrders.service,
    client: eve.principal,
    endTime: forOrders.endTime,
  })
  const handOver = async (credential: Credential, answer?: HttpInterceptor): Promise<void> => {
    wire.intercept =
      answer ?? (request => answerAs(credential, parseMessageHeader(headerOf(request, 'authorization'))))
    const nonce = systemRandom(16)
    const key = deriveAuthKey(forBilling.key, [])
    const header = toBase64url(sealHandOff(key, nonce, credential, systemRandom))
    const headers = [[CREDENTIAL_HEADER, header]] as const
    await billing.deliver(present(forBilling, { time: realm.clock.now(), nonce, headers }))
  }
  const holder = (name: string) => encodeCaveat({ name: 'holder', holder: entryOf(realm, name).principal })
  return { realm, eve, orders, wire, believed, refused, madeUp, handOver, holder }
}

/** In orders' place, with the one key that eve has. */
function answerAs({ key }: Credential, request: Uint8Array | undefined): Relayed {
  const { mac } = decodeApRequest(TYPE.AP_REQ, request ?? new Uint8Array())
  const under = key instanceof AuthKey ? key : finishChain(key)
  const body = Buffer.from('paid')
  const reply = createApReply(under, mac, { time: 0, binding: responseBinding(200, [], body) })
  return { status: 200, headers: [['authentication-info', formatMessageHeader(reply)]], body }
}

describe('a credential whose key its client made up', () => {
  it('is not used if it names no holder, and nothing is sent', async () => {
    const { orders, wire, believed, refused, madeUp, handOver, holder } = await scene()
    const expires = encodeCaveat({ name: 'expires', time: 2 ** 50 })
    const open = madeUp(expires)
    const closed = { ...open, key: finishChain(open.key as ChainKey) }
    for (const credential of [madeUp(), open, closed, madeUp(holder('eve')), madeUp(holder('orders'))]) {
      await handOver(credential)
    }
    expect(believed).toEqual([])
    expect(refused).toHaveLength(5)
    for (const cause of refused) expect(cause).toMatchObject({ code: 'credential_invalid', final: true })
    expect([wire.captured.length, orders.handled.length]).toEqual([0, 0])
  })

  it('proves nothing if it names its holder, whose own ticket proves the service', async () => {
    const { wire, believed, refused, madeUp, handOver, holder } = await scene()
    await handOver(madeUp(holder('billing')))
    expect(wire.captured).toHaveLength(1)
    expect(believed).toEqual([])
    expect(refused).toEqual([expect.objectContaining({ code: 'response_unproved' })])
  })

  it('is believed by a party that accepts bearer credentials, which is told so', async () => {
    let proved: boolean | undefined
    let text = ''
    const act: Act = realm => {
      expect(() => realm.onBehalf(text)).toThrow(OrthrusError)
      const inTheirName = realm.onBehalf(text, { allowBearerCredential: true })
      proved = inTheirName.serviceProved
      return inTheirName
    }
    const { wire, believed, madeUp, handOver } = await scene({ act })
    const credential = madeUp()
    text = formatCredential(credential)
    expect(revealKey(credential.key)).toHaveLength(32)
    await handOver(credential)
    expect([believed, proved, wire.captured.length]).toEqual([['paid'], false, 1])
  })
})

describe('a credential for a service of its giver’s own, who answers there for the next service', () => {
  /** @param claimed the service that the credential says it is for, if not eve. */
  const handedOver = async (acting: Acting, claimed?: string) => {
    const { realm, eve, believed, refused, wire, handOver, holder } = await scene(acting)
    const own = await Guarded.start(realm, 'eve', { answer: (_req, res) => void res.end('paid') })
    const [, granted] = await eve.grants('eve')
    if (granted === undefined) throw new Error('no ticket')
    const credential: Credential = {
      ticket: decodeTicket(granted.ticket) as SealedTicket,
      caveats: [holder('billing')],
      key: extendChain(startChain(granted.key), holder('billing')),
      service: claimed === undefined ? granted.service : entryOf(realm, claimed).principal,
      client: eve.principal,
      endTime: granted.endTime,
    }
    await handOver(credential, request => deliver(own.port, request))
    return { believed, refused, sent: wire.captured.length, accepted: own.handled.length }
  }

  it('is not acted on where its user names the service, and nothing is sent', async () => {
    const { believed, refused, sent } = await handedOver({ init: { service: 'orders' } })
    expect([believed, sent]).toEqual([[], 0])
    const facts = { expected: 'orders@test.example', actual: 'eve@test.example' }
    expect(refused).toEqual([
      expect.objectContaining({
        code: 'credential_invalid',
        final: true,
        facts: expect.objectContaining(facts),
      }),
    ])
  })

  it('is not acted on where its user names none, and nothing is sent', async () => {
    const { believed, refused, sent } = await handedOver({ init: {} })
    expect([believed, sent]).toEqual([[], 0])
    expect(refused).toEqual([expect.any(TypeError)])
    expect(String(refused[0])).toMatch(
      /no service is named for http:.*whoever handed it on chose its service.*Pass \{ service: 'orders' \} with the call/,
    )
  })

  it('is not acted on where it says another service than its ticket, and nothing is sent', async () => {
    const { believed, refused, sent } = await handedOver({}, 'orders')
    expect([believed, sent]).toEqual([[], 0])
    expect(refused).toEqual([
      expect.objectContaining({
        code: 'credential_invalid',
        reason:
          'the credential cannot be used: it says that it is for orders@test.example, and its ticket is for eve@test.example',
      }),
    ])
  })
})
