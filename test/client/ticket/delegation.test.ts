import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../../client/connect.js'
import type { ConnectOptions } from '../../../client/connect-options.js'
import type { Realm } from '../../../client/realm.js'
import type { RealmFetchInit } from '../../../client/realm-options.js'
import type { Attenuation } from '../../../client/ticket/attenuation.js'
import type { Ticket } from '../../../client/ticket/ticket.js'
import { BoundedReplayCache } from '../../../service/replay/replay-cache.js'
import { toBase64url, toHex } from '../../../shared/bytes.js'
import { TYPE } from '../../../shared/constants.js'
import { AuthKey, revealKey } from '../../../shared/crypto/keys.js'
import { createAuthenticatedError } from '../../../shared/encoding/error.js'
import type { OrthrusError } from '../../../shared/errors.js'
import { decodeApRequest } from '../../../shared/exchange/ap.js'
import { formatChallenge, parseMessageHeader } from '../../../shared/http/headers.js'
import { principalIn, realmOf } from '../../../shared/principal.js'
import { parseCredential } from '../../../shared/ticket/credential.js'
import { HOUR, MINUTE, SECOND } from '../../../shared/time.js'
import { type AllowOptions, createTestClock, type TestRealm } from '../../../testing/index.js'
import { type Captured, HttpProxy, headerOf } from '../../support/http-proxy.js'
import { WebSocketProxy } from '../../support/websocket-proxy.js'
import { failureOf, Guarded, type GuardedOptions, startTestRealm } from '../../support/world.js'

/** Tickets cut down, handed on and used, between real parties over real sockets. */

const CLAIMS = { role: 'reader', tier: 3 }

interface Scene {
  readonly realm: TestRealm
  readonly orders: Guarded
  readonly url: string
  readonly web: Realm
  /** Everything that anybody logged. */
  readonly log: string[]
}

async function scene(rule: AllowOptions = {}, guarded: GuardedOptions = {}): Promise<Scene> {
  const log: string[] = []
  const logger = logTo(log)
  const realm = await startTestRealm({ logger })
  await realm.add('web', 'billing', 'gate', 'orders', 'ledger')
  await realm.allow('web', 'orders', { claims: CLAIMS, delegable: true, ...rule })
  await realm.allow('web', 'ledger')
  await realm.allow('billing', 'orders', { claims: { role: 'clerk' } })
  const caveats = { tenant: (value: unknown) => value === 'acme' }
  const orders = await Guarded.start(realm, 'orders', { caveats, ...guarded })
  const web = await realm.connect('web')
  return { realm, orders, url: `http://127.0.0.1:${orders.port}`, web, log }
}

function logTo(log: string[]) {
  const add = (fields: object, message: string): void => {
    log.push(`${message} ${inspect(fields, { depth: 20 })}`)
  }
  return { debug: add, info: add, warn: add, error: add }
}

const BEARER = { allowBearerCredential: true } as const

/** A realm that has only what somebody handed on. */
async function connectWith(
  { realm }: Pick<Scene, 'realm'>,
  options: Partial<ConnectOptions> & { readonly credential: string },
): Promise<Realm> {
  const { clock } = realm
  const connected = await connect({ clock, timers: clock, ...BEARER, ...options } as ConnectOptions)
  onTestFinished(() => connected.close())
  return connected
}

const rejected = (code: string, facts: object = {}) =>
  expect.objectContaining({ code, ...facts }) as OrthrusError

/** The result of a request: the status, or the code of its refusal. */
async function tell(response: Promise<Response>): Promise<number | string> {
  return await response.then(
    ({ status }) => status,
    (cause: OrthrusError) => cause.code,
  )
}

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (cause) {
    return cause
  }
  throw new Error('nothing was thrown')
}

describe('a ticket cut down', () => {
  type Sent = RequestInit & { readonly path?: string }
  // Requests that still pass, and one that does not, if there is one.
  const parts: [string, Attenuation, Sent | undefined, Sent | undefined][] = [
    ['methods', { methods: ['GET', 'HEAD'] }, { method: 'HEAD' }, { method: 'POST' }],
    ['methods', { methods: [] }, undefined, { method: 'GET' }],
    ['paths', { paths: ['/orders', '/stock/'] }, { path: '/stock' }, { path: '/ordersx' }],
    ['paths', { paths: ['/'] }, { path: '/x?y=/' }, { path: '/x%2fy' }],
    ['app', { app: { tenant: 'acme' } }, {}, undefined],
    ['app', { app: { tenant: 'other' } }, undefined, {}],
    ['app', { app: { unheard: 'acme' } }, undefined, {}],
    ['services', { services: ['orders', 'ledger'] }, {}, undefined],
    ['services', { services: ['ledger'] }, undefined, {}],
    ['holder', { to: 'web' }, {}, undefined],
  ]

  it.each(parts)('by %s %j', async (caveat, attenuation, passing, failing) => {
    const { orders, url, web } = await scene()
    const ticket = (await web.getServiceTicket('orders')).attenuate(attenuation)
    expect(ticket.caveats).toEqual([caveat])
    const send = ({ path = '/orders', ...init }: Sent) => web.fetch(`${url}${path}`, { ...init, ticket })
    if (passing !== undefined) expect((await send(passing)).status).toBe(200)
    expect(orders.handled).toHaveLength(passing === undefined ? 0 : 1)
    if (failing === undefined) return
    const refused = await failureOf(send(failing))
    expect(refused).toMatchObject({ code: 'caveat_failed', final: true, facts: { caveat } })
    expect(String(refused)).toContain(`the caveat ${caveat} does not hold`)
    expect([orders.handled.length, orders.refused.length]).toEqual([passing === undefined ? 0 : 1, 1])
  })

  it.each([
    ['a time from now', () => '5m' as const],
    ['a date', (now: number) => new Date(now + 5 * MINUTE)],
    ['milliseconds', (now: number) => now + 5 * MINUTE],
  ])('by expires, as %s', async (_, expires) => {
    const { realm, url, web } = await scene()
    const now = realm.clock.now()
    const ticket = (await web.getServiceTicket('orders')).attenuate({ expires: expires(now) })
    expect(ticket).toMatchObject({ endTime: now + 5 * MINUTE, caveats: ['expires'] })
    realm.clock.advance(5 * MINUTE - 1)
    expect((await web.fetch(`${url}/orders`, { ticket })).status).toBe(200)
    realm.clock.advance(1)
    expect(await failureOf(web.fetch(`${url}/orders`, { ticket }))).toMatchObject({
      code: 'caveat_failed',
      facts: { caveat: 'expires' },
    })
  })

  it('ends with the ticket, however late its expires is', async () => {
    const { web } = await scene()
    const whole = await web.getServiceTicket('orders')
    expect(whole.attenuate({ expires: '9d' }).endTime).toBe(whole.endTime)
  })

  it('by claims shows the service those, and that others are withheld', async () => {
    const { orders, url, web } = await scene()
    const whole = await web.getServiceTicket('orders')
    for (const claims of [['role'], ['role', 'tier', 'no such'], []]) {
      await web.fetch(`${url}/orders`, { ticket: whole.attenuate({ claims }) })
    }
    await web.fetch(`${url}/orders`, { ticket: whole })
    expect(orders.handled.map(({ ticket }) => [{ ...ticket.claims }, ticket.claimsWithheld])).toEqual([
      [{ role: 'reader' }, true],
      [CLAIMS, false],
      [{}, true],
      [CLAIMS, false],
    ])
  })

  it('withholds claims from what the owner requires as well', async () => {
    const { url, web } = await scene({}, { claims: { tier: 3 } })
    const whole = await web.getServiceTicket('orders')
    expect((await web.fetch(`${url}/orders`, { ticket: whole })).status).toBe(200)
    const refused = await failureOf(
      web.fetch(`${url}/orders`, { ticket: whole.attenuate({ claims: ['role'] }) }),
    )
    expect(refused).toMatchObject({ code: 'not_authorized', final: true })
  })

  const everything = {
    expires: '5m',
    methods: ['GET'],
    paths: ['/orders'],
    services: ['orders'],
    claims: ['role'],
    app: { tenant: 'acme' },
    to: 'billing',
  } satisfies Attenuation

  it('by all restrictions together', async () => {
    const { realm, orders, url, web } = await scene()
    const ticket = (await web.getServiceTicket('orders')).attenuate(everything)
    expect(ticket.caveats).toEqual(['expires', 'methods', 'paths', 'services', 'claims', 'app', 'holder'])
    const billing = await realm.connect('billing')
    const imported = billing.import(ticket.credential())
    expect(imported).toMatchObject({
      client: 'web@test.example',
      endTime: ticket.endTime,
      caveats: ticket.caveats,
    })
    const send = (path: string, method = 'GET') =>
      tell(billing.fetch(`${url}${path}`, { ticket: imported, service: 'orders', method }))
    expect(await send('/orders/7')).toBe(200)
    expect(await send('/orders/7', 'POST')).toBe('caveat_failed')
    expect(await send('/admin')).toBe('caveat_failed')
    expect(orders.handled.map(({ ticket }) => ({ ...ticket.claims }))).toEqual([{ role: 'reader' }])
  })

  it('again and again allows less each time, and leaves the one that it was cut from unchanged', async () => {
    const { url, web } = await scene()
    const whole = await web.getServiceTicket('orders')
    const reading = whole.attenuate({ methods: ['GET', 'HEAD'] })
    const heads = reading.attenuate({ methods: ['HEAD', 'POST'], paths: ['/orders'] })
    const none = heads.attenuate({ methods: ['POST'] })
    const told = async (ticket: Ticket) =>
      await Promise.all(
        ['GET', 'HEAD', 'POST'].map(method => tell(web.fetch(`${url}/orders`, { ticket, method }))),
      )
    expect(await told(none)).toEqual(['caveat_failed', 'caveat_failed', 'caveat_failed'])
    expect(await told(heads)).toEqual(['caveat_failed', 200, 'caveat_failed'])
    expect(await told(reading)).toEqual([200, 200, 'caveat_failed'])
    expect(await told(whole)).toEqual([200, 200, 200])
    expect([whole, reading, heads].map(({ caveats }) => caveats)).toEqual([
      [],
      ['methods'],
      ['methods', 'methods', 'paths'],
    ])
    expect(Object.isFrozen(whole.caveats)).toBe(true)
  })

  it('that policy restricts too reports only the code for that', async () => {
    const { url, web } = await scene({ methods: ['GET'] })
    const ticket = (await web.getServiceTicket('orders')).attenuate({ methods: ['GET', 'POST'] })
    const refused = await failureOf(web.fetch(`${url}/orders`, { method: 'POST', ticket }))
    expect(refused).toMatchObject({
      code: 'caveat_failed',
      facts: expect.not.objectContaining({ caveat: 'methods' }),
    })
    expect(String(refused)).not.toContain('methods')
  })

  it.each<[string, unknown]>([
    ['nothing', {}],
    ['only what is undefined', { expires: undefined }],
    ['no object', undefined],
    ['a part that there is none of', { expires: '5m', method: ['GET'] }],
    ['a part in other letters', { Methods: ['GET'] }],
    ['a part that every object has', { constructor: ['GET'] }],
    ['a method in lower case', { methods: ['get'] }],
    ['a method that is none', { methods: ['GET\n'] }],
    ['methods as one text', { methods: 'GET' }],
    ['a number among the methods', { methods: ['GET', 5] }],
    ['a path that does not begin with /', { paths: ['orders'] }],
    ['a path with ..', { paths: ['/orders', '/orders/..'] }],
    ['a path with a query', { paths: ['/orders?x'] }],
    ['a path with a character that must be encoded', { paths: ['/b\u00fccher'] }],
    ['a path with an encoded /', { paths: ['/orders%2f7'] }],
    ['an empty path', { paths: [''] }],
    ['paths as one text', { paths: '/orders' }],
    ['a time that is none', { expires: 'soon' }],
    ['a time without its unit', { expires: '300' }],
    ['an empty time', { expires: '' }],
    ['no time', { expires: null }],
    ['a time of no length', { expires: '0m' }],
    ['a date that is none', { expires: new Date(Number.NaN) }],
    ['a time before the epoch', { expires: -1 }],
    ['half a millisecond', { expires: 0.5 }],
    ['a time beyond all times', { expires: 2 ** 53 }],
    ['a service that is no name', { services: ['Orders'] }],
    ['services as one text', { services: 'orders' }],
    ['claims as one text', { claims: 'role' }],
    ['a number among the claims', { claims: [5] }],
    ['a holder that is no name', { to: 'Billing' }],
    ['no holder', { to: null }],
    ['two holders', { to: ['billing', 'gate'] }],
    ['an app value that has no encoding', { app: { tenant: -1 } }],
    ['an app value that is undefined', { app: { tenant: undefined } }],
    ['app values without names', { expires: '5m', app: ['acme'] }],
    ['one app value as text', { expires: '5m', app: 'acme' }],
    ['no app values', { expires: '5m', app: null }],
  ])('in a wrong way is a TypeError: %s', async (_, attenuation) => {
    const { web } = await scene()
    const whole = await web.getServiceTicket('orders')
    expect(() => whole.attenuate(attenuation as Attenuation)).toThrow(TypeError)
  })

  it('has at most 16 caveats and 2 KiB', async () => {
    const { url, web } = await scene()
    let ticket: Ticket = await web.getServiceTicket('orders')
    for (let i = 0; i < 16; i++) ticket = ticket.attenuate({ methods: ['GET'] })
    expect((await web.fetch(`${url}/orders`, { ticket })).status).toBe(200)
    const refused = thrownBy(() => ticket.attenuate({ methods: ['GET'] }))
    expect(refused).toMatchObject({ code: 'too_large', final: true, facts: { hint: expect.any(String) } })
    const whole = await web.getServiceTicket('orders')
    // A caveat of claims of one long name is 12 bytes longer than the name.
    const long = whole.attenuate({ claims: ['x'.repeat(2048 - 12)] })
    expect((await web.fetch(`${url}/orders`, { ticket: long })).status).toBe(200)
    expect(() => whole.attenuate({ claims: ['x'.repeat(2048 - 11)] })).toThrow(rejected('too_large'))
    expect(() => long.attenuate({ methods: [] })).toThrow(rejected('too_large'))
  })

  it('is not made for a named delegate if policy forbids it', async () => {
    const { web } = await scene()
    const ticket = await web.getServiceTicket('ledger')
    expect(ticket.delegable).toBe(false)
    expect(thrownBy(() => ticket.attenuate({ to: 'billing' }))).toMatchObject({
      code: 'delegation_invalid',
      final: true,
      facts: { hint: 'run: orthrus admin allow web ledger --delegable' },
    })
    const tgt = await web.getTgt()
    expect(thrownBy(() => tgt.attenuate({ to: 'billing' }))).toMatchObject({
      code: 'delegation_invalid',
      facts: { hint: expect.stringContaining('getServiceTicket') },
    })
  })

  it('is held to the service that its options name, inherited or not, and to its own ticket', async () => {
    const { realm, url, web, orders } = await scene()
    const ticket = (await web.getServiceTicket('orders')).attenuate({ to: 'billing' })
    const caller = (await realm.connect('billing')).onBehalf(ticket.credential())
    for (const init of [{ service: 'web' }, Object.create({ service: 'web' })]) {
      await expect(caller.fetch(`${url}/orders`, init)).rejects.toThrow('the request for web@')
    }
    const own = { service: 'orders', ticket } as RealmFetchInit
    await expect(caller.fetch(`${url}/orders`, own)).rejects.toThrow('fetch has no option "ticket"')
    expect(orders.handled).toHaveLength(0)
    await caller.fetch(`${url}/orders`, Object.create({ service: 'orders', method: 'DELETE' }))
    expect(orders.handled.map(({ method }) => method)).toEqual(['DELETE'])
  })

  it('is refused by the service if only the service knows that policy forbids it', async () => {
    const { realm, url, web, orders } = await scene({ delegable: false })
    const loose = (await web.getServiceTicket('orders')).attenuate({ expires: '5m' }).credential()
    const ticket = (await realm.connect('web')).import(loose, BEARER).attenuate({ to: 'billing' })
    const billing = await realm.connect('billing')
    const refused = await failureOf(
      billing.onBehalf(ticket.credential()).fetch(`${url}/orders`, { service: 'orders' }),
    )
    expect(refused).toMatchObject({ code: 'delegation_invalid', final: true })
    expect(orders.handled).toHaveLength(0)
  })

  it('is not accepted by fetch from an object that only looks like one', async () => {
    const { url, web } = await scene()
    const whole = await web.getServiceTicket('orders')
    await expect(web.fetch(`${url}/orders`, { ticket: { ...whole } as unknown as Ticket })).rejects.toThrow(
      TypeError,
    )
    await expect(web.fetch(`${url}/orders`, { ticket: whole, service: 'ledger' })).rejects.toThrow(
      'the ticket is for orders@test.example, and the request for ledger@test.example',
    )
  })
})

describe('a credential', () => {
  async function handedOn(attenuation: Attenuation = { methods: ['GET'], expires: '5m' }) {
    const parties = await scene()
    const ticket = (await parties.web.getServiceTicket('orders')).attenuate(attenuation)
    return { ...parties, ticket, text: ticket.credential() }
  }

  it('is text, and imports as the same ticket', async () => {
    const { realm, url, ticket, text } = await handedOn()
    expect(text).toMatch(/^orthrus1_[A-Za-z0-9_-]+$/)
    const gate = await realm.connect('gate')
    const imported = gate.import(text, BEARER)
    const { service, client, endTime, caveats } = ticket
    expect(imported).toMatchObject({ service, client, endTime, caveats })
    expect(imported.credential()).toBe(text)
    expect((await gate.fetch(`${url}/orders`, { ticket: imported, service: 'orders' })).status).toBe(200)
    expect(
      await tell(gate.fetch(`${url}/orders`, { ticket: imported, service: 'orders', method: 'POST' })),
    ).toBe('caveat_failed')
  })

  it('can be cut down further by whoever has it', async () => {
    const { realm, url, text } = await handedOn({ methods: ['GET', 'POST'] })
    const gate = await realm.connect('gate')
    const less = gate.import(text, BEARER).attenuate({ methods: ['POST', 'PUT'], expires: '1m' })
    const again = (await realm.connect('billing')).import(less.credential(), BEARER)
    expect(again).toMatchObject({
      caveats: ['methods', 'expires', 'methods'],
      endTime: realm.clock.now() + MINUTE,
    })
    const told = ['GET', 'POST', 'PUT'].map(method =>
      tell(gate.fetch(`${url}/orders`, { ticket: again, service: 'orders', method })),
    )
    expect(await Promise.all(told)).toEqual(['caveat_failed', 200, 'caveat_failed'])
  })

  it('that is closed can be used and handed on, but not cut down', async () => {
    const { realm, url, ticket } = await handedOn()
    const text = ticket.credential({ closed: true })
    expect(text).not.toBe(ticket.credential({ closed: false }))
    const gate = await realm.connect('gate')
    const closed = gate.import(text, BEARER)
    expect((await gate.fetch(`${url}/orders`, { ticket: closed, service: 'orders' })).status).toBe(200)
    expect(
      await tell(gate.fetch(`${url}/orders`, { ticket: closed, service: 'orders', method: 'POST' })),
    ).toBe('caveat_failed')
    expect(thrownBy(() => closed.attenuate({ methods: ['GET'] }))).toMatchObject({
      code: 'credential_invalid',
      final: true,
      facts: { hint: expect.stringContaining('not closed') },
    })
    expect([closed.credential(), closed.credential({ closed: false })]).toEqual([text, text])
  })

  it('of a TGT cannot be closed', async () => {
    const { web } = await scene()
    const tgt = (await web.getTgt()).attenuate({ services: ['orders'] })
    expect(() => tgt.credential({ closed: true })).toThrow(TypeError)
  })

  it('that was cut off or altered on its way is reported as that, and not as refused', async () => {
    const { realm, orders, text } = await handedOn()
    const gate = await realm.connect('gate')
    const wrong = Array.from({ length: text.length }, (_, i) => text.slice(0, i))
    for (let i = 0; i < text.length; i++) {
      wrong.push(`${text.slice(0, i)}${text[i] === 'A' ? 'B' : 'A'}${text.slice(i + 1)}`)
    }
    wrong.push(
      `${text}A`,
      `${text}\n`,
      ` ${text}`,
      `${text}=`,
      text.toUpperCase(),
      text.replace('orthrus1_', ''),
    )
    for (const each of wrong) {
      expect(thrownBy(() => gate.import(each))).toMatchObject({
        code: 'credential_invalid',
        final: true,
        facts: { hint: 'copy all of it again from where it was made' },
      })
    }
    expect(orders.refused).toHaveLength(0)
  })

  it('that was made for somebody else is recognised before anything is sent', async () => {
    const { realm, orders, text } = await handedOn({ to: 'billing' })
    for (const name of ['gate', 'web']) {
      const other = await realm.connect(name)
      for (const use of [() => other.import(text), () => other.onBehalf(text)]) {
        expect(thrownBy(use)).toMatchObject({
          code: 'credential_invalid',
          final: true,
          facts: { expected: 'billing@test.example', actual: `${name}@test.example` },
        })
      }
    }
    expect(orders.refused).toHaveLength(0)
  })

  it('for two holders serves neither', async () => {
    const { realm, url, ticket } = await handedOn({ to: 'billing' })
    const both = ticket.attenuate({ to: 'gate' }).credential()
    const billing = await realm.connect('billing')
    const refused = await failureOf(billing.onBehalf(both).fetch(`${url}/orders`, { service: 'orders' }))
    expect(refused).toMatchObject({ code: 'caveat_failed', facts: { caveat: 'holder' } })
  })

  it('of a TGT is not imported into a realm that has tickets', async () => {
    const { realm, web } = await scene()
    const text = (await web.getTgt()).attenuate({ services: ['orders'] }).credential()
    const gate = await realm.connect('gate')
    expect(thrownBy(() => gate.import(text))).toMatchObject({
      code: 'credential_invalid',
      facts: { hint: expect.stringContaining('connect({ kdc, credential, allowBearerCredential: true })') },
    })
  })

  it('of another realm is not imported', async () => {
    const { text } = await handedOn()
    const elsewhere = await startTestRealm({ realm: 'elsewhere.example' })
    await elsewhere.add('gate')
    const gate = await elsewhere.connect('gate')
    expect(thrownBy(() => gate.import(text))).toMatchObject({ code: 'realm_mismatch' })
  })

  it('shows neither itself nor its key in errors, logs and inspections', async () => {
    const { realm, url, ticket, text, log } = await handedOn({ to: 'billing', methods: ['GET'] })
    const billing = await realm.connect('billing')
    const imported = billing.import(text)
    const caller = billing.onBehalf(text)
    const alone = await connectWith(
      { realm },
      { credential: billing.import(text).attenuate({ claims: [] }).credential() },
    ).catch((cause: unknown) => cause)
    const errors = [
      alone,
      thrownBy(() => billing.import(text.slice(0, -3))),
      thrownBy(() => imported.attenuate({ method: 'GET' } as Attenuation)),
      await failureOf(caller.fetch(`${url}/orders`, { service: 'orders', method: 'POST' })),
      await failureOf(caller.fetch(`${url}/orders`)),
      await failureOf(caller.fetch(`${url}/orders`, { service: 'ledger' })),
      await failureOf(caller.fetch('http://127.0.0.1:1/orders', { service: 'orders' })),
    ]
    await caller.fetch(`${url}/orders`, { service: 'orders' })
    const shown = [ticket, imported, caller, billing, ...errors].flatMap(each => [
      inspect(each, { depth: 30, showHidden: true }),
      JSON.stringify(each),
      String(each),
      String(each instanceof Error ? each.stack : ''),
    ])
    const secrets = [ticket, ticket.attenuate({ claims: [] })].flatMap(each => secretsIn(each.credential()))
    for (const secret of secrets) {
      for (const place of [...shown, ...log]) expect(place).not.toContain(secret)
    }
    expect(log.length).toBeGreaterThan(4)
  })

  function secretsIn(text: string): string[] {
    const key = revealKey(parseCredential(text).key)
    return [
      text.slice(9, 60),
      text.slice(-40),
      toHex(key),
      toBase64url(key),
      Buffer.from(key).toString('base64'),
      [...key].join(', '),
    ]
  }
})

describe('a credential that names no holder', () => {
  it('is imported only by an option that says so', async () => {
    const { realm, orders, url, web } = await scene()
    const gate = await realm.connect('gate')
    const loose = (await web.getServiceTicket('orders')).attenuate({ expires: '5m' })
    const [open, closed] = [loose.credential(), loose.credential({ closed: true })]
    for (const text of [open, closed]) {
      for (const use of [() => gate.import(text), () => gate.onBehalf(text), () => web.import(text)]) {
        expect(thrownBy(use)).toMatchObject({
          code: 'credential_invalid',
          final: true,
          reason: 'the credential names no holder',
          facts: { hint: expect.stringContaining('allowBearerCredential: true') },
        })
      }
      const caller = gate.onBehalf(text, BEARER)
      expect(caller).toMatchObject({ client: web.client, serviceProved: false })
      expect((await caller.fetch(`${url}/orders`, { service: 'orders' })).status).toBe(200)
    }
    expect(orders.handled).toHaveLength(2)
  })

  it('makes no realm without that option, whether of a TGT or not, and sends nothing', async () => {
    const parties = await scene()
    const kdc = await WebSocketProxy.start(parties.realm.kdc.url)
    const tgt = (await parties.web.getTgt()).attenuate({ services: ['orders'] })
    const ticket = (await parties.web.getServiceTicket('orders')).attenuate({ expires: '5m' })
    for (const each of [tgt, ticket]) {
      const options = { kdc: kdc.url, credential: each.credential(), allowBearerCredential: false }
      expect(await failureOf(connectWith(parties, options))).toMatchObject({
        code: 'credential_invalid',
        facts: { hint: expect.stringContaining('allowBearerCredential: true') },
      })
    }
    expect(kdc.toKdc).toHaveLength(0)
  })

  it.each([undefined, null, 5, new Uint8Array(3)])('is not accepted as anything but text: %s', async what => {
    const realm = await startTestRealm()
    await realm.add('gate')
    const client = await realm.connect('gate')
    expect(() => client.import(what as never)).toThrow(
      new TypeError('a credential is a string: orthrus1_...'),
    )
  })
})

describe('a ticket for an origin that is known to be of another service', () => {
  it('is refused before anything is sent', async () => {
    const { realm, orders, url, web } = await scene()
    const services = { [url]: 'ledger' }
    const billing = await realm.connect('billing', { services })
    const own = await web.getServiceTicket('orders')
    const ticket = own.attenuate({ to: 'billing' }).credential()
    const told = `is for orders@test.example, and services maps ${url} to ledger@test.example`
    const refused = {
      code: 'credential_invalid',
      final: true,
      reason: `the credential ${told}`,
      facts: {
        expected: 'ledger@test.example',
        actual: 'orders@test.example',
        hint: 'nothing was sent; ask whoever handed it on for one for ledger@test.example',
      },
    }
    const uses = [
      () => billing.onBehalf(ticket).fetch(`${url}/orders`),
      () => billing.fetch(`${url}/orders`, { ticket: billing.import(ticket) }),
      () => billing.fetch(`${url}/orders`, { ticket: billing.import(ticket), service: 'orders' }),
    ]
    for (const use of uses) expect(await failureOf(use())).toMatchObject(refused)
    const loose = own.attenuate({ expires: '5m' }).credential()
    const alone = await connectWith({ realm }, { credential: loose, services })
    for (const init of [{}, { service: 'orders' }])
      expect(await failureOf(alone.fetch(`${url}/orders`, init))).toMatchObject(refused)
    // A ticket that the caller asked for itself comes from no other party: this is the caller's mistake.
    const mapped = await realm.connect('web', { services })
    expect(await failureOf(mapped.fetch(`${url}/orders`, { ticket: own }))).toEqual(
      new TypeError(`the ticket ${told}`),
    )
    expect([orders.handled.length, orders.refused.length]).toEqual([0, 0])
  })
})

describe('a named delegate', () => {
  it('acts in the name of the client, and the service sees both', async () => {
    const { realm, orders, url, web } = await scene()
    const ticket = (await web.getServiceTicket('orders')).attenuate({ to: 'billing', methods: ['GET'] })
    const billing = await realm.connect('billing')
    const caller = billing.onBehalf(ticket.credential())
    expect(caller).toMatchObject({
      client: 'web@test.example',
      service: 'orders@test.example',
      serviceProved: true,
    })
    expect(await (await caller.fetch(`${url}/orders/7`, { service: 'orders' })).text()).toBe(
      'web@test.example GET /orders/7',
    )
    const closed = billing.import(ticket.credential({ closed: true }))
    await billing.fetch(`${url}/orders/8`, { ticket: closed, service: 'orders' })
    await billing.fetch(`${url}/orders/9`, { service: 'orders' })
    await web.fetch(`${url}/orders/9`, { service: 'orders' })
    const seen = orders.handled.map(({ ticket: { client, via, claims } }) => [client, via, claims.role])
    expect(seen).toEqual([
      ['web@test.example', 'billing@test.example', 'reader'],
      ['web@test.example', 'billing@test.example', 'reader'],
      ['billing@test.example', undefined, 'clerk'],
      ['web@test.example', undefined, 'reader'],
    ])
  })

  it('without a ticket of its own is refused by the KDC, and nothing is sent', async () => {
    const { realm, orders, url, web } = await scene()
    const ticket = (await web.getServiceTicket('orders')).attenuate({ to: 'gate' })
    const gate = await realm.connect('gate')
    expect(
      await failureOf(gate.onBehalf(ticket.credential()).fetch(`${url}/orders`, { service: 'orders' })),
    ).toMatchObject({
      code: 'policy_denied',
      facts: { hint: expect.stringContaining('orthrus admin allow gate orders') },
    })
    expect([orders.handled.length, orders.refused.length]).toEqual([0, 0])
  })

  it('is not authorised by its own restricted rights if only the client has more', async () => {
    const { realm, url, web } = await scene()
    await realm.allow('billing', 'orders', { methods: ['GET'] })
    const text = (await web.getServiceTicket('orders')).attenuate({ to: 'billing' }).credential()
    const caller = (await realm.connect('billing')).onBehalf(text)
    expect(await tell(caller.fetch(`${url}/orders`, { service: 'orders' }))).toBe(200)
    expect(await tell(caller.fetch(`${url}/orders`, { service: 'orders', method: 'POST' }))).toBe(
      'caveat_failed',
    )
  })

  it.each([
    ['its own', 'billing', 'billing@test.example', MINUTE],
    ["the client's", 'web', 'web@test.example', MINUTE],
  ])('learns that %s ticket has ended, and asks at most twice', async (_, name, whose, life) => {
    const { realm, orders, url, web } = await scene()
    await realm.allow(name, 'orders', { maxLife: life, delegable: true })
    const ticket = (await web.getServiceTicket('orders')).attenuate({ to: 'billing' })
    // Its timers stand still: it refreshes nothing before it must.
    const billing = await realm.connect('billing', { timers: createTestClock() })
    const caller = billing.onBehalf(ticket.credential())
    expect((await caller.fetch(`${url}/orders`, { service: 'orders' })).status).toBe(200)
    const { endTime } = name === 'web' ? ticket : await billing.getServiceTicket('orders')
    // The service's clock runs ahead: what is still valid at the KDC has ended here.
    const ahead = createTestClock(realm.clock.now() + 7 * SECOND)
    const replayCache = new BoundedReplayCache({ clock: ahead, floor: ahead.now() - MINUTE })
    const late = await Guarded.start(realm, 'orders', { load: { clock: ahead, replayCache } })
    // Not so late that its owner would wait for a new one.
    const passes = endTime - realm.clock.now() - 6 * SECOND
    realm.clock.advance(passes)
    ahead.advance(passes)
    const target = `http://127.0.0.1:${late.port}/orders`
    for (const method of ['GET', 'POST']) {
      const refused = await caller
        .fetch(target, { service: 'orders', method })
        .catch((cause: unknown) => cause)
      // The own ticket is replaced, and for what is safe that helps.
      if (name === 'billing' && method === 'GET') expect(refused).toMatchObject({ status: 200 })
      else if (name === 'web') expect(refused).toMatchObject({ code: 'ticket_expired', final: false })
    }
    const reasons = late.refused.map(({ code, reason }) => `${code} ${reason}`)
    for (const reason of reasons) expect(reason).toContain(`ticket_expired ${whose}'s ticket`)
    expect([orders.handled.length, late.handled.length]).toEqual([1, name === 'billing' ? 2 : 0])
    expect(reasons.length).toBe(name === 'billing' ? 1 : 3)
  })
})

describe('a ticket that was handed on and has ended', () => {
  it.each(['GET', 'POST'])(
    'is presented by %s once, and not replaced by one of another name',
    async method => {
      const { realm, orders, url, web } = await scene()
      await realm.allow('web', 'orders', { maxLife: MINUTE })
      const ticket = (await web.getServiceTicket('orders')).attenuate({ paths: ['/orders'] })
      const kdc = await WebSocketProxy.start(realm.kdc.url)
      const billing = await realm.connect('billing', { kdc: kdc.url })
      const imported = billing.import(ticket.credential(), BEARER)
      realm.clock.advance(ticket.endTime - realm.clock.now())
      const refused = await failureOf(
        billing.fetch(`${url}/orders`, { service: 'orders', method, ticket: imported }),
      )
      // Its end is only claimed: long after the true one the service would not have looked for a copy.
      expect(refused).toMatchObject({ code: 'ticket_expired', final: false })
      expect([orders.refused.length, orders.handled.length, kdc.toKdc.length]).toEqual([1, 0, 0])
    },
  )
})

describe('connecting by the credential of a service ticket', () => {
  it('needs no KDC to call that service', async () => {
    const parties = await scene()
    const { realm, url, web, orders } = parties
    const text = (await web.getServiceTicket('orders'))
      .attenuate({ methods: ['GET'], claims: ['tier'] })
      .credential()
    await realm.kdc.close()
    const alone = await connectWith(parties, {
      credential: text,
      services: { 'http://127.0.0.1:9': 'ledger', [url]: 'orders' },
    })
    expect(alone).toMatchObject({ client: 'web@test.example', realm: 'test.example' })
    expect((await alone.fetch(`${url}/orders`)).status).toBe(200)
    expect((await alone.fetch(`${url}/orders`, { service: 'orders' })).status).toBe(200)
    expect(await tell(alone.fetch(`${url}/orders`, { method: 'POST' }))).toBe('caveat_failed')
    expect(orders.handled.map(({ ticket }) => ({ ...ticket.claims }))).toEqual([{ tier: 3 }, { tier: 3 }])
  })

  it('gets no other ticket', async () => {
    const parties = await scene()
    const { url, web, orders } = parties
    const text = (await web.getServiceTicket('orders')).attenuate({ expires: '5m' }).credential()
    const alone = await connectWith(parties, { credential: text })
    const wrong = rejected('credential_invalid', { final: true })
    await expect(alone.getServiceTicket('ledger')).rejects.toEqual(wrong)
    await expect(alone.getServiceTicket('orders')).rejects.toEqual(wrong)
    await expect(alone.getTgt()).rejects.toEqual(wrong)
    await expect(alone.fetch(`${url}/orders`, { service: 'ledger' })).rejects.toEqual(wrong)
    expect(orders.refused).toHaveLength(0)
  })

  it('works with a closed credential', async () => {
    const parties = await scene()
    const { url, web } = parties
    const ticket = (await web.getServiceTicket('orders')).attenuate({ expires: '5m' })
    const alone = await connectWith(parties, { credential: ticket.credential({ closed: true }) })
    expect((await alone.fetch(`${url}/orders`, { service: 'orders' })).status).toBe(200)
  })

  it('fails if it names a delegate', async () => {
    const parties = await scene()
    const text = (await parties.web.getServiceTicket('orders')).attenuate({ to: 'billing' }).credential()
    for (const kdc of [{}, { kdc: parties.realm.kdc.url }]) {
      expect(await failureOf(connectWith(parties, { credential: text, ...kdc }))).toMatchObject({
        code: 'credential_invalid',
        facts: { hint: expect.stringContaining('realm.import') },
      })
    }
  })

  it('fails immediately if it was cut off', async () => {
    const parties = await scene()
    const text = (await parties.web.getServiceTicket('orders')).attenuate({ expires: '5m' }).credential()
    for (const credential of [text.slice(0, -1), 'orthrus1_', '']) {
      expect(await failureOf(connectWith(parties, { credential }))).toMatchObject({
        code: 'credential_invalid',
      })
    }
  })
})

describe("connecting by a TGT's credential", () => {
  async function fromTgt(
    attenuation: Attenuation,
    options: Partial<ConnectOptions> = {},
    rule: AllowOptions = {},
  ) {
    const parties = await scene(rule)
    const tgt = (await parties.web.getTgt()).attenuate(attenuation)
    const kdc = await WebSocketProxy.start(parties.realm.kdc.url)
    const worker = await connectWith(parties, {
      kdc: kdc.url,
      credential: tgt.credential(),
      ...options,
    } as never)
    return { ...parties, tgt, kdc, worker }
  }

  it('gets tickets for the services that it names, and no others', async () => {
    const { url, worker, orders } = await fromTgt({ services: ['orders'], expires: '30m' })
    expect(worker.client).toBe('web@test.example')
    const results = await Promise.allSettled(
      ['orders', 'ledger', 'gate'].map(name => worker.getServiceTicket(name)),
    )
    expect(results).toEqual([
      expect.objectContaining({ status: 'fulfilled' }),
      { status: 'rejected', reason: rejected('caveat_failed', { final: true }) },
      { status: 'rejected', reason: rejected('policy_denied') },
    ])
    expect(await (await worker.fetch(`${url}/orders`, { service: 'orders' })).text()).toBe(
      'web@test.example GET /orders',
    )
    expect(orders.handled[0]?.ticket).toMatchObject({ client: 'web@test.example', via: undefined })
  })

  it('copies every other caveat into each of them', async () => {
    const { realm, url, worker, orders } = await fromTgt({
      expires: '30m',
      methods: ['GET'],
      claims: ['role'],
    })
    const ticket = await worker.getServiceTicket('orders')
    expect(ticket.endTime).toBeLessThanOrEqual(realm.clock.now() + 30 * MINUTE)
    const send = (method: string) => tell(worker.fetch(`${url}/orders`, { service: 'orders', method }))
    expect([await send('GET'), await send('POST')]).toEqual([200, 'caveat_failed'])
    expect(orders.handled.map(({ ticket }) => ({ ...ticket.claims }))).toEqual([{ role: 'reader' }])
  })

  it('can be cut down and handed on again, and can cut down what it gets', async () => {
    const parties = await fromTgt({ methods: ['GET', 'HEAD'] })
    const { kdc, url, worker } = parties
    const less = (await worker.getTgt()).attenuate({ methods: ['HEAD', 'POST'] })
    const second = await connectWith(parties, { kdc: kdc.url, credential: less.credential() } as never)
    const ticket = (await second.getServiceTicket('orders')).attenuate({ paths: ['/orders'] })
    const send = (method: string, path = '/orders') => tell(second.fetch(`${url}${path}`, { method, ticket }))
    expect([await send('HEAD'), await send('HEAD', '/x'), await send('GET'), await send('POST')]).toEqual([
      200,
      'caveat_failed',
      'caveat_failed',
      'caveat_failed',
    ])
  })

  it('reports its own caveat if it has ended', async () => {
    const { realm, worker } = await fromTgt({ services: ['orders'], expires: '5m' })
    realm.clock.advance(5 * MINUTE)
    expect(await failureOf(worker.getServiceTicket('orders'))).toMatchObject({
      code: 'caveat_failed',
      final: true,
      facts: { caveat: 'expires' },
    })
  })

  it('takes no time from the KDC, unlike connecting by a key', async () => {
    const clock = createTestClock(Date.UTC(2026, 0, 1) + 119 * SECOND)
    const timing = { clock, timers: clock }
    const { realm, worker } = await fromTgt({ services: ['orders'] }, timing)
    const own = await realm.connect('web', timing)
    const ends: number[] = []
    for (const each of [worker, own]) {
      const ticket = await each.getServiceTicket('orders')
      ends.push(ticket.attenuate({ expires: '1m' }).endTime)
    }
    expect(ends).toEqual([clock.now() + MINUTE, realm.clock.now() + MINUTE])
  })

  it('takes no time from an error either, and does not ask again', async () => {
    const clock = createTestClock(Date.UTC(2026, 0, 1) + 121 * SECOND)
    const { realm, kdc, worker } = await fromTgt({ services: ['orders'] }, { clock, timers: clock })
    for (let asked = 1; asked <= 2; asked++) {
      const refused = await failureOf(worker.getServiceTicket('orders'))
      expect(refused).toMatchObject({ code: 'clock_skew', final: false, facts: { hint: expect.any(String) } })
      expect(kdc.asked(TYPE.TGS_REQ)).toHaveLength(asked)
      clock.advance(2 * SECOND)
    }
    const own = await realm.connect('web', { clock, timers: clock, kdc: kdc.url })
    expect((await own.getServiceTicket('orders')).service).toBe('orders@test.example')
  })

  it('gets nothing more from the moment that the client is disabled', async () => {
    const { realm, url, worker } = await fromTgt({ services: ['orders', 'ledger'] })
    const ticket = await worker.getServiceTicket('orders')
    const web = principalIn(realm.kdc.realm, 'web')
    await realm.administration.disable(web)
    await expect(worker.getServiceTicket('ledger')).rejects.toEqual(rejected('revoked', { final: true }))
    // What was handed out before is valid to its end.
    expect((await worker.fetch(`${url}/orders`, { ticket })).status).toBe(200)
    await realm.administration.enable(web)
    await expect(worker.getServiceTicket('ledger')).rejects.toEqual(rejected('revoked'))
  })

  it('needs the KDC, and says so', async () => {
    const parties = await scene()
    const credential = (await parties.web.getTgt()).attenuate({ services: ['orders'] }).credential()
    expect(await failureOf(connectWith(parties, { credential }))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('none is known'),
    })
  })
})

describe('whether an answer proves the service', () => {
  it('is said of each ticket', async () => {
    const parties = await scene()
    const { realm, web } = parties
    const billing = await realm.connect('billing')
    const [own, tgt] = [await web.getServiceTicket('orders'), await web.getTgt()]
    const loose = own.attenuate({ methods: ['GET'] })
    const named = loose.attenuate({ to: 'billing' })
    expect([own, tgt, loose, named].map(({ serviceProved }) => serviceProved)).toEqual([
      true,
      true,
      true,
      true,
    ])
    const imported = [loose.credential(), loose.credential({ closed: true }), named.credential()]
    expect(imported.map(text => billing.import(text, BEARER).serviceProved)).toEqual([false, false, true])
    expect(billing.import(loose.credential(), BEARER).attenuate({ paths: ['/'] }).serviceProved).toBe(false)
  })

  it('is no longer said of a ticket that was handed on, nor of one cut from it', async () => {
    const { web } = await scene()
    const own = await web.getServiceTicket('orders')
    const [first, other] = [own.attenuate({ methods: ['GET'] }), own.attenuate({ paths: ['/orders'] })]
    const [before, after] = [first.attenuate({ expires: '5m' }), () => first.attenuate({ expires: '1m' })]
    const proved = () => [own, first, before, after(), other].map(({ serviceProved }) => serviceProved)
    expect(proved()).toEqual([true, true, true, true, true])
    first.credential()
    expect(proved()).toEqual([true, false, false, false, true])
    other.credential({ closed: true })
    expect(proved()).toEqual([true, false, false, false, false])
  })

  it('is not said of a ticket that was cut down in the same way as one that was handed on', async () => {
    const { web } = await scene()
    const own = await web.getServiceTicket('orders')
    const restriction = { methods: ['GET'], paths: ['/orders'] }
    const [first, twin, wider] = [restriction, restriction, { methods: ['GET'] }].map(each =>
      own.attenuate(each),
    )
    first?.credential()
    expect([first, twin, wider].map(ticket => ticket?.serviceProved)).toEqual([false, false, true])
    expect(own.attenuate(restriction).attenuate({ expires: '1m' }).serviceProved).toBe(false)
    expect(own.attenuate({ paths: ['/orders'] }).serviceProved).toBe(true)
    // Beyond what is remembered one by one, nothing that was cut down is said to prove the service.
    for (let i = 0; i < 1_000; i++) own.attenuate({ paths: [`/${i}`] }).credential()
    expect([wider?.serviceProved, own.serviceProved]).toEqual([false, true])
  })

  it('is always said of a whole ticket, which cannot be handed on', async () => {
    const { url, web } = await scene()
    const [own, tgt] = [await web.getServiceTicket('orders'), await web.getTgt()]
    for (const ticket of [own, tgt])
      expect(() => ticket.credential()).toThrow(/attenuate\(\{ to, expires \}\) first/)
    await expect(web.fetch(url, { service: 'orders', handOff: own })).rejects.toThrow(TypeError)
  })

  it('is not said of tickets that a handed-on TGT gets, nor of what is presented beside one', async () => {
    const parties = await scene()
    const { realm, url, web } = parties
    const billing = await realm.connect('billing')
    const credential = (await billing.getTgt()).attenuate({ expires: '5m' }).credential()
    const worker = await connectWith(parties, { kdc: realm.kdc.url, credential } as never)
    const own = await worker.getServiceTicket('orders')
    const named = (await web.getServiceTicket('orders')).attenuate({ to: 'billing' }).credential()
    const delegated = worker.import(named)
    expect([own, await worker.getTgt(), delegated].map(({ serviceProved }) => serviceProved)).toEqual([
      false,
      false,
      false,
    ])
    expect(own.attenuate({ methods: ['GET'] }).serviceProved).toBe(false)
    expect((await worker.fetch(`${url}/orders`, { ticket: delegated, service: 'orders' })).status).toBe(200)
  })
})

describe('the time that a service reports', () => {
  /** Whoever handed on a ticket claims, in the service's place, that its clock is an hour ahead. */
  function forgeSkew(proxy: HttpProxy, ticket: Ticket, ahead: number): void {
    const key = keyOf(ticket)
    proxy.intercept = async (request, forward) => {
      const stamp = stampOf(request)
      if (proxy.captured.length > 2) return await forward(request)
      const { mac } = stamp
      const content = {
        code: 'clock_skew',
        time: stamp.time + ahead,
        floor: stamp.time + ahead - MINUTE,
        message: '',
      } as const
      const error = createAuthenticatedError(key, mac, content)
      const challenge = formatChallenge({ realm: ticketRealm(ticket), code: 'clock_skew', error })
      return { status: 401, headers: [['www-authenticate', challenge]], body: Buffer.alloc(0) }
    }
  }

  const ticketRealm = ({ client }: Ticket) => realmOf(client)
  const keyOf = (ticket: Ticket) => {
    const { key } = parseCredential(ticket.credential({ closed: true }))
    if (key instanceof AuthKey) return key
    throw new Error('not closed')
  }
  const stampOf = (request: Captured) => {
    const message = parseMessageHeader(headerOf(request, 'authorization'))
    return decodeApRequest(TYPE.AP_REQ, message ?? new Uint8Array())
  }

  it('is kept for a ticket that was handed on, and changes nothing for others', async () => {
    const { realm, orders, web } = await scene()
    const proxy = await HttpProxy.start(orders.port)
    const billing = await realm.connect('billing')
    const loose = (await web.getServiceTicket('orders')).attenuate({ methods: ['GET'] })
    const [first, second] = [
      billing.import(loose.credential(), BEARER),
      billing.import(loose.credential(), BEARER),
    ]
    forgeSkew(proxy, loose, HOUR)
    const send = (ticket?: Ticket) =>
      tell(billing.fetch(`${proxy.url}/orders`, { service: 'orders', ...(ticket && { ticket }) }))
    expect(await send(first)).toBe('clock_skew')
    const now = realm.clock.now()
    expect(proxy.captured.map(request => stampOf(request).time - now)).toEqual([0, HOUR])
    expect([await send(), await send(second)]).toEqual([200, 200])
    expect(proxy.captured.slice(2).map(request => stampOf(request).time - now)).toEqual([0, 0])
    await send(first)
    const [kept] = proxy.captured.slice(4).map(request => stampOf(request).time - now)
    expect(kept).toBe(2 * HOUR)
  })

  it('is kept for the service if the answer proves it', async () => {
    const { realm, web } = await scene()
    const ahead = createTestClock(realm.clock.now() + 5 * MINUTE)
    const replayCache = new BoundedReplayCache({ clock: ahead, floor: ahead.now() - MINUTE })
    const early = await Guarded.start(realm, 'orders', { load: { clock: ahead, replayCache } })
    const proxy = await HttpProxy.start(early.port)
    const billing = await realm.connect('billing')
    const whole = await web.getServiceTicket('orders')
    const loose = billing.import(whole.attenuate({ methods: ['GET'] }).credential(), BEARER)
    const named = billing.import(whole.attenuate({ to: 'billing' }).credential())
    const counts: number[] = []
    for (const ticket of [loose, loose, named, named, undefined, loose]) {
      const before = proxy.captured.length
      const sent = billing.fetch(`${proxy.url}/orders`, { service: 'orders', ...(ticket && { ticket }) })
      expect(await tell(sent)).toBe(200)
      counts.push(proxy.captured.length - before)
    }
    // Each first request is refused once; what the loose ticket learned is not known to the others.
    expect(counts).toEqual([2, 1, 2, 1, 1, 1])
  })
})
