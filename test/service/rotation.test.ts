import { renameSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { connect, type Realm } from '../../client/connect.js'
import { rotateKey } from '../../client/rotation/rotate.js'
import type { LoadServiceOptions } from '../../service/load-options.js'
import type { Service } from '../../service/request/service.js'
import { requireTicket } from '../../service/require-ticket.js'
import { NO_TERMS } from '../../shared/administration/rule.js'
import { TYPE } from '../../shared/constants.js'
import { AuthKey, LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createMessage } from '../../shared/encoding/message.js'
import { createApRequest } from '../../shared/exchange/ap.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import { formatKeytab, type KeytabEntry, parseKeytab } from '../../shared/keytab/keytab.js'
import { changingKeytab } from '../../shared/keytab/keytab-file.node.js'
import type { Pattern } from '../../shared/pattern.js'
import { parsePrincipal } from '../../shared/principal.js'
import { decodeTicket } from '../../shared/ticket/ticket.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../shared/time.js'
import { loadService } from '../support/load-service.js'
import { TestLogger } from '../support/logger.js'
import { type OwnKdc, startOwnKdc } from '../support/own-kdc.js'
import { turns, until } from '../support/turns.js'

/** A service whose key changes while it runs (docs/protocol.md section 12), with a real KDC. */

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-service-rotation-'))
  path = join(folder, 'orders.keytab')
})
afterEach(() => rm(folder, { recursive: true }))

interface World extends OwnKdc {
  readonly orders: KeytabEntry
  readonly service: Service
  readonly logger: TestLogger
  readonly web: Realm
  readonly url: string
  /** Another process changes the key in the keytab. */
  rotate(): Promise<void>
  /** One request that must not be handled twice, so that its client cannot send it again. */
  post(): Promise<number>
  kvnos(): Promise<number[]>
  logged(message: string): boolean
}

async function prepare(options: Partial<LoadServiceOptions> = {}): Promise<World> {
  const own = await startOwnKdc()
  const { clock, kdc, administration } = own
  const [orders, web] = [await own.add('orders'), await own.add('web')]
  await administration.setRule({
    client: web.principal as string as Pattern,
    service: orders.principal as string as Pattern,
    effect: 'allow',
    ...NO_TERMS,
  })
  await writeFile(path, formatKeytab([orders]), { mode: 0o600 })
  const logger = new TestLogger()
  const common = { clock, timers: clock, logger }
  const service = await loadService({ keytab: path, kdc: kdc.url, ...common, ...options })
  onTestFinished(() => service.close())
  const server = createServer(requireTicket({ service }, (_, res) => res.end('done')))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const realm = await connect({ kdc: kdc.url, keytab: { text: formatKeytab([web]) }, ...common })
  onTestFinished(() => realm.close())
  const world = {
    ...own,
    orders,
    service,
    logger,
    web: realm,
    url,
    rotate: async () => {
      const other = await connect({ kdc: kdc.url, keytab: path, ...common })
      onTestFinished(() => other.close())
      await rotateKey(other, { keytab: changingKeytab(path, common), wanted: true })
    },
    post: async () => {
      const init = { method: 'POST', body: 'x', service: 'orders' }
      return (await realm.fetch(url, init)).status
    },
    kvnos: async () => parseKeytab(await readFile(path, 'utf8')).map(({ kvno }) => kvno),
    logged: (message: string) => logger.lines.some(line => line.message.includes(message)),
  }
  await ready(world)
  // Past the floor of the start.
  clock.advance(7 * SECOND)
  await ready(world)
  return world
}

/** Lets time pass, as slowly as real sockets need it, until the service follows. */
async function ready({ service, clock }: Pick<World, 'service' | 'clock'>): Promise<void> {
  const end = performance.now() + 20_000
  const isFresh = (): boolean => {
    const { connected = false, age = Number.POSITIVE_INFINITY } = service.state.feed ?? {}
    return connected && age < SECOND
  }
  while (!isFresh() && performance.now() < end) {
    clock.advance(100)
    await turns(20)
  }
  expect(isFresh()).toBe(true)
}

describe('a service with rotation: automatic', () => {
  it('changes its key when it is due, and drops no request', async () => {
    const world = await prepare({ rotation: 'automatic' })
    const { clock, amend, post, kvnos, logged, service, record } = world
    expect(await post()).toBe(200)
    const [first] = service.state.keys
    expect(first).toMatchObject({ kvno: 1, state: 'current', createdAt: expect.any(Number) })
    await amend('orders', stored => ({ ...stored, rotationAskedAt: clock.now() }))
    clock.advance(DAY)
    await until(() => logged('the key was changed'))
    expect([await kvnos(), service.kvnos]).toEqual([
      [1, 2],
      [2, 1],
    ])
    expect((await record('orders')).keys.map(({ kvno, state }) => `${kvno} ${state}`)).toEqual(['2 current'])
    expect(service.state.keys).toMatchObject([
      { kvno: 2, state: 'current', createdAt: clock.now(), age: 0 },
      { kvno: 1, state: 'old', createdAt: first?.createdAt },
    ])
    await ready(world)
    // The old ticket has ended, so this one is under the new key.
    expect(await post()).toBe(200)
  })

  it('changes its key though the keytab was out of reach when it first came to a KDC', async () => {
    const { kdc, amend, clock, logger, logged, kvnos, service: other } = await prepare()
    await other.close()
    const aside = `${path}.aside`
    let connections = 0
    // The service has read the keytab, and has no answer of a KDC yet.
    const gate = createTcpServer(socket => {
      if (connections++ === 0) renameSync(path, aside)
      const behind = connectTcp(Number(new URL(kdc.url).port), '127.0.0.1')
      for (const each of [socket, behind]) each.on('error', () => {})
      socket.pipe(behind).pipe(socket)
    })
    await new Promise<void>(resolve => gate.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void gate.close())
    const url = `ws://127.0.0.1:${(gate.address() as AddressInfo).port}`
    const common = { clock, timers: clock, logger }
    const service = await loadService({ keytab: path, kdc: url, rotation: 'automatic', ...common })
    onTestFinished(() => service.close())
    await ready({ service, clock })
    renameSync(aside, path)
    await amend('orders', stored => ({ ...stored, rotationAskedAt: clock.now() }))
    clock.advance(DAY)
    await until(() => logged('the key was changed'))
    expect(await kvnos()).toEqual([1, 2])
  })

  it.each<[string, Partial<LoadServiceOptions>, RegExp]>([
    ['without a KDC', { kdc: undefined } as never, /rotation of loadService needs kdc/],
    ['for a text', { keytab: { text: '' } }, /rotation of loadService needs the path/],
    ['for a file that others may read', { allowReadableKeytab: true }, /exclude each other/],
  ])('is refused %s', async (_, options, said) => {
    const key = new LongTermKey(systemRandom(32))
    const entry = { principal: parsePrincipal('orders@demo.example'), kvno: 1, key }
    await writeFile(path, formatKeytab([entry]), { mode: 0o600 })
    const given = { keytab: path, kdc: 'ws://127.0.0.1:1', rotation: 'automatic', ...options } as const
    await expect(loadService(given)).rejects.toThrow(said)
  })
})

describe('a key that another process changed', () => {
  it('is found when a ticket under it comes, and the request is handled, not refused', async () => {
    const { clock, kdc, post, kvnos, service, logger } = await prepare()
    const other = await connect({ kdc: kdc.url, keytab: path, clock, timers: clock, logger })
    onTestFinished(() => other.close())
    const keytab = changingKeytab(path, { clock, timers: clock })
    await rotateKey(other, { keytab, wanted: true })
    expect([await kvnos(), service.kvnos]).toEqual([[1, 2], [1]])
    expect(await post()).toBe(200)
    expect(service.kvnos).toEqual([2, 1])
    expect(service.state.keys).toMatchObject([{ kvno: 2, state: undefined }, { state: 'current' }])
    // The next channel asks.
    clock.advance(2 * HOUR)
    await ready({ service, clock })
    await until(() => service.state.keys[0]?.state !== undefined)
    expect(service.state.keys).toMatchObject([{ state: 'current' }, { kvno: 1, state: 'old' }])
  })

  it('is looked for at most once a second, whatever comes', async () => {
    const { clock, kdc, post, service, logged, logger } = await prepare()
    const other = await connect({ kdc: kdc.url, keytab: path, clock, timers: clock, logger })
    onTestFinished(() => other.close())
    const keytab = changingKeytab(path, { clock, timers: clock })
    await rotateKey(other, { keytab, wanted: true })
    const text = await readFile(path, 'utf8')
    await writeFile(path, 'no keytab')
    const refused = { facts: { claimed: 'ticket_invalid' } }
    await expect(post()).rejects.toMatchObject(refused)
    expect(logged('could not be read again')).toBe(true)
    await writeFile(path, text)
    await expect(post()).rejects.toMatchObject(refused)
    expect(service.kvnos).toEqual([1])
    clock.advance(SECOND)
    expect(await post()).toBe(200)
  })
})

describe('a keytab that was put back to an older copy', () => {
  it('takes no newer key away, though anybody can have the keytab read again', async () => {
    const { clock, url, orders, post, rotate, service, logged } = await prepare()
    await rotate()
    expect([await post(), service.kvnos]).toEqual([200, [2, 1]])
    await writeFile(path, formatKeytab([orders]))
    clock.advance(SECOND)
    const message = createMessage(TYPE.TICKET, [orders.principal, 99, systemRandom(100)])
    const { bytes } = createApRequest(TYPE.AP_REQ, new AuthKey(systemRandom(32)), {
      ticket: decodeTicket(message),
      caveats: [],
      time: clock.now(),
      nonce: systemRandom(16),
      binding: systemRandom(32),
      delegated: null,
    })
    const junk = await fetch(url, { headers: { authorization: formatMessageHeader(bytes) } })
    expect(junk.status).toBe(401)
    expect(logged('could not be read again')).toBe(true)
    expect(service.kvnos).toEqual([2, 1])
    expect(await post()).toBe(200)
  })
})

describe('a key that was revoked', () => {
  it('is taken out of the keytab too, and does not come back from there', async () => {
    const { kdc, orders, service, clock } = await prepare()
    await kdc.administration.call('revoke-key', [orders.principal])
    await until(() => service.kvnos.length === 0)
    await expect.poll(() => readFile(path, 'utf8')).toBe('# orthrus keytab 1\n')
    await writeFile(path, formatKeytab([orders]))
    clock.advance(MINUTE)
    expect(service.kvnos).toEqual([])
  })

  it('stays where it was given as text, and the service says so', async () => {
    const own = await prepare()
    await own.service.close()
    const { kdc, clock, orders, logger } = own
    const keytab = { text: formatKeytab([orders]) }
    const service = await loadService({ keytab, kdc: kdc.url, clock, timers: clock, logger })
    onTestFinished(() => service.close())
    await ready({ service, clock })
    await kdc.administration.call('revoke-key', [orders.principal])
    await until(() => own.logged('could not be taken out of the keytab'))
    expect(service.kvnos).toEqual([])
  })
})
