import { request } from 'node:https'
import { connect as dial, type Socket } from 'node:net'
import { connect as dialTls, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { createAuthority, createIdentity } from '../../../bench/first-call/certificate.js'
import type { Limits } from '../../../kdc/limits/defaults.js'
import { type KdcSettings, type RunningKdc, startKdc } from '../../../kdc/main.js'
import { TYPE } from '../../../shared/constants.js'
import { createParamsRequest } from '../../../shared/exchange/params.js'
import { DAY } from '../../../shared/time.js'
import { local, START, type TestRealm, testRealm } from '../../support/realm.js'
import { TestSocket } from '../socket.js'

/** TLS on the KDC's own listener. */

const authority = createAuthority()
const ca = authority.identity.certificate
/** Current by the clock of the tests, and by that of the machine, which clients go by. */
const identity = (name: string, end = START + DAY) => {
  const { key, certificate } = createIdentity(authority, name, end)
  return { key, certificate }
}
const FIRST = identity('first')

interface Scene extends TestRealm {
  readonly kdc: RunningKdc
}

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function scene(limits: Partial<Limits> = {}, settings: KdcSettings = {}): Promise<Scene> {
  const realm = await testRealm()
  const { store, masterKey, clock, logger } = realm
  const own = { store, masterKey, clock, timers: clock, logger, limits, listen: { port: 0 }, tls: FIRST }
  const kdc = await startKdc({ ...own, ...settings })
  closing.push(() => kdc.close())
  return { ...realm, kdc }
}

async function open({ kdc }: Scene, options: object = {}): Promise<TestSocket> {
  const socket = await TestSocket.open(kdc.url, { ca, ...options })
  closing.push(() => socket.close())
  return socket
}

const isServed = async (socket: TestSocket) =>
  (await socket.ask(1, createParamsRequest(local('web'))))[1] === TYPE.PARAMS_REP

/** @returns the name in the certificate, or the code of what failed */
function certificateOf({ kdc }: Scene, options: object = {}): Promise<string> {
  return new Promise(resolve => {
    const socket: TLSSocket = dialTls({ ...kdc.address, ca, ...options }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', cause => resolve('code' in cause ? String(cause.code) : 'failed'))
  })
}

function raw({ kdc }: Scene): Promise<Socket> {
  const socket = dial(kdc.address.port, kdc.address.host)
  closing.push(() => socket.destroy())
  socket.on('error', () => {})
  return new Promise(resolve => socket.once('connect', () => resolve(socket)))
}

describe('a KDC with TLS', () => {
  it('is a wss: URL, serves clients over it, and answers /health', async () => {
    const realm = await scene()
    expect(realm.kdc.url).toMatch(/^wss:\/\/127\.0\.0\.1:\d+$/)
    expect(await isServed(await open(realm))).toBe(true)
    const status = await new Promise(resolve =>
      request(`${realm.kdc.url.replace('wss', 'https')}/health`, { ca }, response => {
        response.resume()
        resolve(response.statusCode)
      }).end(),
    )
    expect(status).toBe(200)
  })

  it('speaks TLS 1.2 and 1.3, nothing older, and no cipher without authentication', async () => {
    const realm = await scene()
    expect(await certificateOf(realm, { minVersion: 'TLSv1.3' })).toBe('first')
    expect(await certificateOf(realm, { maxVersion: 'TLSv1.2' })).toBe('first')
    // Clients refuse it themselves at the usual level of security.
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }
    expect(await certificateOf(realm, old)).toMatch(/PROTOCOL|VERSION/)
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' }
    expect(await certificateOf(realm, weak)).toMatch(/HANDSHAKE_FAILURE/)
  })

  it('goes on when somebody speaks something else to it', async () => {
    const realm = await scene()
    const socket = await raw(realm)
    const ended = new Promise(resolve => socket.once('close', resolve))
    socket.resume()
    socket.write('GET /health HTTP/1.1\r\n\r\n')
    await ended
    expect(await isServed(await open(realm))).toBe(true)
  })

  it('counts connections that only begin a handshake, and what was said over others', async () => {
    const realm = await scene({ connectionsPerAddress: 2 })
    const half = await raw(realm)
    const halfClosed = new Promise(resolve => half.once('close', resolve))
    const socket = await open(realm)
    const other = await open(realm)
    // The oldest of the address makes room, be its handshake over or not.
    await halfClosed
    await raw(realm)
    await socket.closed
    expect(await isServed(other)).toBe(true)
  })

  it('ends, although handshakes are under way', async () => {
    const realm = await scene({ drain: 1_000, handshake: 60_000 })
    await raw(realm)
    await open(realm)
    const closed = realm.kdc.close()
    await realm.clock.advance(1_000)
    await closed
  })
})

describe('another certificate', () => {
  it('is shown to new connections, and those that are open go on', async () => {
    const realm = await scene()
    const socket = await open(realm)
    realm.kdc.renewTls(identity('second'))
    expect(await certificateOf(realm)).toBe('second')
    expect(await isServed(socket)).toBe(true)
    expect(await isServed(await open(realm))).toBe(true)
  })

  it('that cannot be used leaves the old one', async () => {
    const realm = await scene()
    const second = identity('second')
    const wrong = [
      [{ ...second, key: FIRST.key }, /mismatch/],
      [{ ...second, certificate: 'nonsense' }, /cannot be used/],
      [{ ...second, key: 'nonsense' }, /cannot be used/],
      [identity('old', START - 1), /certificate of CN=old ended at/],
    ] as const
    for (const [other, reason] of wrong) {
      expect(() => realm.kdc.renewTls(other)).toThrow(reason)
      expect(await certificateOf(realm)).toBe('first')
    }
    expect(() => realm.kdc.renewTls({ ...second, ca } as never)).toThrow(TypeError)
  })

  it('is refused at the start as well, and by a KDC without TLS', async () => {
    await expect(scene({}, { tls: { ...FIRST, key: 'nonsense' } })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.not.stringContaining('nonsense'),
    })
    const realm = await testRealm()
    const { store, masterKey, clock } = realm
    const plain = await startKdc({ store, masterKey, clock, timers: clock, listen: { port: 0 } })
    closing.push(() => plain.close())
    expect(() => plain.renewTls(FIRST)).toThrow(/without tls/)
  })
})
