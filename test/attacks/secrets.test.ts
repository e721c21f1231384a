import { createHmac } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Administration } from '../../client/channel/administration.js'
import { openKdcChannel } from '../../client/channel/kdc-channel.js'
import { CLIENT_EVENT_KINDS } from '../../client/report/log.js'
import { SERVICE_EVENT_KINDS } from '../../service/report/log.js'
import { NO_LIMITS } from '../../shared/administration/principals.js'
import { LABEL, SIZE, TYPE, USAGES } from '../../shared/constants.js'
import { createError } from '../../shared/encoding/error.js'
import { decodeApRequest } from '../../shared/exchange/ap.js'
import { parseMessageHeader } from '../../shared/http/headers.js'
import type { Logger } from '../../shared/logger.js'
import { principalIn } from '../../shared/principal.js'
import { encodeCaveat } from '../../shared/ticket/caveats.js'
import { HOUR } from '../../shared/time.js'
import { type Captured, headerOf, type Relayed, withHeader } from '../support/http-proxy.js'
import { failureOf, Guarded, startWorld, type World } from '../support/world.js'
import { entryOf, HandClient, present } from './by-hand.js'

/** Canaries: every key that anybody draws or derives is searched for in everything that can be seen. */

const canaries = vi.hoisted(() => ({ keys: [] as Uint8Array[] }))

vi.mock('../../shared/crypto/primitives.node.js', async importOriginal => {
  const original = await importOriginal<typeof import('../../shared/crypto/primitives.node.js')>()
  return {
    ...original,
    // Of all that is drawn, only keys have 32 bytes: of principals and sessions, of the KDC's vault and salts.
    randomBytes: (length: number) => {
      const bytes = original.randomBytes(length)
      if (length === 32) canaries.keys.push(bytes.slice())
      return bytes
    },
    scrypt: async (...args: Parameters<typeof original.scrypt>) => {
      const key = await original.scrypt(...args)
      canaries.keys.push(key.slice())
      return key
    },
  }
})

const PASSWORD = 'correct horse battery staple'
const WRONG_PASSWORD = 'Tr0ub4dor and 3'

function expanded(key: Uint8Array, usage: string): Uint8Array {
  const info = Buffer.from(`${LABEL.EXPAND}${usage}`)
  return createHmac('sha256', key)
    .update(info)
    .update(Buffer.from([1]))
    .digest()
}

/** The keys, and everything derived from them that is a key too. */
function secretsOf(keys: readonly Uint8Array[]): Uint8Array[] {
  return keys.flatMap(key => {
    const chain = expanded(key, 'chain')
    const auth = expanded(chain, 'auth')
    const all = [key, auth].flatMap(each => [each, ...USAGES.map(usage => expanded(each, usage))])
    return [...all, chain]
  })
}

/** The forms of a secret in a text: hex, base64 of both kinds at any position in a longer one, numbers. */
function spellingsOf(secret: Uint8Array): string[] {
  const bytes = Buffer.from(secret)
  const shifted = [0, 1, 2].map(shift => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    return text.slice(shift === 0 ? 0 : 4, 40)
  })
  const url = shifted.map(text => text.replaceAll('+', '-').replaceAll('/', '_'))
  return [bytes.toString('hex'), ...shifted, ...url, [...bytes].join(',')]
}

/** Everything that can be seen: texts, and bytes as one character each. */
class Seen {
  readonly #texts: string[] = []
  readonly #raw: string[] = []

  text(text: string): void {
    this.#texts.push(text)
  }

  bytes(bytes: Uint8Array): void {
    this.#raw.push(Buffer.from(bytes).toString('latin1'))
  }

  /** An object in every form in which it could be written down. */
  object(value: unknown): void {
    const options = { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null }
    this.text(inspect(value, options))
    this.text(String(value))
    const seen = new Set<unknown>()
    const json = JSON.stringify(value, (_, each) => {
      if (typeof each === 'object' && each !== null) {
        if (seen.has(each)) return undefined
        seen.add(each)
      }
      return each instanceof Error ? { ...each, stack: each.stack, cause: each.cause } : each
    })
    this.text(json ?? '')
  }

  /** The secrets that show, by their number. */
  find(secrets: readonly Uint8Array[], words: readonly string[] = []): number[] {
    // Inspections of lists are broken into lines and columns, and bytes in JSON have their index.
    const text = this.#texts
      .join('\n')
      .replaceAll(/"\d+":/g, '')
      .replaceAll(/\s+/g, '')
    const lower = text.toLowerCase()
    const raw = this.#raw.join('\n')
    const shows = (secret: Uint8Array): boolean => {
      const [hex = '', ...others] = spellingsOf(secret)
      const bytes = Buffer.from(secret).toString('latin1')
      return lower.includes(hex) || raw.includes(bytes) || others.some(each => text.includes(each))
    }
    const found = secrets.flatMap((secret, i) => (shows(secret) ? [i] : []))
    const everything = text + raw
    const told = words.filter(word => everything.includes(word) || text.includes(word.replaceAll(' ', '')))
    return [...found, ...told.map((_, i) => -1 - i)]
  }

  get size(): number {
    return [...this.#texts, ...this.#raw].reduce((sum, each) => sum + each.length, 0)
  }
}

/** The logger of every party: its entries, and what pino makes of them. */
function capturing(seen: Seen): { logger: Logger; lines: () => number } {
  let lines = 0
  const written = pino({ level: 'trace' }, { write: line => seen.text(line) })
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    lines++
    seen.object({ level, fields, message })
    written[level](fields, message)
  }
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  return { logger, lines: () => lines }
}

/** Every event of every party of the process, as a stranger to all of them hears it. */
function listening(told: Seen): Set<string> {
  const kinds = new Set<string>()
  const listen = (event: unknown, name: string | symbol): void => {
    kinds.add(String(name))
    told.object(event)
  }
  const parties = { service: SERVICE_EVENT_KINDS, client: CLIENT_EVENT_KINDS }
  for (const [party, all] of Object.entries(parties)) {
    for (const kind of all) {
      const name = `orthrus:${party}:${kind}`
      subscribe(name, listen)
      onTestFinished(() => void unsubscribe(name, listen))
    }
  }
  return kinds
}

/** What proves each request that was sent: its nonce and its MAC. */
function proofsOf({ http }: World): Uint8Array[] {
  return http.captured.flatMap(message => {
    const bytes = parseMessageHeader(headerOf(message, 'authorization') ?? '')
    if (bytes === undefined) return []
    const { nonce } = decodeApRequest(TYPE.AP_REQ, bytes)
    return [nonce, bytes.slice(-SIZE.MAC)]
  })
}

const POST = { method: 'POST', body: 'pay 5' } as const

/** The life of a realm, with everything that can go wrong in it; what was returned and thrown is kept. */
async function live(world: World, seen: Seen, services: () => Promise<Guarded>): Promise<void> {
  const { realm, web, http, kdc, orders, clock } = world
  const keep = async (promise: Promise<unknown>): Promise<void> => seen.object(await promise)
  const fail = async (promise: Promise<unknown>): Promise<void> => seen.object(await failureOf(promise))
  const pay = (): Promise<Response> => web.fetch(`${http.url}/pay`, POST)

  await realm.add('gate', 'billing')
  await realm.addPassword('ann', PASSWORD)
  await realm.allow('web', 'orders', {
    claims: { role: 'reader' },
    methods: ['GET', 'POST'],
    delegable: true,
  })
  await realm.allow('ann', 'orders')
  await realm.allow('web', 'kdc', { claims: { role: 'admin' } })

  await keep(web.fetch(`${http.url}/7`))
  await keep(pay())
  await keep(web.getServiceTicket('orders'))
  await fail(web.getServiceTicket('billing'))
  await fail(web.getServiceTicket('ghost', { lifetime: HOUR }))
  await fail(web.fetch(`${http.url}/7`, { method: 'DELETE' }))
  await fail(web.fetch(`${http.url}/fail`, POST).then(response => Promise.reject(response)))

  http.intercept = (request, forward) => forward({ ...request, body: Buffer.from('pay 9') })
  await fail(pay())
  http.intercept = async (request, forward) => {
    await forward(request)
    return forward(request)
  }
  await fail(pay())
  http.intercept = async (request, forward) => ({ ...(await forward(request)), body: Buffer.from('unpaid') })
  await fail(pay())
  http.intercept = (request, forward) => forward(withHeader(request, 'authorization', 'Orthrus AAAA'))
  await fail(pay())
  http.intercept = () => Promise.reject(new Error('cut'))
  await fail(pay())
  http.intercept = (request, forward) => forward(request)

  const ann = { kdc: kdc.url, services: { [http.url]: 'orders' } }
  const person = await realm.connect('ann', { ...ann, password: PASSWORD })
  await keep(person.fetch(`${http.url}/7`))
  const guesser = await realm.connect('ann', { ...ann, password: WRONG_PASSWORD })
  await fail(guesser.getServiceTicket('orders'))
  const stale = await realm.connect('web', { kdc: kdc.url, keytab: { text: realm.keytab('gate') } })
  await fail(stale.getServiceTicket('orders'))
  for (const text of [realm.keytab('web').slice(0, -3), realm.keytab('web').replace('web@', 'eve@')]) {
    await fail(realm.connect('web', { keytab: { text } }))
    await fail(realm.loadService('web', { keytab: { text } }))
  }

  const channel = await openKdcChannel(web)
  const administration = new Administration(channel)
  const stock = { principal: principalIn(realm.kdc.realm, 'stock'), password: null }
  await keep(administration.add({ ...stock, ...NO_LIMITS }))
  await fail(administration.add({ ...stock, ...NO_LIMITS }))
  await keep(administration.show(stock.principal))
  await fail(channel.call('nonsense', [new Uint8Array(32)]))
  seen.object(channel)
  const bare = await openKdcChannel(person)
  await fail(bare.call('list', [null, 1]))

  const hand = await HandClient.open(realm, 'web')
  const [own, gate] = [await hand.ticket('orders'), await HandClient.open(realm, 'gate')]
  const presented = [
    present(own, { time: clock.now(), caveats: [encodeCaveat({ name: 'expires', time: 1 })] }),
    present(own, { time: clock.now(), caveats: [encodeCaveat({ name: 'app', app: 'x', value: 'y' })] }),
    present(own, { time: 1 }),
    present((await gate.grants())[0], { time: clock.now() }),
  ]
  for (const request of presented) seen.object(await orders.deliver(request))
  kdc.downward = ({ id }) => {
    return [{ id, message: createError({ code: 'unavailable', time: 1, floor: null, message: '' }) }]
  }
  await fail(web.getServiceTicket('stock'))
  kdc.downward = frame => [frame]
  await realm.administration.disable(entryOf(realm, 'web').principal)
  await fail(web.getServiceTicket('billing'))
  await fail(channel.call('list', [null, 1]))

  const later = await services()
  clock.advance(2 * HOUR)
  for (const request of presented) seen.object(await later.deliver(request))
  seen.object([realm, realm.kdc, realm.administration, web, person, stale, orders, later, hand.asRequest()])
  seen.object([orders.handled, orders.refused, later.refused])
  web.close()
  await fail(pay())
}

/** What went over the network, as bytes; base64url in headers also decoded. */
function hear({ http, kdc }: World, seen: Seen): void {
  for (const { message } of [...kdc.toKdc, ...kdc.toClient]) seen.bytes(message)
  const texts: (Captured | Relayed)[] = [...http.captured, ...http.answered]
  for (const message of texts) {
    seen.bytes(message.body)
    for (const [name, value] of message.headers) seen.text(`${name}: ${value}`)
    for (const name of ['authorization', 'authentication-info']) {
      const value = headerOf(message, name)
      if (value !== undefined) seen.bytes(parseMessageHeader(value) ?? new Uint8Array())
    }
    const challenge = /message="([^"]*)"/.exec(headerOf(message, 'www-authenticate') ?? '')?.[1]
    if (challenge !== undefined) seen.bytes(Buffer.from(challenge, 'base64url'))
  }
}

describe('no key and no password', () => {
  it('shows in a log, an error, an object that is handed out, or on the network', async () => {
    const seen = new Seen()
    const { logger, lines } = capturing(seen)
    const told = new Seen()
    const kinds = listening(told)
    const world = await startWorld({
      realm: { logger },
      answer: (req, res, ticket, body) => {
        seen.object([req, res, ticket, req.ticket])
        if (req.url === '/fail') throw new Error('no database')
        res.end(body)
      },
    })
    await live(world, seen, () => Guarded.start(world.realm, 'billing'))
    hear(world, seen)
    const { kdc, http, orders } = world
    // Much happened, and its keys are known: the KDC's own, principals', persons', sessions'.
    expect(orders.handled.length).toBeGreaterThan(5)
    expect(orders.refused.length).toBeGreaterThan(4)
    expect(lines()).toBeGreaterThan(60)
    expect(http.captured.length).toBeGreaterThan(8)
    for (const type of [TYPE.AS_REP, TYPE.TGS_REP, TYPE.AP_ACCEPT, TYPE.RECORD, TYPE.PARAMS_REP]) {
      expect(kdc.answered(type).length, `${type}`).toBeGreaterThan(0)
    }
    expect(seen.size).toBeGreaterThan(100_000)
    const secrets = secretsOf(canaries.keys)
    expect(canaries.keys.length).toBeGreaterThan(20)
    expect(seen.find(secrets, [PASSWORD, WRONG_PASSWORD])).toEqual([])
    // Whoever only listens learns nothing else that went over the network either.
    const proofs = proofsOf(world)
    expect([kinds.size, proofs.length > 16, told.size > 20_000]).toEqual([expect.any(Number), true, true])
    expect(kinds.size).toBeGreaterThan(10)
    expect(
      told.find([...secrets, ...proofs], [PASSWORD, WRONG_PASSWORD, 'pay 5', 'pay 9', 'unpaid']),
    ).toEqual([])
  }, 120_000)

  it('would be missed by this test if it showed', () => {
    const [key] = [new Uint8Array(32).map((_, i) => (i * 37 + 11) & 0xff)]
    if (key === undefined) throw new Error('no key')
    const bytes = Buffer.from(key)
    const shown: ((seen: Seen) => void)[] = [
      seen => seen.text(`key ${bytes.toString('hex')}`),
      seen => seen.text(bytes.toString('hex').toUpperCase()),
      seen => seen.text(bytes.toString('base64')),
      seen => seen.text(bytes.toString('base64url')),
      seen => seen.text(Buffer.concat([Buffer.from('x'), bytes, Buffer.from('y')]).toString('base64')),
      seen => seen.text(Buffer.concat([Buffer.from('xy'), bytes]).toString('base64url')),
      seen => seen.object({ key }),
      seen => seen.object({ deep: { error: Object.assign(new Error('x'), { key: bytes }) } }),
      seen => seen.object([...key]),
      seen => seen.bytes(Buffer.concat([Buffer.from('before'), bytes, Buffer.from('behind')])),
      seen => capturing(seen).logger.debug({ err: Object.assign(new Error('x'), { key }) }, 'failed'),
    ]
    for (const [i, show] of shown.entries()) {
      const seen = new Seen()
      show(seen)
      expect(seen.find([key]), `${i}`).toEqual([0])
    }
    const seen = new Seen()
    seen.text(`login with ${PASSWORD}`)
    expect(seen.find([], [PASSWORD])).toEqual([-1])
  })
})
