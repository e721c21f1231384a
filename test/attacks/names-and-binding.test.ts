import { describe, expect, it, onTestFinished } from 'vitest'
import { openKdcChannel } from '../../client/channel/kdc-channel.js'
import { concatBytes } from '../../shared/bytes.js'
import { TYPE } from '../../shared/constants.js'
import { createMac, deriveAuthKey } from '../../shared/crypto/derive.js'
import { systemRandom } from '../../shared/crypto/random.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { openError, openUnauthenticatedError } from '../../shared/encoding/error.js'
import { createMessage } from '../../shared/encoding/message.js'
import { OrthrusError } from '../../shared/errors.js'
import { createApRequest } from '../../shared/exchange/ap.js'
import { createParamsRequest } from '../../shared/exchange/params.js'
import { formatChallenge, formatMessageHeader, parseMessageHeader } from '../../shared/http/headers.js'
import { formatKeytab, parseKeytab } from '../../shared/keytab/keytab.js'
import type { Principal } from '../../shared/principal.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket, type SealedTicket } from '../../shared/ticket/ticket.js'
import { HOUR } from '../../shared/time.js'
import type { TestRealm } from '../../testing/index.js'
import { openingOf, TestSocket } from '../kdc/socket.js'
import { type Captured, headerOf, withHeader } from '../support/http-proxy.js'
import {
  expectRefused,
  failureOf,
  Guarded,
  startTestRealm,
  startWorld,
  type World,
} from '../support/world.js'
import { denialsOf, entryOf, grantsOf, HandClient, outcome, present } from './by-hand.js'

const POST = { method: 'POST', body: 'pay 5' } as const

interface Two {
  readonly realm: TestRealm
  readonly orders: Guarded
  readonly billing: Guarded
  readonly web: HandClient
  readonly tgt: Grant
  /** For each service. */
  readonly toOrders: Grant
  readonly toBilling: Grant
}

async function two(): Promise<Two> {
  const realm = await startTestRealm()
  await realm.add('web', 'eve', 'orders', 'billing')
  await realm.allow('*', '*')
  const [orders, billing] = [await Guarded.start(realm, 'orders'), await Guarded.start(realm, 'billing')]
  const web = await HandClient.open(realm, 'web')
  const [tgt, toOrders, toBilling] = await web.grants('orders', 'billing')
  if (toOrders === undefined || toBilling === undefined) throw new Error('no tickets')
  return { realm, orders, billing, web, tgt, toOrders, toBilling }
}

function renamed(ticket: SealedTicket, service: Principal, kvno = ticket.kvno): SealedTicket {
  const bytes = createMessage(TYPE.TICKET, [service, kvno, ticket.box])
  return { service, kvno, box: ticket.box, bytes }
}

function withBox(ticket: SealedTicket, box: Uint8Array): SealedTicket {
  return { ...ticket, box, bytes: createMessage(TYPE.TICKET, [ticket.service, ticket.kvno, box]) }
}

describe('a ticket', () => {
  it('for another service is refused, under its own name and under a borrowed one', async () => {
    const { realm, orders, toBilling } = await two()
    const time = realm.clock.now()
    expectRefused(await orders.deliver(present(toBilling, { ...POST, time })), 'ticket_invalid', '05')
    const ticket = renamed(decodeTicket(toBilling.ticket), entryOf(realm, 'orders').principal)
    expectRefused(await orders.deliver(present(toBilling, { ...POST, time, ticket })), 'ticket_invalid', '05')
    expect(orders.handled).toHaveLength(0)
  })

  it('for another service is not what the client presents when its requests are sent elsewhere', async () => {
    const { web, http, orders, realm } = await startWorld()
    await realm.add('billing')
    const billing = await Guarded.start(realm, 'billing')
    http.intercept = request => billing.deliver(request)
    const failure = await failureOf(web.fetch(`${http.url}/pay`, POST))
    expect(failure).toMatchObject({
      code: 'refused_unproved',
      final: false,
      facts: { claimed: 'ticket_invalid' },
    })
    expect([orders.handled, billing.handled]).toEqual([[], []])
  })

  it('with its kvno changed is refused', async () => {
    const { realm, orders, toOrders } = await two()
    for (const kvno of [2, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const ticket = renamed(decodeTicket(toOrders.ticket), toOrders.service, kvno)
      const request = present(toOrders, { ...POST, time: realm.clock.now(), ticket })
      expectRefused(await orders.deliver(request), 'ticket_invalid', '05')
    }
    const zero = renamed(decodeTicket(toOrders.ticket), toOrders.service, 0)
    const request = present(toOrders, { ...POST, time: realm.clock.now(), ticket: zero })
    expectRefused(await orders.deliver(request), 'malformed', '05')
    expect(orders.handled).toHaveLength(0)
  })

  it('that grants tickets is refused by a service, even renamed, and one for a service grants none', async () => {
    const { realm, orders, web, tgt, toOrders } = await two()
    const time = realm.clock.now()
    expectRefused(await orders.deliver(present(tgt, { ...POST, time })), 'ticket_invalid', '05')
    const asOrders = renamed(decodeTicket(tgt.ticket), toOrders.service)
    expectRefused(
      await orders.deliver(present(tgt, { ...POST, time, ticket: asOrders })),
      'ticket_invalid',
      '05',
    )
    expect(orders.handled).toHaveLength(0)
    expect(outcome(await web.tgs(toOrders, { services: [toOrders.service] }))).toBe('05 ticket_invalid')
    const asTgt = renamed(decodeTicket(toOrders.ticket), tgt.service)
    expect(outcome(await web.tgs(toOrders, { ticket: asTgt, services: [toOrders.service] }))).toBe(
      '05 ticket_invalid',
    )
    expect(outcome(await web.tgs(tgt, { services: [toOrders.service] }))).toBe('reply')
  })

  it('spliced from the halves of two is refused, whoever’s they are', async () => {
    const { realm, orders, toOrders, toBilling, web } = await two()
    const eve = await (await HandClient.open(realm, 'eve')).ticket('orders')
    const again = await web.ticket('orders')
    const mine = decodeTicket(toOrders.ticket)
    const time = realm.clock.now()
    for (const other of [eve, again, toBilling].map(grant => decodeTicket(grant.ticket))) {
      for (const at of [24, 40, Math.floor(mine.box.length / 2), mine.box.length - 16]) {
        const box = concatBytes(mine.box.subarray(0, at), other.box.subarray(at))
        const request = present(toOrders, { ...POST, time, ticket: withBox(mine, box) })
        expectRefused(await orders.deliver(request), 'ticket_invalid', '05')
      }
    }
    expect(orders.handled).toHaveLength(0)
  })

  it('of another client is useless without its key, and so are the halves of two requests', async () => {
    const { realm, orders, toOrders } = await two()
    const eve = await (await HandClient.open(realm, 'eve')).ticket('orders')
    const time = realm.clock.now()
    const stolen = present(eve, { ...POST, time, ticket: decodeTicket(toOrders.ticket) })
    expectRefused(await orders.deliver(stolen), 'auth_failed', '05')
    const [one, other] = [present(toOrders, { ...POST, time }), present(eve, { ...POST, time })]
    const spliced = concatBytes(one.bytes.subarray(0, -32), other.mac)
    const request = withHeader<Captured>(one, 'authorization', formatMessageHeader(spliced))
    expectRefused(await orders.deliver(request), 'auth_failed', '05')
    expect(orders.handled).toHaveLength(0)
  })
})

describe('an answer of the KDC', () => {
  /** Answers the client's questions with what the attacker chose, after the KDC has answered. */
  function lie(world: World, instead: (message: Uint8Array) => Uint8Array): void {
    world.kdc.downward = ({ id, message }) => [{ id, message: instead(message) }]
  }

  it.each(['AS', 'TGS'])('to another request of the same client is refused: %s', async exchange => {
    const world = await startWorld()
    const { kdc, realm } = world
    await realm.add('billing')
    await realm.allow('web', 'billing')
    let web = await realm.connect('web', { kdc: kdc.url })
    if (exchange === 'TGS') await web.getServiceTicket('orders')
    await web.getServiceTicket('billing')
    const kept = kdc.toClient.at(-1)?.message ?? new Uint8Array()
    expect(kept[1]).toBe(exchange === 'AS' ? TYPE.AS_REP : TYPE.TGS_REP)
    // Under the same key, and to the same question but for its nonce.
    if (exchange === 'AS') web = await realm.connect('web', { kdc: kdc.url })
    const asked = kdc.toKdc.length
    lie(world, () => kept)
    const lifetime = exchange === 'AS' ? {} : { lifetime: HOUR }
    const failure = await failureOf(web.getServiceTicket('billing', lifetime))
    expect(failure).toMatchObject({ code: 'auth_failed', final: false })
    expect(kdc.toKdc).toHaveLength(asked + 1)
  })

  it('to another client is refused by both', async () => {
    const { kdc, realm } = await startWorld()
    await realm.add('eve')
    await realm.allow('eve', 'orders')
    const held: { message: Uint8Array; answer: (message: Uint8Array) => void }[] = []
    kdc.downward = ({ id, message }, wire) => {
      held.push({ message, answer: other => wire.toClient({ id, message: other }) })
      const [one, other] = held
      if (one !== undefined && other !== undefined) {
        one.answer(other.message)
        other.answer(one.message)
      }
      return []
    }
    const clients = [
      await realm.connect('web', { kdc: kdc.url }),
      await realm.connect('eve', { kdc: kdc.url }),
    ]
    for (const failure of await Promise.all(
      clients.map(client => failureOf(client.getServiceTicket('orders'))),
    )) {
      expect(failure).toMatchObject({ code: 'auth_failed', final: false })
    }
    expect(held).toHaveLength(2)
  })

  it('with any byte changed is refused: names, flags, claims, times and keys of the grants are in it', async () => {
    const world = await startWorld()
    await world.web.getServiceTicket('orders')
    const length = world.kdc.answered(TYPE.AS_REP)[0]?.length ?? 0
    expect(length).toBeGreaterThan(300)
    for (let i = 0; i < 40; i++) {
      const at = i < 3 ? i : Math.floor((i * length) / 40)
      lie(world, message => message.map((byte, index) => (index === at % message.length ? byte ^ 1 : byte)))
      const web = await world.realm.connect('web', { kdc: world.kdc.url })
      const failure = await failureOf(web.getServiceTicket('orders'))
      expect(failure, `byte ${at}`).toBeInstanceOf(OrthrusError)
      expect(failure).toMatchObject({ final: false })
      web.close()
    }
  })
})

describe('a message sent back to its sender', () => {
  it('is no answer to a client’s question, whether AS or TGS', async () => {
    const { web, kdc, realm } = await startWorld()
    await realm.add('billing')
    await realm.allow('web', 'billing')
    let reflecting = true
    kdc.upward = (frame, wire) => {
      if (!reflecting) return [frame]
      wire.toClient(frame)
      return []
    }
    expect(await failureOf(web.getServiceTicket('orders'))).toMatchObject({ code: 'malformed' })
    reflecting = false
    await web.getServiceTicket('orders')
    reflecting = true
    expect(await failureOf(web.getServiceTicket('billing'))).toMatchObject({ code: 'malformed' })
    expect(kdc.asked(TYPE.TGS_REQ)).toHaveLength(1)
  })

  it('is no answer of a service', async () => {
    const { web, http, orders } = await startWorld()
    for (const name of ['authentication-info', 'www-authenticate']) {
      http.intercept = request => {
        const authorization = headerOf(request, 'authorization') ?? ''
        const bytes = parseMessageHeader(authorization) ?? new Uint8Array()
        const challenge = formatChallenge({ realm: web.realm, code: 'replay', error: bytes })
        const value = name === 'authentication-info' ? authorization : challenge
        return { status: 200, headers: [[name, value]], body: Buffer.from('paid') }
      }
      const failure = await failureOf(web.fetch(`${http.url}/pay`, POST))
      expect(failure).toMatchObject({ code: 'response_unproved', final: false })
    }
    expect(orders.handled).toHaveLength(0)
  })

  it('opens no channel, and breaks one that is open', async () => {
    const { web, kdc } = await startWorld()
    let reflecting: number | undefined = TYPE.AP_OPEN
    kdc.upward = (frame, wire) => {
      if (frame.message[1] !== reflecting) return [frame]
      wire.toClient(frame)
      return []
    }
    expect(await failureOf(openKdcChannel(web))).toMatchObject({ code: 'malformed' })
    reflecting = undefined
    const channel = await openKdcChannel(web)
    reflecting = TYPE.RECORD
    expect(await failureOf(channel.call('list', [null, 1]))).toMatchObject({ code: 'channel_broken' })
  })

  it('by the KDC breaks its channel, and answers no call', async () => {
    const { realm, kdc } = await startWorld()
    const web = await realm.connect('web', { kdc: kdc.url })
    const channel = await openKdcChannel(web)
    kdc.downward = (frame, wire) => {
      if (frame.message[1] !== TYPE.RECORD) return [frame]
      wire.toKdc(frame)
      return []
    }
    expect(await failureOf(channel.call('list', [null, 1]))).toMatchObject({ code: 'channel_broken' })
    expect(kdc.answered(TYPE.ERROR)).toHaveLength(1)
  })
})

/** One real message of every type. */
async function everyMessage(): Promise<Map<number, Uint8Array>> {
  const { web, realm, kdc, http } = await startWorld()
  await realm.add('billing')
  await realm.allow('web', 'billing')
  await web.getServiceTicket('orders')
  await web.getServiceTicket('billing')
  await web.fetch(`${http.url}/7`)
  const channel = await openKdcChannel(web)
  await failureOf(channel.call('list', [null, 1]))
  const hand = await HandClient.open(realm, 'web')
  const skewed = await hand.login({ time: 1 })
  const wrong = await hand.login({ kvno: 9 })
  const params = createParamsRequest(hand.principal)
  const kinds = [TYPE.AS_REQ, TYPE.TGS_REQ, TYPE.AP_OPEN, TYPE.RECORD]
  const replies = [TYPE.AS_REP, TYPE.TGS_REP, TYPE.AP_ACCEPT]
  const all: (Uint8Array | undefined)[] = [
    ...kinds.map(type => kdc.asked(type)[0]),
    ...replies.map(type => kdc.answered(type)[0]),
    skewed.bytes,
    wrong.bytes,
    (await hand.ticket('orders')).ticket,
    parseMessageHeader(headerOf(http.last, 'authorization')),
    parseMessageHeader(headerOf(http.answered[0] ?? http.last, 'authentication-info')),
    params,
    await hand.ask(params),
  ]
  return new Map(all.map(message => [message?.[1] ?? 0, message ?? new Uint8Array()]))
}

function relabelled(message: Uint8Array, type: number): Uint8Array {
  return message.map((byte, index) => (index === 1 ? type : byte))
}

describe('a message of one type where another belongs', () => {
  const TYPES = Object.values(TYPE)
  let kept: Promise<Map<number, Uint8Array>> | undefined
  const all = async (): Promise<(type: number) => Uint8Array> => {
    kept ??= everyMessage()
    const messages = await kept
    return type => messages.get(type) ?? new Uint8Array()
  }

  it('is tried with every type', async () => {
    const of = await all()
    for (const type of TYPES) expect([...of(type).subarray(0, 2)]).toEqual([1, type])
  })

  it('is refused by the KDC, as it is and under the type of any request', async () => {
    const of = await all()
    const realm = await startTestRealm()
    const socket = await TestSocket.open(realm.kdc.url)
    onTestFinished(() => socket.close())
    const requests: number[] = [TYPE.AS_REQ, TYPE.TGS_REQ, TYPE.PARAMS_REQ, TYPE.AP_OPEN]
    let id = 0
    for (const type of TYPES.filter(type => !requests.includes(type) && type !== TYPE.RECORD)) {
      expect(openUnauthenticatedError(await socket.ask(++id, of(type))).code, `${type}`).toBe('malformed')
    }
    for (const entry of requests) {
      for (const type of TYPES.filter(type => type !== entry)) {
        const answer = await socket.ask(++id, relabelled(of(type), entry))
        const { code } = openUnauthenticatedError(answer)
        expect(['malformed', 'ticket_invalid', 'auth_failed'], `${type} as ${entry}`).toContain(code)
      }
    }
  })

  it('is refused by a service, as it is and as an AP-REQ', async () => {
    const of = await all()
    const { realm, orders, toOrders } = await two()
    const request = present(toOrders, { ...POST, time: realm.clock.now() })
    const withMessage = (message: Uint8Array): Captured =>
      withHeader<Captured>(request, 'authorization', formatMessageHeader(message))
    for (const type of TYPES.filter(type => type !== TYPE.AP_REQ)) {
      expectRefused(await orders.deliver(withMessage(of(type))), 'malformed', '05')
      const response = await orders.deliver(withMessage(relabelled(of(type), TYPE.AP_REQ)))
      expect([400, 401]).toContain(response.status)
    }
    // The same in every field, and made as an opening by the holder of the key.
    const opening = openingOf(toOrders, { time: realm.clock.now() })
    const asRequest = relabelled(opening.request.bytes, TYPE.AP_REQ)
    expectRefused(await orders.deliver(withMessage(asRequest)), 'auth_failed', '05')
    expect(orders.handled).toHaveLength(0)
  })

  it('does not answer a login, a TGS request or the opening of a channel', async () => {
    const of = await all()
    const { realm, kdc } = await startWorld()
    await realm.add('billing')
    await realm.allow('web', 'billing')
    for (const [entry, reply] of [
      ['login', TYPE.AS_REP],
      ['tgs', TYPE.TGS_REP],
      ['opening', TYPE.AP_ACCEPT],
    ] as const) {
      kdc.downward = frame => [frame]
      const web = await realm.connect('web', { kdc: kdc.url })
      if (entry !== 'login') await web.getServiceTicket('orders')
      if (entry === 'opening') await web.getServiceTicket('kdc')
      for (const type of TYPES) {
        for (const message of [of(type), relabelled(of(type), reply)]) {
          kdc.downward = ({ id }) => [{ id, message }]
          const outcome = entry === 'opening' ? openKdcChannel(web) : web.getServiceTicket('billing')
          expect(await failureOf(outcome), `${type} to ${entry}`).toBeInstanceOf(OrthrusError)
        }
      }
      web.close()
    }
  })

  it('is neither a proof nor an error of a service', async () => {
    const of = await all()
    const { web, http, orders } = await startWorld()
    for (const type of TYPES) {
      const own = [
        of(type),
        relabelled(of(type), TYPE.AP_REP),
        relabelled(of(type), TYPE.ERROR_AUTHENTICATED),
      ]
      for (const message of own) {
        http.intercept = () => ({
          status: 200,
          headers: [['authentication-info', formatMessageHeader(message)]],
          body: Buffer.from('paid'),
        })
        const proof = await failureOf(web.fetch(`${http.url}/pay`, POST))
        expect(proof, `${type}`).toMatchObject({ code: 'response_unproved', final: false })
        const challenge = formatChallenge({ realm: web.realm, code: 'replay', error: message })
        http.intercept = () => ({
          status: 401,
          headers: [['www-authenticate', challenge]],
          body: Buffer.alloc(0),
        })
        // An unproved ERROR is only a claim, which anybody may have made.
        const code = message[1] === TYPE.ERROR ? 'refused_unproved' : 'response_unproved'
        const error = await failureOf(web.fetch(`${http.url}/pay`, POST))
        expect(error, `${type}`).toMatchObject({ code, final: false })
      }
    }
    expect(orders.handled).toHaveLength(0)
  })
})

describe('an AP-OPEN', () => {
  it('for another target opens no channel at the KDC', async () => {
    const realm = await startTestRealm()
    await realm.add('web')
    const web = await HandClient.open(realm, 'web')
    const ticket = await web.ticket('kdc')
    const key = deriveAuthKey(ticket.key, [])
    const common = { caveats: [], time: realm.clock.now(), nonce: systemRandom(16), delegated: null }
    const binding = systemRandom(32)
    const { bytes, mac } = createApRequest(TYPE.AP_OPEN, key, {
      ticket: decodeTicket(ticket.ticket),
      binding,
      ...common,
    })
    const error = openError(await web.ask(bytes), key, mac)
    expect(error).toMatchObject({ code: 'binding_mismatch', authenticated: true })
  })
})

const WRONG_NAMES = [
  'Web@test.example',
  'WEB@test.example',
  'web@TEST.example',
  'web@test.example.',
  'web@test..example',
  ' web@test.example',
  'web@test.example ',
  'web\0@test.example',
  'web@test.example\0',
  'web\0eve@test.example',
  'web/@test.example',
  '/web@test.example',
  'web//1@test.example',
  'web/1/2@test.example',
  'web@test.example/1',
  'web@@test.example',
  'web@test.example@evil.example',
  'web',
  '',
  '@test.example',
  'web\n@test.example',
  'wéb@test.example',
  // Fullwidth, a ligature, a dotless i, a Kelvin sign, a zero-width joiner, and a decomposed letter.
  'ｗeb@test.example',
  'we\u200db@test.example',
  'w\u0131b@test.example',
  '\u212aeb@test.example',
  'web\ufeff@test.example',
  'we\u0301b@test.example',
  '__proto__@test.example',
  '.web@test.example',
  `${'w'.repeat(64)}@test.example`,
  `web@${'a.'.repeat(127)}example`,
]

describe('a name that is not in its only spelling', () => {
  it('is malformed in every message to the KDC, even if its sender has the key', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('*', '*')
    const web = await HandClient.open(realm, 'web')
    const time = realm.clock.now()
    const orders = entryOf(realm, 'orders').principal
    const signed = (client: string, services: string[]): Uint8Array => {
      const body: Value[] = [client, web.kvno, time, systemRandom(16), services, 0, 0]
      const message = createMessage(TYPE.AS_REQ, body)
      return concatBytes(message, createMac(web.key, 'as-req', message))
    }
    expect((await web.ask(signed('web@test.example', [orders])))[1]).toBe(TYPE.AS_REP)
    for (const name of WRONG_NAMES) {
      const messages = [
        signed(name, [orders]),
        signed('web@test.example', [name]),
        createMessage(TYPE.PARAMS_REQ, [name]),
      ]
      for (const message of messages) {
        expect(openUnauthenticatedError(await web.ask(message)).code, JSON.stringify(name)).toBe('malformed')
      }
    }
  })

  it('is malformed in a request to a service, and to administration', async () => {
    const { realm, orders, toOrders, toBilling } = await two()
    for (const name of WRONG_NAMES as Principal[]) {
      const time = realm.clock.now()
      const ticket = renamed(decodeTicket(toOrders.ticket), name)
      const own = present(toOrders, { ...POST, time, ticket })
      expectRefused(await orders.deliver(own), 'malformed', '05')
      const delegated = { grant: toBilling, caveats: [], client: name }
      expectRefused(await orders.deliver(present(toOrders, { ...POST, time, delegated })), 'malformed', '05')
      const call = realm.kdc.administration.call('add', [name, null, null, null, null])
      expect(await failureOf(call)).toMatchObject({ code: 'malformed' })
    }
    expect(orders.handled).toHaveLength(0)
  })

  it('is a mistake of the client’s caller before anything is sent, and is refused in a keytab', async () => {
    const { web, kdc, realm } = await startWorld()
    const before = kdc.toKdc.length
    for (const name of WRONG_NAMES.filter(name => name !== 'web')) {
      await expect(web.getServiceTicket(name), JSON.stringify(name)).rejects.toThrow(TypeError)
      await expect(web.fetch('http://127.0.0.1:1/', { service: name })).rejects.toThrow(TypeError)
      const { kvno, key } = entryOf(realm, 'web')
      const text = formatKeytab([{ principal: name as Principal, kvno, key }])
      expect(() => parseKeytab(text), JSON.stringify(name)).toThrow(/keytab_invalid/)
    }
    expect(kdc.toKdc).toHaveLength(before)
  })

  it('and only looks like one in policy is another principal', async () => {
    const realm = await startTestRealm()
    const others = ['web.', 'web-', 'web_', 'webb', 'we', 'web/1', 'web/web', 'w/eb']
    await realm.add('web', 'orders', 'orders.', 'order', 'orders/1', ...others)
    await realm.allow('web', 'orders')
    const asked = ['orders', 'orders.', 'order', 'orders/1']
    const names = asked.map(name => entryOf(realm, name).principal)
    for (const name of others) {
      const client = await HandClient.open(realm, name)
      const answer = await client.login({ services: names })
      expect(denialsOf(answer), name).toEqual(asked.map(each => `${each} policy_denied`))
    }
    const web = await (await HandClient.open(realm, 'web')).login({ services: names })
    expect(denialsOf(web)).toEqual(asked.slice(1).map(each => `${each} policy_denied`))
    grantsOf(web, 2)
  })
})
