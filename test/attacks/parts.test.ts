import { describe, expect, it } from 'vitest'
import type { AppCaveatChecker } from '../../service/index.js'
import { concatBytes } from '../../shared/bytes.js'
import { LIMIT, TYPE } from '../../shared/constants.js'
import { createMac } from '../../shared/crypto/derive.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { encode, type Value } from '../../shared/encoding/encoding.js'
import { createError, openUnauthenticatedError } from '../../shared/encoding/error.js'
import { createMessage } from '../../shared/encoding/message.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import { encodeCaveat } from '../../shared/ticket/caveats.js'
import type { ClaimValue } from '../../shared/ticket/claims.js'
import { TestChannel, TestSocket } from '../kdc/socket.js'
import { type Captured, type Relayed, withHeader } from '../support/http-proxy.js'
import { startOwnKdc } from '../support/own-kdc.js'
import { expectRefused, failureOf, Guarded, startTestRealm, startWorld } from '../support/world.js'
import { entryOf, HandClient, present } from './by-hand.js'

/** Small inputs that would cost much, and names that mean something to JavaScript. */

const bytes = (...values: (number | readonly number[])[]): Uint8Array => new Uint8Array(values.flat())
const nested = (depth: number): Uint8Array => new Uint8Array(depth).fill(0x91)
const text = (value: string): number[] => [0xa0 | value.length, ...new TextEncoder().encode(value)]

const hostile: [string, Uint8Array][] = [
  ['a list of 2^32 - 1', bytes(0xdd, 0xff, 0xff, 0xff, 0xff)],
  ['a list of 65,535', bytes(0xdc, 0xff, 0xff)],
  ['a list of 65,535 in a list of as many', bytes(0xdc, 0xff, 0xff, 0xdc, 0xff, 0xff)],
  ['bytes of 4 GiB', bytes(0x91, 0xc6, 0xff, 0xff, 0xff, 0xff)],
  ['bytes of 64 KiB', bytes(0x91, 0xc5, 0xff, 0xff)],
  ['a text of 4 GiB', bytes(0x91, 0xdb, 0xff, 0xff, 0xff, 0xff)],
  ['a map of 2^32 - 1', bytes(0xdf, 0xff, 0xff, 0xff, 0xff)],
  ['a map with __proto__', bytes(0x91, 0x81, text('__proto__'), 0x81, text('polluted'), 0xc3)],
  ['a record definition of msgpackr', bytes(0xd4, 0x72, 0x40, 0x91, text('a'), 0x01)],
  ['a bigint extension of 4 GiB', bytes(0x91, 0xc9, 0xff, 0xff, 0xff, 0xff, 0x42)],
  ['an extension', bytes(0x91, 0xd4, 0x00, 0x00)],
  ['a timestamp', bytes(0x91, 0xd6, 0xff, 0, 0, 0, 0)],
  ['-1', bytes(0x91, 0xff)],
  ['-2^63', bytes(0x91, 0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0)],
  ['2^63', bytes(0x91, 0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0)],
  ['2^53', bytes(0x91, 0xcb, 0x43, 0x40, 0, 0, 0, 0, 0, 0)],
  ['NaN', bytes(0x91, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0)],
  ['-0', bytes(0x91, 0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0)],
  ['5.0', bytes(0x91, 0xcb, 0x40, 0x14, 0, 0, 0, 0, 0, 0)],
  ['0.5', bytes(0x91, 0xca, 0x3f, 0, 0, 0)],
  ['a 5 in two bytes', bytes(0x91, 0xcc, 5)],
  ['overlong UTF-8', bytes(0x91, 0xa2, 0xc0, 0x80)],
  ['half a surrogate pair', bytes(0x91, 0xa3, 0xed, 0xa0, 0x80)],
  ['lists nested 9 deep', bytes(0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x90)],
  ['lists nested 6,000 deep', nested(6_000)],
  ['nothing', bytes()],
]

const deepest: [string, Uint8Array] = ['lists nested 60,000 deep', nested(60_000)]
const MAC = new Uint8Array(32)

/** Checks that the work takes little memory. */
async function expectSmall(act: () => Promise<void>): Promise<void> {
  const before = process.memoryUsage().arrayBuffers
  await act()
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
}

describe('a message that asks for much and holds little', () => {
  it('is malformed to the KDC, under every type', async () => {
    const realm = await startTestRealm()
    const socket = await TestSocket.open(realm.kdc.url)
    let id = 0
    await expectSmall(async () => {
      for (const [name, body] of [...hostile, deepest]) {
        for (const type of Object.values(TYPE).filter(type => type !== TYPE.RECORD)) {
          for (const mac of [MAC, bytes()]) {
            const answer = await socket.ask(++id, concatBytes(bytes(1, type), body, mac))
            expect(openUnauthenticatedError(answer).code, `${name}, ${type}`).toBe('malformed')
          }
        }
      }
    })
    socket.close()
  })

  it('is malformed to the KDC inside each field of a proved message', async () => {
    const realm = await startTestRealm()
    await realm.add('web')
    const web = await HandClient.open(realm, 'web')
    const fields: Value[] = [web.principal, web.kvno, realm.clock.now(), systemRandom(16), [], 0, 0]
    await expectSmall(async () => {
      for (const [name, body] of hostile) {
        const inner = body[0] === 0x91 && name !== 'lists nested 9 deep' ? body.subarray(1) : body
        for (let at = 0; at < fields.length; at++) {
          const parts = fields.map((field, i) => (i === at ? inner : encode([field]).subarray(1)))
          const message = concatBytes(bytes(1, TYPE.AS_REQ, 0x97), ...parts)
          const signed = concatBytes(message, createMac(web.key, 'as-req', message))
          const answer = await web.ask(signed)
          expect(openUnauthenticatedError(answer).code, `${name} in ${at}`).toBe('malformed')
        }
      }
    })
    expect((await web.login()).reply).toBeDefined()
  })

  it('is malformed to a service, and its next request is served', async () => {
    const { realm, orders } = await startWorld()
    const ticket = await (await HandClient.open(realm, 'web')).ticket('orders')
    const good = present(ticket, { time: realm.clock.now() })
    await expectSmall(async () => {
      for (const [, body] of hostile) {
        for (const mac of [MAC, bytes()]) {
          const message = concatBytes(bytes(1, TYPE.AP_REQ), body, mac)
          const request = withHeader<Captured>(good, 'authorization', formatMessageHeader(message))
          const isLarge = message.length > (LIMIT.AUTHORIZATION_BYTES * 3) / 4
          expectRefused(await orders.deliver(request), isLarge ? 'too_large' : 'malformed', '05')
        }
      }
    })
    expect((await orders.deliver(good)).status).toBe(200)
    expect(orders.handled).toHaveLength(1)
  })

  it('is refused as a caveat whose MAC holds', async () => {
    const { realm, orders } = await startWorld()
    const ticket = await (await HandClient.open(realm, 'web')).ticket('orders')
    const inner: [string, Uint8Array][] = [...hostile, ['lists nested 2,000 deep', nested(2_000)]]
    for (const [name, caveat] of inner.filter(([, each]) => each.length <= LIMIT.CAVEATS_BYTES)) {
      const request = present(ticket, { time: realm.clock.now(), caveats: [caveat] })
      const response = await orders.deliver(request)
      expect(response.status, name).toBe(403)
      expectRefused(response, 'caveat_failed', '06')
    }
    expect(orders.handled).toHaveLength(0)
  })

  it('is not accepted by a client as an answer of KDC or service', async () => {
    const { web, kdc, http, orders } = await startWorld()
    await expectSmall(async () => {
      for (const [name, body] of [...hostile, deepest]) {
        for (const type of [TYPE.ERROR, TYPE.ERROR_AUTHENTICATED, TYPE.AS_REP]) {
          kdc.downward = ({ id }) => [{ id, message: concatBytes(bytes(1, type), body, MAC) }]
          const failure = await failureOf(web.getServiceTicket('orders'))
          expect(failure, name).toMatchObject({
            code: expect.stringMatching(/^(malformed|auth_failed)$/),
            final: false,
          })
        }
      }
    })
    kdc.downward = frame => [frame]
    for (const [name, body] of hostile) {
      for (const type of [TYPE.ERROR, TYPE.ERROR_AUTHENTICATED, TYPE.AP_REP]) {
        const message = concatBytes(bytes(1, type), body, MAC)
        const value = formatMessageHeader(message)
        const challenge = `Orthrus realm="${web.realm}", error="replay", message="${value.slice(8)}"`
        for (const header of [
          ['authentication-info', value],
          ['www-authenticate', challenge],
        ] as const) {
          http.intercept = (): Relayed => ({ status: 200, headers: [header], body: Buffer.from('paid') })
          const failure = await failureOf(web.fetch(`${http.url}/pay`, { method: 'POST', body: 'x' }))
          expect(failure, name).toMatchObject({ code: 'response_unproved', final: false })
        }
      }
    }
    expect(orders.handled).toHaveLength(0)
  })

  it('breaks the channel that it is sent in, and nothing else', async () => {
    const own = await startOwnKdc()
    const admin = await HandClient.connect(own.kdc.url, own.admin, own.clock)
    const ticket = await admin.ticket('kdc')
    for (const [i, [, body]] of hostile.entries()) {
      const channel = await TestChannel.open(admin.socket, 1_000 + i, ticket, { time: own.clock.now() })
      channel.say(body)
      expect(openUnauthenticatedError(await admin.socket.next(1_000 + i)).code).toBe('malformed')
    }
    const channel = await TestChannel.open(admin.socket, 2_000, ticket, { time: own.clock.now() })
    for (const [name, body] of hostile) {
      // As an argument it is a wrong one, where it decodes at all.
      if (name !== 'nothing') await channel.call('show', [body])
    }
    expect(await channel.call('list', [null, 1])).toHaveProperty('results')
  })
})

const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'length']

function expectClean(): void {
  expect(Object.keys(Object.prototype)).toEqual([])
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
}

/** An object with such names as its own properties. */
function record<T>(value: T, names: readonly string[] = NAMES): Record<string, T> {
  const made: Record<string, T> = Object.create(null)
  for (const name of names) made[name] = value
  return made
}

describe('a name that every object has', () => {
  it('is a claim like others to handler and client, and is in no ticket by accident', async () => {
    const claims = record<ClaimValue>('admin')
    const { web, http, realm, orders } = await startWorld({ claims })
    const bare = await failureOf(web.fetch(`${http.url}/7`))
    expect(bare).toMatchObject({ code: 'not_authorized', final: true })
    await realm.allow('web', 'orders', { claims })
    const late = await realm.connect('web', { services: { [http.url]: 'orders' } })
    expect((await late.fetch(`${http.url}/7`)).status).toBe(200)
    const [handled] = orders.handled
    const ticket = await late.getServiceTicket('orders')
    for (const seen of [handled?.ticket.claims ?? {}, ticket.claims]) {
      expect(Object.getPrototypeOf(seen)).toBeNull()
      expect(Object.keys(seen).sort()).toEqual([...NAMES].sort())
      for (const name of NAMES) expect(seen[name]).toBe('admin')
    }
    expect(orders.handled).toHaveLength(1)
    expectClean()
  })

  it.each(NAMES)('%s asked for as a claim is in no ticket by accident', async name => {
    const { web, http, orders } = await startWorld({ claims: record<ClaimValue>('x', [name]) })
    const failure = await failureOf(web.fetch(`${http.url}/7`))
    expect(failure).toMatchObject({ code: 'not_authorized', final: true })
    expect(orders.handled).toHaveLength(0)
  })

  it('is an app caveat like others, which fails without a checker and is given to its own', async () => {
    const realm = await startTestRealm()
    await realm.add('web', 'orders')
    await realm.allow('web', 'orders')
    const asked: unknown[] = []
    const checker: AppCaveatChecker = value => asked.push(value) > 0 && value === 7
    const without = await Guarded.start(realm, 'orders')
    const caveats = record(checker)
    const withThem = await Guarded.start(realm, 'orders', { caveats })
    const ticket = await (await HandClient.open(realm, 'web')).ticket('orders')
    for (const app of NAMES) {
      for (const value of [7, true, 'constructor']) {
        const use = { time: realm.clock.now(), caveats: [encodeCaveat({ name: 'app', app, value })] }
        expectRefused(await without.deliver(present(ticket, use)), 'caveat_failed', '06')
        const response = await withThem.deliver(present(ticket, use))
        expect(response.status, app).toBe(value === 7 ? 200 : 403)
      }
    }
    expect([without.handled.length, withThem.handled.length]).toEqual([0, NAMES.length])
    expect(asked).toHaveLength(3 * NAMES.length)
  })

  it('is not a method of administration, through the channel or beside it', async () => {
    const own = await startOwnKdc()
    const admin = await HandClient.connect(own.kdc.url, own.admin, own.clock)
    const channel = await TestChannel.open(admin.socket, 50, await admin.ticket('kdc'), {
      time: own.clock.now(),
    })
    for (const name of [...NAMES, 'Add', 'add ', 'init', '']) {
      for (const args of [[], ['web@test.example'], [null, 1]]) {
        expect(await channel.call(name, args), name).toMatchObject({ code: 'malformed' })
        const beside = own.kdc.administration.call(name as 'list', args)
        expect(await failureOf(beside)).toMatchObject({ code: 'malformed' })
      }
    }
    expect(await channel.call('list', [null, 1])).toHaveProperty('results')
  })

  it('is neither an origin nor a service in the services map', async () => {
    const realm = await startTestRealm()
    await realm.add('web')
    for (const name of NAMES) {
      const services = record('orders', [name])
      await expect(realm.connect('web', { services }), name).rejects.toThrow(/not an origin/)
    }
    await expect(realm.connect('web', { services: { 'http://a.test': '__proto__' } })).rejects.toThrow(
      TypeError,
    )
    const web = await realm.connect('web', { services: {} })
    for (const name of NAMES) {
      await expect(web.fetch(`http://${name.replaceAll('_', '')}/`)).rejects.toThrow(/no service is named/)
    }
    expectClean()
  })

  it('is a header like others', async () => {
    const { web, http, orders } = await startWorld()
    const headers = NAMES.map(name => [name, 'polluted'] as [string, string])
    expect((await web.fetch(`${http.url}/7`, { headers })).status).toBe(200)
    http.intercept = (request, forward) => {
      const more = NAMES.map(name => [name, 'again'] as const)
      return forward({ ...request, headers: [...request.headers, ...more] })
    }
    expect((await web.fetch(`${http.url}/7`, { headers })).status).toBe(200)
    http.intercept = async (request, forward) => {
      const response = await forward(request)
      return { ...response, headers: [...response.headers, ['__proto__', 'polluted']] }
    }
    expect((await web.fetch(`${http.url}/7`)).status).toBe(200)
    expect(orders.handled).toHaveLength(3)
    expectClean()
  })

  it('is a principal like others, where the grammar lets it be one', async () => {
    const realm = await startTestRealm()
    const names = ['constructor', 'prototype', 'length', 'tostring', 'valueof']
    await realm.add('web', 'orders')
    const web = await realm.connect('web')
    for (const name of names) {
      expect(await failureOf(web.getServiceTicket(name))).toMatchObject({
        code: 'policy_denied',
        final: true,
      })
    }
    await realm.add(...names)
    await realm.allow('constructor', 'prototype')
    const client = await HandClient.open(realm, 'constructor')
    const service = await Guarded.start(realm, 'prototype')
    const ticket = await client.ticket('prototype')
    const response = await service.deliver(present(ticket, { time: realm.clock.now() }))
    expect([response.status, service.handled[0]?.ticket.client]).toEqual([200, 'constructor@test.example'])
    const others = await client.login({ services: [entryOf(realm, 'orders').principal] })
    expect(others.reply?.denials.map(({ code }) => code)).toEqual(['policy_denied'])
  })

  it.each<[string, Value]>([
    ['a text', '__proto__'],
    ['nil', null],
    ['a list', ['__proto__']],
    ['bytes', new Uint8Array(4)],
    ['true', true],
  ])('is not a kvno, and neither is %s', async (_, kvno) => {
    const { realm, orders } = await startWorld()
    const web = await HandClient.open(realm, 'web')
    const message = createMessage(TYPE.AS_REQ, [
      web.principal,
      kvno,
      realm.clock.now(),
      systemRandom(16),
      [],
      0,
      0,
    ])
    const signed = concatBytes(message, createMac(web.key, 'as-req', message))
    expect(openUnauthenticatedError(await web.ask(signed)).code).toBe('malformed')
    const ticket = await web.ticket('orders')
    const service = ticket.service
    const sealed = createMessage(TYPE.TICKET, [service, kvno, systemRandom(300)])
    const wrong = { service, kvno: 1, box: new Uint8Array(), bytes: sealed }
    const request = present(ticket, { time: realm.clock.now(), ticket: wrong })
    expectRefused(await orders.deliver(request), 'malformed', '05')
    expect(orders.handled).toHaveLength(0)
  })

  it.each(NAMES)('%s is not a code of an error', async code => {
    const { web, http, kdc } = await startWorld()
    const told = { code: code as 'replay', time: 1, floor: null, message: '' }
    kdc.downward = ({ id }) => [{ id, message: createError(told) }]
    expect(await failureOf(web.getServiceTicket('orders'))).toMatchObject({ code: 'malformed', final: false })
    kdc.downward = frame => [frame]
    const message = formatMessageHeader(createError(told)).slice(8)
    for (const name of [code, 'replay']) {
      const challenge = `Orthrus realm="${web.realm}", error="${name}", message="${message}"`
      http.intercept = () => ({
        status: 401,
        headers: [['www-authenticate', challenge]],
        body: Buffer.alloc(0),
      })
      expect(await failureOf(web.fetch(`${http.url}/7`))).toMatchObject({ code: 'response_unproved' })
    }
  })
})
