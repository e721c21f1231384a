import { connect, createServer, type Server, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ServiceKeys } from '../../../service/keys.js'
import { socketPath } from '../../../service/lock/named-socket.js'
import { CacheSeal, readFrames, writeFrame } from '../../../service/replay/cache-link.js'
import { MachineReplayCache } from '../../../service/replay/machine-cache.js'
import type { AdmissionRequest } from '../../../shared/accept/replay.js'
import { toHex } from '../../../shared/bytes.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { sharedCacheName } from '../../../shared/crypto/lock.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { encode } from '../../../shared/encoding/encoding.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { SECOND, systemClock } from '../../../shared/time.js'
import { systemTimers } from '../../../shared/timers.js'
import { WEB } from '../realm.js'

/** The cache that processes of one machine share, and strangers between them. */

class Machine {
  readonly service = parsePrincipal(`orders-${toHex(systemRandom(6))}@demo.example`)
  readonly keys = [1, 2].map(kvno => ({ kvno, key: new LongTermKey(systemRandom(32)) }))
  readonly told: string[] = []
  passed = 0

  get now(): number {
    return systemClock.now() + this.passed
  }

  async open(keys = this.keys): Promise<MachineReplayCache> {
    const cache = await MachineReplayCache.open({
      service: this.service,
      keys: new ServiceKeys(keys),
      clock: { now: () => this.now, monotonic: () => systemClock.monotonic() + this.passed },
      timers: systemTimers,
      report: ({ kind }) => void this.told.push(kind),
    })
    onTestFinished(() => cache.close())
    return cache
  }

  request(): AdmissionRequest {
    return { id: systemRandom(16), time: this.now, presenter: WEB, endTime: this.now + SECOND }
  }

  /** A stranger, who knows everything but the keys, has the name of the cache. */
  async stranger(serve: (socket: Socket) => void): Promise<Server> {
    const server = createServer(socket => {
      socket.on('error', () => {})
      serve(socket)
    })
    await new Promise<void>(resolve => server.listen(socketPath(sharedCacheName(this.service)), resolve))
    onTestFinished(() => void server.close())
    return server
  }
}

const admit = async (cache: MachineReplayCache, request: AdmissionRequest) =>
  (await cache.admit(request)).refusal ?? 'accepted'

const nonce = systemRandom(16)

/** Says yes to everything, under the seal that it has. */
const yesUnder = (key: LongTermKey, direction: 'from-cache' | 'to-cache') => (socket: Socket) => {
  let seal: CacheSeal | undefined
  let asked = 0
  readFrames(socket, frame => {
    if (seal === undefined) {
      seal = new CacheSeal(key, nonce, frame.slice(3, 19))
      return
    }
    asked++
    seal.write(socket, direction, [asked, systemClock.now(), 0, ''])
  })
  writeFrame(socket, encode([nonce, [1, 2]]))
}

describe.skipIf(process.platform !== 'linux')('the cache that a machine shares', () => {
  it('is in the first, is asked by the others, and goes to another when the first is closed', async () => {
    const machine = new Machine()
    const [first, second, third] = [await machine.open(), await machine.open(), await machine.open()]
    expect([second.floor, third.floor]).toEqual([first.floor, first.floor])
    machine.passed += 7 * SECOND
    const request = machine.request()
    expect(await admit(second, request)).toBe('accepted')
    expect(await admit(first, request)).toBe('replay')
    expect(await admit(third, request)).toBe('replay')
    first.close()
    expect(await admit(first, machine.request())).toBe('unavailable')
    await expect.poll(() => admit(third, request)).toBe('clock_skew')
    await expect.poll(() => admit(second, request)).toBe('clock_skew')
    machine.passed += 7 * SECOND
    const next = machine.request()
    expect([await admit(second, next), await admit(third, next)].sort()).toEqual(['accepted', 'replay'])
    expect(machine.told).toEqual([])
  })

  it('is shared by who has one of the keys, and by nobody else', async () => {
    const machine = new Machine()
    const first = await machine.open()
    const rotated = await machine.open(machine.keys.slice(1))
    machine.passed += 7 * SECOND
    const request = machine.request()
    expect(await admit(rotated, request)).toBe('accepted')
    expect(await admit(first, request)).toBe('replay')
    const other = await machine.open([{ kvno: 1, key: new LongTermKey(systemRandom(32)) }])
    expect(await admit(other, machine.request())).toBe('unavailable')
  })

  it.each<[string, (machine: Machine) => (socket: Socket) => void]>([
    ['is silent', () => () => {}],
    ['hangs up', () => socket => socket.destroy()],
    ['sends a frame without end', () => socket => socket.write(Buffer.alloc(1 << 20, 0x7f))],
    ['says yes under a key of its own', () => yesUnder(new LongTermKey(systemRandom(32)), 'from-cache')],
    ['sends requests back as answers', machine => yesUnder(machine.keys[1]?.key as LongTermKey, 'to-cache')],
  ])('is never believed to be with a stranger who %s', async (_, serve) => {
    const machine = new Machine()
    const server = await machine.stranger(serve(machine))
    const cache = await machine.open()
    machine.passed += 7 * SECOND
    expect(await admit(cache, machine.request())).toBe('unavailable')
    await expect.poll(() => machine.told).toContain('shared_cache_away')
    server.close()
    await expect.poll(() => cache.floor - machine.now).toBeLessThan(6 * SECOND - 1)
    expect(await admit(cache, machine.request())).toBe('clock_skew')
  })

  it('is believed to be with who has the key of the service, whatever it says', async () => {
    const machine = new Machine()
    await machine.stranger(yesUnder(machine.keys[1]?.key as LongTermKey, 'from-cache'))
    const cache = await machine.open()
    expect(await admit(cache, machine.request())).toBe('accepted')
  })

  it.each([0, 2_049])('ends the connection of whoever announces a frame of %d bytes', async length => {
    const machine = new Machine()
    await machine.open()
    const stranger = connect(socketPath(sharedCacheName(machine.service)))
    stranger.on('error', () => {})
    const announced = Buffer.alloc(4)
    announced.writeUInt32BE(length)
    stranger.write(announced)
    stranger.resume()
    await new Promise(resolve => stranger.on('close', resolve))
  })

  it('gives nothing to a stranger who asks, and goes on', async () => {
    const machine = new Machine()
    const cache = await machine.open()
    machine.passed += 7 * SECOND
    const stranger = connect(socketPath(sharedCacheName(machine.service)))
    const request = machine.request()
    readFrames(stranger, () => {
      writeFrame(stranger, encode([nonce, 1]))
      const seal = new CacheSeal(new LongTermKey(systemRandom(32)), nonce, nonce)
      seal.write(stranger, 'to-cache', [1, request.id, request.time, request.presenter, request.endTime])
    })
    stranger.on('error', () => {})
    await new Promise(resolve => stranger.on('close', resolve))
    expect(await admit(cache, request)).toBe('accepted')
  })
})
