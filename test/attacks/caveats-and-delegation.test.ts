import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../shared/bytes.js'
import { TYPE } from '../../shared/constants.js'
import { deriveAuthKey, extendChain, finishChain, startChain } from '../../shared/crypto/derive.js'
import { LongTermKey, SessionKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { encode } from '../../shared/encoding/encoding.js'
import { openError } from '../../shared/encoding/error.js'
import { createMessage } from '../../shared/encoding/message.js'
import { OrthrusError, type WireCode } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { type Caveat, encodeCaveat } from '../../shared/ticket/caveats.js'
import {
  type Credential,
  formatCredential,
  openHandOff,
  parseCredential,
  sealHandOff,
} from '../../shared/ticket/credential.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket, openTicket, type SealedTicket, sealTicket } from '../../shared/ticket/ticket.js'
import { HOUR, MINUTE, SECOND } from '../../shared/time.js'
import type { AllowOptions, TestRealm } from '../../testing/index.js'
import { openingOf } from '../kdc/socket.js'
import { challengeIn } from '../support/challenge.js'
import { type Captured, headerOf, type Relayed, withHeader } from '../support/http-proxy.js'
import {
  expectRefused,
  failureOf,
  Guarded,
  type GuardedOptions,
  startTestRealm,
  startWorld,
} from '../support/world.js'
import { denialsOf, entryOf, grantsOf, HandClient, outcome, type Presentation, present } from './by-hand.js'

interface Scene {
  readonly realm: TestRealm
  readonly orders: Guarded
  readonly web: HandClient
  readonly gate: HandClient
  readonly eve: HandClient
  name(short: string): Principal
  /** Sends it, stamped now, and returns what came: `200`, or `06 replay` and the like. */
  send(grant: Grant, use?: Partial<Presentation>): Promise<string>
}

async function scene(rule: AllowOptions = { delegable: true }, guarded?: GuardedOptions): Promise<Scene> {
  const realm = await startTestRealm()
  await realm.add('web', 'gate', 'eve', 'orders', 'billing')
  await realm.allow('web', 'orders', rule)
  await realm.allow('*', '*', { delegable: true })
  const orders = await Guarded.start(realm, 'orders', guarded)
  const [web, gate, eve] = await Promise.all(['web', 'gate', 'eve'].map(name => HandClient.open(realm, name)))
  if (web === undefined || gate === undefined || eve === undefined) throw new Error('no clients')
  return {
    realm,
    orders,
    web,
    gate,
    eve,
    name: short => entryOf(realm, short).principal,
    send: async (grant, use = {}) => {
      const request = present(grant, { time: realm.clock.now(), ...use })
      return told(request, await orders.deliver(request))
    },
  }
}

function told(request: ReturnType<typeof present>, response: Relayed): string {
  const error = challengeIn(headerOf(response, 'www-authenticate'))?.error
  if (error === undefined) return String(response.status)
  const { code, authenticated } = openError(error, request.key, request.mac)
  expectRefused(response, code, authenticated ? '06' : '05')
  return `${authenticated ? '06' : '05'} ${code}`
}

const caveat = (list: Caveat): Uint8Array => encodeCaveat(list)
const GET_ONLY = caveat({ name: 'methods', methods: ['GET'] })
const POST_ONLY = caveat({ name: 'methods', methods: ['POST'] })
const INSIDE = caveat({ name: 'paths', prefixes: ['/orders'] })

/** `A_n` of a holder that was given the chain after these caveats, and can only add to it. */
function keyAfter(grant: Grant, handed: readonly Uint8Array[], added: readonly Uint8Array[]) {
  return finishChain(added.reduce(extendChain, handed.reduce(extendChain, startChain(grant.key))))
}

/** Every list that can be made of some of the items, in any order. */
function arrangements<T>(items: readonly T[]): T[][] {
  return [
    [],
    ...items.flatMap((item, i) =>
      arrangements(items.filter((_, other) => other !== i)).map(rest => [item, ...rest]),
    ),
  ]
}

describe('a caveat that was handed over', () => {
  const handed = [GET_ONLY, INSIDE, caveat({ name: 'expires', time: 2 ** 52 })]

  it('cannot be removed or reordered before a service', async () => {
    const { web, orders, send } = await scene()
    const ticket = await web.ticket('orders')
    const key = keyAfter(ticket, handed, [])
    const codes = new Map<string, number>()
    for (const caveats of arrangements(handed)) {
      const isWhole = caveats.length === 3 && caveats.every((each, i) => each === handed[i])
      const code = await send(ticket, { caveats, key })
      codes.set(code, (codes.get(code) ?? 0) + 1)
      expect(code).toBe(isWhole ? '200' : '05 auth_failed')
    }
    expect(Object.fromEntries(codes)).toEqual({ 200: 1, '05 auth_failed': 15 })
    expect(orders.handled).toHaveLength(1)
  })

  it('cannot be removed or reordered before the KDC', async () => {
    const { web, name } = await scene()
    const [tgt] = await web.grants()
    const key = keyAfter(tgt, handed, [])
    for (const caveats of arrangements(handed)) {
      const isWhole = caveats.length === 3 && caveats.every((each, i) => each === handed[i])
      const answer = await web.tgs(tgt, { key, caveats, services: [name('orders')] })
      expect(outcome(answer)).toBe(isWhole ? 'reply' : '05 auth_failed')
    }
  })

  it('cannot be edited, doubled or followed by one that takes it back', async () => {
    const { web, orders, send } = await scene()
    const ticket = await web.ticket('orders')
    const key = keyAfter(ticket, [GET_ONLY], [])
    const both = caveat({ name: 'methods', methods: ['GET', 'POST'] })
    const post = { method: 'POST', body: 'pay 5' }
    expect(await send(ticket, { ...post, caveats: [both], key })).toBe('05 auth_failed')
    expect(await send(ticket, { ...post, caveats: [GET_ONLY, GET_ONLY], key })).toBe('05 auth_failed')
    const added = keyAfter(ticket, [GET_ONLY], [both])
    expect(await send(ticket, { ...post, caveats: [GET_ONLY, both], key: added })).toBe('06 caveat_failed')
    expect(await send(ticket, { caveats: [GET_ONLY, both], key: added })).toBe('200')
    expect(orders.handled.map(({ method }) => method)).toEqual(['GET'])
  })

  it('to a TGT is copied into every ticket that it gets, where it cannot be removed', async () => {
    const { web, orders, send, name } = await scene()
    const [tgt] = await web.grants()
    const until = caveat({ name: 'expires', time: web.clock.now() + MINUTE })
    const caveats = [GET_ONLY, until]
    const [ticket] = grantsOf(await web.tgs(tgt, { caveats, services: [name('orders')] }))
    expect(ticket.endTime).toBeLessThanOrEqual(web.clock.now() + MINUTE)
    expect(await send(ticket)).toBe('200')
    expect(await send(ticket, { method: 'POST', body: 'pay 5' })).toBe('06 caveat_failed')
    expect(outcome(await web.tgs(tgt, { caveats, renew: true }))).toBe('06 not_renewable')
    expect(orders.handled).toHaveLength(1)
  })

  it('closed, with a key that cannot add caveats, cannot be extended', async () => {
    const { web, send } = await scene()
    const ticket = await web.ticket('orders')
    const closed = keyAfter(ticket, [INSIDE], [])
    expect(await send(ticket, { caveats: [INSIDE], key: closed })).toBe('200')
    expect(await send(ticket, { caveats: [INSIDE, GET_ONLY], key: closed })).toBe('05 auth_failed')
    expect(await send(ticket, { caveats: [], key: closed })).toBe('05 auth_failed')
  })
})

describe('caveats that do not hold', () => {
  const raw = (...list: Parameters<typeof encode>[0]): Uint8Array => encode(list)

  const failing: [string, Uint8Array[]][] = [
    ['unknown', [raw('quota', 5)]],
    ['unknown, among known ones', [INSIDE, raw('quota', 5), GET_ONLY]],
    ['named as what every object has', [raw('constructor', [])]],
    ['named __proto__', [raw('__proto__', [])]],
    ['named in other letters', [raw('Methods', ['GET'])]],
    ['with a NUL in its name', [raw('methods\0', ['GET'])]],
    ['empty', [raw()]],
    ['no list at all', [new Uint8Array([0xa3, 0x47, 0x45, 0x54])]],
    ['of no bytes', [new Uint8Array()]],
    ['with bytes behind it', [concatBytes(GET_ONLY, new Uint8Array(1))]],
    ['without its argument', [raw('methods')]],
    ['with an argument more', [raw('methods', ['GET'], ['POST'])]],
    ['with an argument of another type', [raw('expires', 'never')]],
    ['with one wrong element', [raw('methods', ['GET', 5])]],
    ['of services, one of them no name', [raw('services', ['orders@test.example', 'Orders'])]],
    ['cut off', [GET_ONLY.subarray(0, 4)]],
    ['contradictory', [GET_ONLY, POST_ONLY]],
    ['contradictory in time', [raw('expires', 2 ** 52), raw('expires', 0)]],
    ['that allow nothing', [raw('methods', [])]],
    ['of services, none', [raw('services', [])]],
    ['for another service', [raw('services', ['billing@test.example'])]],
    ['without the fact they ask for: who holds it', [raw('holder', 'gate@test.example')]],
    ['without the fact they ask for: a checker', [raw('app', 'tenant', 7)]],
    ['with a checker that every object has', [raw('app', 'toString', true)]],
    ['of a path elsewhere', [raw('paths', ['/admin'])]],
    ['of a path that only begins alike', [raw('paths', ['/ord'])]],
    ['of a path with two meanings', [raw('paths', ['/orders/../orders'])]],
  ]

  it('are refused by a service, and named to the party that presents them', async () => {
    const { web, orders, send } = await scene()
    const ticket = await web.ticket('orders')
    for (const [name, caveats] of failing) {
      expect(await send(ticket, { caveats }), name).toBe('06 caveat_failed')
    }
    expect(orders.handled).toHaveLength(0)
  })

  it('are refused by the KDC if their form or name is unknown', async () => {
    const { web, name } = await scene()
    const [tgt] = await web.grants()
    for (const [label, caveats] of failing.slice(0, 16)) {
      const answer = await web.tgs(tgt, { caveats, services: [name('orders')] })
      expect(outcome(answer), label).toBe('06 caveat_failed')
    }
  })

  it('of services are denials at the KDC, even if they contradict each other', async () => {
    const { web, name } = await scene()
    const [tgt] = await web.grants()
    const services = [name('orders'), name('billing')]
    const only = (...names: Principal[]): Uint8Array => caveat({ name: 'services', services: names })
    const one = await web.tgs(tgt, { caveats: [only(name('orders'))], services })
    expect(denialsOf(one)).toEqual(['billing caveat_failed'])
    const none = await web.tgs(tgt, { caveats: [only(name('orders')), only(name('billing'))], services })
    expect(denialsOf(none)).toEqual(['orders caveat_failed', 'billing caveat_failed'])
  })

  it('fail without the fact that they need: a channel has no method', async () => {
    const { web } = await scene()
    const ticket = await web.ticket('kdc')
    const { request, key } = openingOf(ticket, { time: web.clock.now(), caveats: [GET_ONLY] })
    const error = openError(await web.ask(request.bytes), key, request.mac)
    expect(error).toMatchObject({ code: 'caveat_failed', authenticated: true })
  })

  const outside = [
    ['DELETE', '/orders/7'],
    ['GET', '/admin'],
    ['GET', '/ordersx'],
    ['GET', '/orders/../admin'],
    ['GET', '/orders/%2e%2e/admin'],
    ['GET', '/orders/..;/admin'],
    ['GET', '/orders//7'],
    ['GET', '/orders%2f7'],
    ['GET', '/orders/%00'],
    ['GET', '/orders/%252e%252e/admin'],
    ['GET', '/orders\\..\\admin'],
    ['GET', '/ORDERS/7'],
    ['GET', 'http://localhost/orders/7'],
    ['OPTIONS', '*'],
  ] as const

  it('of policy fail for each method and path outside them, however it is spelled', async () => {
    const { web, orders, send } = await scene({ methods: ['GET', 'OPTIONS'], paths: ['/orders'] })
    const ticket = await web.ticket('orders')
    for (const [method, target] of outside) {
      expect(await send(ticket, { method, target }), `${method} ${target}`).toBe('06 caveat_failed')
    }
    expect(await send(ticket, { target: '/orders?/../admin' })).toBe('200')
    expect(orders.handled).toHaveLength(1)
  })

  it('are reported by the client to its caller as final', async () => {
    const { web, realm, http, orders } = await startWorld()
    await realm.allow('web', 'orders', { methods: ['GET'] })
    expect(await failureOf(web.fetch(`${http.url}/7`, { method: 'DELETE' }))).toMatchObject({
      code: 'caveat_failed',
      final: true,
    })
    expect([orders.handled.length, http.captured.length]).toEqual([0, 1])
  })
})

describe('a ticket edited', () => {
  it('by its client in any bit is refused', async () => {
    const { web, orders, send } = await scene()
    const ticket = await web.ticket('orders')
    const sealed = decodeTicket(ticket.ticket)
    for (let at = 0; at < sealed.box.length; at += 7) {
      const box = sealed.box.map((byte, index) => (index === at ? byte ^ 1 : byte))
      const bytes = createMessage(TYPE.TICKET, [sealed.service, sealed.kvno, box])
      expect(await send(ticket, { ticket: { ...sealed, box, bytes } }), `byte ${at}`).toBe(
        '05 ticket_invalid',
      )
    }
    expect(orders.handled).toHaveLength(0)
  })

  it('by its client as a whole, and sealed with any key that it has, is refused by service and KDC', async () => {
    const { web, orders, send, name } = await scene(
      { claims: { role: 'reader' } },
      { claims: { role: 'admin' } },
    )
    const [tgt, ticket] = await web.grants('orders')
    if (ticket === undefined) throw new Error('denied')
    const { authTime, startTime, ticketId } = ticket
    const wishes = {
      ticketId,
      authTime,
      startTime,
      client: name('web'),
      clientId: new Uint8Array(8),
      key: ticket.key,
      endTime: startTime + 1000 * HOUR,
      renewTill: startTime + 2000 * HOUR,
      flags: 3,
      claims: [['role', 'admin']] as const,
      caveats: [],
    }
    const keys = [web.key, ticket.key as unknown as LongTermKey, new LongTermKey(systemRandom(32))]
    for (const key of keys) {
      const forOrders = sealTicket(ticket.service, 1, key, wishes, systemRandom)
      expect(await send(ticket, { ticket: forOrders })).toBe('05 ticket_invalid')
      const forKdc = sealTicket(tgt.service, 1, key, wishes, systemRandom)
      const answer = await web.tgs(ticket, { ticket: forKdc, services: [name('orders')] })
      expect(outcome(answer)).toBe('05 ticket_invalid')
    }
    // The ticket as it is lacks what the handler requires.
    expect(await send(ticket)).toBe('06 not_authorized')
    expect(orders.handled).toHaveLength(0)
  })

  it('in the grant, which only the client reads, changes nothing', async () => {
    const { web, realm, http, orders } = await startWorld({ claims: { role: 'admin' } })
    await realm.allow('web', 'orders', { claims: { role: 'reader' } })
    const ticket = await web.getServiceTicket('orders')
    expect(() => Object.assign(ticket.claims, { role: 'admin' })).toThrow(TypeError)
    expect(() => Object.assign(ticket, { endTime: 2 ** 52 })).toThrow(TypeError)
    const failure = await failureOf(web.fetch(`${http.url}/7`, { method: 'POST', body: 'x' }))
    expect(failure).toMatchObject({ code: 'not_authorized', final: true })
    expect(orders.handled).toHaveLength(0)
  })

  it('by a service that reseals its own tickets reaches no other service, and no KDC', async () => {
    const { web, orders, realm, send, name } = await scene({ delegable: false })
    const ticket = await web.ticket('orders')
    const billing = await Guarded.start(realm, 'billing')
    const { key } = entryOf(realm, 'orders')
    const opened = openTicket(decodeTicket(ticket.ticket), key)
    const bronze = { ...opened, client: name('gate'), flags: 1, key: new SessionKey(systemRandom(32)) }
    const grant = { ...ticket, key: bronze.key }
    for (const service of ['billing', 'krbtgt']) {
      const principal = service === 'krbtgt' ? ('krbtgt@test.example' as Principal) : name(service)
      const resealed = sealTicket(principal, 1, key, bronze, systemRandom)
      const request = present(grant, { time: realm.clock.now(), ticket: resealed })
      expect(told(request, await billing.deliver(request))).toBe('05 ticket_invalid')
      const answer = await web.tgs(grant, { ticket: resealed, services: [name('billing')] })
      expect(outcome(answer)).toBe('05 ticket_invalid')
    }
    // To itself it can say anything: that is what a service's key allows.
    const own = sealTicket(name('orders'), 1, key, bronze, systemRandom)
    expect(await send(grant, { ticket: own })).toBe('200')
    expect([orders.handled[0]?.ticket.client, billing.handled.length]).toEqual(['gate@test.example', 0])
  })
})

describe('a delegated ticket', () => {
  interface Handed {
    readonly grant: Grant
    readonly caveats: readonly Uint8Array[]
    readonly client: Principal
  }

  async function handed(setting: Scene, ...others: Uint8Array[]): Promise<Handed> {
    const grant = await setting.web.ticket('orders')
    const holder = caveat({ name: 'holder', holder: setting.name('gate') })
    return { grant, caveats: [holder, ...others], client: setting.name('web') }
  }

  it('serves its holder, within its caveats, and handles each request once', async () => {
    const setting = await scene()
    const { gate, send, orders, realm } = setting
    const delegated = await handed(setting, GET_ONLY)
    const own = await gate.ticket('orders')
    expect(await send(own, { delegated })).toBe('200')
    expect(orders.handled[0]?.ticket).toMatchObject({ client: 'web@test.example', via: 'gate@test.example' })
    expect(await send(own, { delegated, method: 'POST', body: 'pay 5' })).toBe('06 caveat_failed')
    const request = present(own, { delegated, time: realm.clock.now() })
    expect(told(request, await orders.deliver(request))).toBe('200')
    expect(told(request, await orders.deliver(request))).toBe('06 replay')
    expect(orders.handled).toHaveLength(2)
  })

  const misuses: [string, WireCode, (setting: Scene) => Promise<[Grant, Partial<Presentation>]>][] = [
    [
      'by somebody else who has it whole',
      'caveat_failed',
      async setting => [await setting.eve.ticket('orders'), { delegated: await handed(setting) }],
    ],
    [
      'by the client itself, as if by a delegate',
      'caveat_failed',
      async setting => [await setting.web.ticket('orders'), { delegated: await handed(setting) }],
    ],
    [
      'by its holder as a ticket of its own',
      'caveat_failed',
      async setting => {
        const { grant, caveats } = await handed(setting)
        return [grant, { caveats }]
      },
    ],
    [
      'with a holder for each of two',
      'caveat_failed',
      async setting => {
        const other = caveat({ name: 'holder', holder: setting.name('eve') })
        return [await setting.eve.ticket('orders'), { delegated: await handed(setting, other) }]
      },
    ],
    [
      'with another client’s name',
      'delegation_invalid',
      async setting => {
        const delegated = { ...(await handed(setting)), client: setting.name('eve') }
        return [await setting.gate.ticket('orders'), { delegated }]
      },
    ],
    [
      'with its holder’s name for the client’s',
      'delegation_invalid',
      async setting => {
        const delegated = { ...(await handed(setting)), client: setting.name('gate') }
        return [await setting.gate.ticket('orders'), { delegated }]
      },
    ],
    [
      'that names no holder',
      'delegation_invalid',
      async setting => {
        const delegated = { ...(await handed(setting)), caveats: [GET_ONLY] }
        return [await setting.gate.ticket('orders'), { delegated }]
      },
    ],
    [
      'whose holder is of no form',
      'delegation_invalid',
      async setting => {
        const delegated = { ...(await handed(setting)), caveats: [encode(['holder', 'GATE@test.example'])] }
        return [await setting.gate.ticket('orders'), { delegated }]
      },
    ],
  ]

  it.each(misuses)('%s: %s', async (_, code, make) => {
    const setting = await scene()
    const [own, use] = await make(setting)
    expect(await setting.send(own, use)).toBe(`06 ${code}`)
    expect(setting.orders.handled).toHaveLength(0)
  })

  it('whose holder caveat is removed, or that is presented without its key, fails its MAC', async () => {
    const setting = await scene()
    const { gate, eve, send, orders } = setting
    const delegated = await handed(setting)
    const key = deriveAuthKey(delegated.grant.key, delegated.caveats)
    const toEve = [caveat({ name: 'holder', holder: setting.name('eve') })]
    expect(await send(await eve.ticket('orders'), { delegated: { ...delegated, caveats: [], key } })).toBe(
      '05 auth_failed',
    )
    expect(await send(await eve.ticket('orders'), { delegated: { ...delegated, caveats: toEve, key } })).toBe(
      '05 auth_failed',
    )
    const guessed = deriveAuthKey(new SessionKey(systemRandom(32)), delegated.caveats)
    expect(await send(await gate.ticket('orders'), { delegated: { ...delegated, key: guessed } })).toBe(
      '05 auth_failed',
    )
    // The delegated half alone, without the presenter's own key.
    const own = await gate.ticket('orders')
    expect(await send(own, { delegated, key: guessed })).toBe('05 auth_failed')
    expect(orders.handled).toHaveLength(0)
  })

  it('that policy does not allow to be delegated is refused', async () => {
    const setting = await scene({ delegable: false })
    const delegated = await handed(setting)
    expect(await setting.send(await setting.gate.ticket('orders'), { delegated })).toBe(
      '06 delegation_invalid',
    )
    expect(setting.orders.handled).toHaveLength(0)
  })

  it('presented with a ticket for another service of the same keytab is refused, either way round', async () => {
    const setting = await scene()
    const { realm, web, gate, name } = setting
    const [, ...lines] = realm.keytab('billing').trimEnd().split('\n')
    const keytab = { text: `${realm.keytab('orders')}${lines.join('\n')}\n` }
    const both = [
      await Guarded.start(realm, 'orders', { load: { keytab, service: 'orders' } }),
      await Guarded.start(realm, 'billing', { load: { keytab, service: 'billing' } }),
    ]
    const holder = caveat({ name: 'holder', holder: name('gate') })
    for (const [own, other] of [
      ['orders', 'billing'],
      ['billing', 'orders'],
    ] as const) {
      const delegated = { grant: await web.ticket(other), caveats: [holder], client: name('web') }
      const grant = await gate.ticket(own)
      for (const service of both) {
        const request = present(grant, { delegated, time: realm.clock.now() })
        expect(told(request, await service.deliver(request))).toBe('05 ticket_invalid')
      }
    }
    for (const service of both) expect(service.handled).toHaveLength(0)
  })

  it('ends with the presenter’s own ticket, and at its own end', async () => {
    const setting = await scene()
    const { gate, send, realm, orders } = setting
    const delegated = await handed(
      setting,
      caveat({ name: 'expires', time: realm.clock.now() + 30 * SECOND }),
    )
    const own = await gate.ticket('orders')
    expect(await send(own, { delegated })).toBe('200')
    realm.clock.advance(30 * SECOND)
    expect(await send(own, { delegated })).toBe('06 caveat_failed')
    const fresh = await handed(setting)
    realm.clock.advance(own.endTime - realm.clock.now())
    expect(await send(own, { delegated: fresh })).toBe('06 ticket_expired')
    expect(orders.handled).toHaveLength(1)
  })
})

describe('a credential', () => {
  async function credential(): Promise<{ setting: Scene; credential: Credential; text: string }> {
    const setting = await scene()
    const grant = await setting.web.ticket('orders')
    const caveats = [caveat({ name: 'holder', holder: setting.name('gate') })]
    const whole: Credential = {
      ticket: decodeTicket(grant.ticket) as SealedTicket,
      caveats,
      key: caveats.reduce(extendChain, startChain(grant.key)),
      service: grant.service,
      client: setting.name('web'),
      endTime: grant.endTime,
    }
    return { setting, credential: whole, text: formatCredential(whole) }
  }

  it('that was cut off or altered in transit is told from one that is wrong', async () => {
    const { text } = await credential()
    expect(parseCredential(text).client).toBe('web@test.example')
    for (let length = 0; length < text.length; length++) {
      expect(() => parseCredential(text.slice(0, length)), `${length}`).toThrow(
        expect.objectContaining({ code: 'credential_invalid', final: true }),
      )
    }
    for (let at = 0; at < text.length; at += 5) {
      const letter = text[at] === 'A' ? 'B' : 'A'
      expect(() => parseCredential(text.slice(0, at) + letter + text.slice(at + 1))).toThrow(OrthrusError)
    }
  })

  it('that was cut off, or made for somebody else, is refused before anything is sent', async () => {
    const { web, realm, kdc, http, orders } = await startWorld()
    await realm.add('gate', 'eve')
    await realm.allow('web', 'orders', { delegable: true })
    await realm.allow('gate', 'orders')
    const text = (await web.getServiceTicket('orders')).attenuate({ to: 'gate' }).credential()
    const [gate, eve] = [await realm.connect('gate', { kdc: kdc.url }), await realm.connect('eve')]
    const asked = kdc.toKdc.length
    for (const length of [0, 9, 20, text.length - 20, text.length - 1]) {
      expect(() => gate.import(text.slice(0, length))).toThrow(
        expect.objectContaining({ code: 'credential_invalid', final: true }),
      )
    }
    expect(() => eve.import(text)).toThrow(
      expect.objectContaining({ code: 'credential_invalid', final: true }),
    )
    expect([http.captured.length, kdc.toKdc.length]).toEqual([0, asked])
    const ticket = gate.import(text)
    expect((await gate.fetch(`${http.url}/7`, { ticket, service: 'orders' })).status).toBe(200)
    expect(orders.handled.map(({ ticket }) => [ticket.client, ticket.via])).toEqual([
      ['web@test.example', 'gate@test.example'],
    ])
  })

  it('in the header of a request is bound to it, and does not open in another', async () => {
    const { setting, credential: whole } = await credential()
    const { gate, realm, orders } = setting
    const own = await gate.ticket('orders')
    const key = deriveAuthKey(own.key, [])
    const nonce = systemRandom(16)
    const box = sealHandOff(key, nonce, whole, systemRandom)
    const header = Buffer.from(box).toString('base64url')
    const request = present(own, {
      time: realm.clock.now(),
      headers: [['orthrus-credential', header]],
      method: 'POST',
      body: 'go',
    })
    const cut = withHeader<Captured>(request, 'orthrus-credential', header.slice(0, -8))
    expectRefused(await orders.deliver(cut), 'binding_mismatch', '06')
    expect(openHandOff(key, nonce, box).client).toBe('web@test.example')
    const others = [systemRandom(16), new Uint8Array(16)]
    for (const other of others) expect(() => openHandOff(key, other, box)).toThrow(/credential_invalid/)
    const elses = deriveAuthKey((await setting.eve.ticket('orders')).key, [])
    expect(() => openHandOff(elses, nonce, box)).toThrow(/credential_invalid/)
    for (const length of [0, 20, 40, box.length - 1]) {
      expect(() => openHandOff(key, nonce, box.subarray(0, length))).toThrow(/credential_invalid/)
    }
    expect(orders.handled).toHaveLength(0)
  })
})
