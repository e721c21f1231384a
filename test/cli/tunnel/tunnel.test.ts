import { mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { encodeHead, ID_BYTES } from '../../../cli/tunnel/head.js'
import { listenOn } from '../../../cli/tunnel/listen.js'
import { MINUTE, SECOND } from '../../../shared/time.js'
import { ended, Peer, startTunnel, type TunnelScene, through } from './scene.js'

/** Both ends of a tunnel, between the real parties in this process. */

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'orthrus-tunnel-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

/** Lets time pass in steps, in which what waits for messages gets them. */
async function pass(scene: { realm: { clock: { advance(ms: number): void } } }, time: number, step: number) {
  for (let passed = 0; passed < time; passed += step) {
    scene.realm.clock.advance(step)
    for (let turn = 0; turn < 4; turn++) await new Promise(resolve => setTimeout(resolve, 2))
  }
}

/** In the slow set more than acceptChannels lets one client have by default. */
const CROWD = process.env.ORTHRUS_SLOW === '1' ? 800 : 40

const troubles = ({ log }: TunnelScene) => log.lines.filter(({ level }) => level !== 'info')

describe('a tunnel', () => {
  it('carries a connection both ways, half closed too, and says who opened it', async () => {
    const scene = await startTunnel()
    const [near, far] = await through(scene)
    near.socket.end('ping')
    await expect.poll(() => far.hasEnded).toBe(true)
    far.socket.end('pong')
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([far.text, near.text, near.failure, far.failure]).toEqual(['ping', 'pong', undefined, undefined])
    await expect.poll(() => [scene.serve.size, scene.connect.size]).toEqual([0, 0])
    const who = { client: 'web@test.example', ticketId: expect.stringMatching(/^[0-9a-f]{32}$/) }
    expect(scene.log.lines.filter(({ fields }) => 'ticketId' in fields)).toMatchObject([
      {
        message: 'a connection was opened',
        fields: { ...who, from: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
      },
      { message: 'a connection ended', fields: { ...who, sent: 4, received: 4, reason: undefined } },
    ])
  })

  it('lets a server speak first, and passes a reset on from either side', async () => {
    const scene = await startTunnel()
    const [near, far] = await through(scene)
    far.socket.write('220 ready')
    await expect.poll(() => near.text).toBe('220 ready')
    far.socket.resetAndDestroy()
    await ended(near.socket)
    expect(near.failure).toBe('ECONNRESET')
    const [second, behind] = await through(scene)
    second.socket.resetAndDestroy()
    await ended(behind.socket)
    expect(behind.failure).toBe('ECONNRESET')
  })

  it('carries hundreds of connections at once, opened in one moment', async () => {
    const scene = await startTunnel()
    const peers = await Promise.all(Array.from({ length: CROWD }, () => Peer.connect(scene.at)))
    for (const [i, peer] of peers.entries()) peer.socket.write(`from ${i}`)
    await expect
      .poll(() => [scene.upstream.filter(({ text }) => text !== '').length, troubles(scene)])
      .toEqual([CROWD, []])
    expect(new Set(scene.upstream.map(({ text }) => text)).size).toBe(CROWD)
    for (const { socket, text } of scene.upstream) socket.end(text)
    for (const { socket } of peers) socket.end()
    await Promise.all(peers.map(({ socket }) => ended(socket)))
    expect(peers.map(({ text }) => text)).toEqual(peers.map((_, i) => `from ${i}`))
  })

  it('gives each connection its own bytes, however many are in the middle of large records', async () => {
    const scene = await startTunnel()
    const pairs: [near: Peer, far: Peer][] = []
    for (let i = 0; i < 6; i++) pairs.push(await through(scene))
    // Each side of each connection has a byte of its own, in pieces that fill records, and some that do not.
    const piece = (i: number, size: number) => Buffer.alloc(size, i)
    const sizes = [65_536, 70_001, 3, 40_000, 65_520]
    for (const size of sizes) {
      for (const [i, [near, far]] of pairs.entries()) {
        near.socket.write(piece(2 * i, size))
        far.socket.write(piece(2 * i + 1, size))
      }
    }
    for (const peers of pairs) for (const { socket } of peers) socket.end()
    await Promise.all(pairs.flat().map(({ socket }) => ended(socket)))
    const total = sizes.reduce((sum, size) => sum + size, 0)
    for (const [i, [near, far]] of pairs.entries()) {
      expect(far.received.equals(piece(2 * i, total))).toBe(true)
      expect(near.received.equals(piece(2 * i + 1, total))).toBe(true)
    }
  })

  it('resets a connection whose server is not there, and says so', async () => {
    const scene = await startTunnel()
    scene.server.close()
    const peer = await Peer.connect(scene.at)
    await ended(peer.socket)
    expect(peer.failure).toBe('ECONNRESET')
    expect(scene.log.lines).toContainEqual(
      expect.objectContaining({
        message: 'the server behind cannot be reached',
        fields: expect.objectContaining({ reason: 'ECONNREFUSED', client: 'web@test.example' }),
      }),
    )
  })

  it('lets in none but the clients and claims that it was told', async () => {
    const one = await startTunnel({ serving: { allow: ['other', 'web/*'] } })
    const two = await startTunnel({ serving: { claims: { role: 'writer' } } })
    for (const scene of [one, two]) {
      const peer = await Peer.connect(scene.at)
      await ended(peer.socket)
      expect([peer.failure, scene.upstream]).toEqual(['ECONNRESET', []])
      const [line] = scene.log.lines.filter(({ level }) => level === 'warn')
      expect(line?.fields).toMatchObject({ err: { code: 'not_authorized' } })
    }
    const good = await startTunnel({ serving: { allow: ['web'], claims: { role: 'reader' } } })
    await through(good)
  })

  it('takes connections of those users of the machine alone that it is for', async () => {
    let isAllowed = true
    const rule = async () => (isAllowed ? undefined : 'not you')
    const scene = await startTunnel({ connecting: { rule } })
    await through(scene)
    isAllowed = false
    const other = new Peer(connect(scene.at as number, '127.0.0.1'))
    await ended(other.socket)
    expect([other.failure, scene.upstream.length]).toEqual(['ECONNRESET', 1])
    expect(troubles(scene)).toMatchObject([{ fields: { err: { code: 'not_authorized' } } }])
  })

  it('ends at once when its client is revoked', async () => {
    const scene = await startTunnel({ follows: true, connecting: { renew: true } })
    const [near, far] = await through(scene)
    await scene.realm.administration.revocations.client('web@test.example' as never)
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
  })

  it('says of a socket that cannot be made there why, and not what there is to say of ports', async () => {
    const made = folder()
    writeFileSync(join(made, 'file'), '')
    for (const [path, told] of [
      [join(made, 'missing/x'), 'is in a folder that does not exist'],
      [join(made, 'file/x'), 'is in something that is no folder'],
    ] as const) {
      const refused = listenOn(createServer(), { path })
      await expect(refused).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining(told),
        facts: { hint: expect.not.stringContaining('port') },
      })
    }
  })

  it('lives through silence, and ends with its ticket', async () => {
    const scene = await startTunnel({ maxLife: 10 * MINUTE })
    const [near, far] = await through(scene)
    await pass(scene, 8 * MINUTE, 30 * SECOND)
    near.socket.write('still here')
    await expect.poll(() => far.text).toBe('still here')
    scene.realm.clock.advance(3 * MINUTE)
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
  })
})

describe('a tunnel that renews', () => {
  const RENEWING = { connecting: { renew: true }, maxLife: 10 * MINUTE } as const

  it('goes on under one ticket after the other, and loses, doubles and swaps no byte', async () => {
    const scene = await startTunnel(RENEWING)
    const [near, far] = await through(scene)
    let [up, down] = ['', '']
    for (let part = 0; part < 40; part++) {
      near.socket.write(`up ${part} `)
      far.socket.write(`down ${part} `)
      up += `up ${part} `
      down += `down ${part} `
      await pass(scene, MINUTE, 30 * SECOND)
    }
    near.socket.end()
    far.socket.end()
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([far.text, near.text]).toEqual([up, down])
    const renewed = scene.log.lines.filter(({ message }) => message.includes('under a fresh ticket'))
    expect(renewed.length).toBeGreaterThanOrEqual(6)
    await expect.poll(() => [scene.serve.size, scene.connect.size]).toEqual([0, 0])
  })

  it.each(['near', 'far'] as const)('goes on where the %s side has ended its direction', async side => {
    const scene = await startTunnel(RENEWING)
    const [near, far] = await through(scene)
    const [done, other] = side === 'near' ? [near, far] : [far, near]
    done.socket.end('done')
    await expect.poll(() => other.hasEnded).toBe(true)
    await pass(scene, 25 * MINUTE, 30 * SECOND)
    other.socket.end('late')
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([done.text, other.text, done.failure, other.failure]).toEqual([
      'late',
      'done',
      undefined,
      undefined,
    ])
  })

  it('begins no second connection under an id that is in use', async () => {
    const scene = await startTunnel()
    const head = encodeHead({ kind: 'begins', id: new Uint8Array(ID_BYTES) })
    const url = `tcp://127.0.0.1:${scene.served}`
    const [one, two] = [
      await scene.web.openChannel(url, { service: 'redis' }),
      await scene.web.openChannel(url, { service: 'redis' }),
    ]
    await one.send(head)
    await expect.poll(() => scene.upstream.length).toBe(1)
    await two.send(head)
    expect(await two.closed).toMatchObject({ code: 'channel_broken' })
    await one.send('goes on')
    await expect.poll(() => scene.upstream[0]?.text).toBe('goes on')
  })

  it('ends when the KDC gives its client no ticket any more', async () => {
    const scene = await startTunnel(RENEWING)
    const [near, far] = await through(scene)
    await scene.realm.deny('web', 'redis')
    await pass(scene, 11 * MINUTE, 30 * SECOND)
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
  })
})

describe('the end of a tunnel', () => {
  it.each(['serve', 'connect'] as const)('of %s waits for what is open, and takes nothing new', async end => {
    const scene = await startTunnel()
    const [near, far] = await through(scene)
    const closed = scene[end].close(MINUTE)
    await new Promise(resolve => setImmediate(resolve))
    const late = await Peer.connect(scene.at).catch((cause: unknown) => cause)
    if (late instanceof Peer) await ended(late.socket)
    else expect(late).toMatchObject({ code: 'ECONNREFUSED' })
    near.socket.end('last')
    await expect.poll(() => far.text).toBe('last')
    far.socket.end('words')
    await ended(near.socket)
    expect([await closed, near.text, scene.upstream.length]).toEqual([0, 'words', 1])
  })

  it.each(['serve', 'connect'] as const)('of %s gives up what has not ended in time', async end => {
    const scene = await startTunnel()
    const [near, far] = await through(scene)
    const closed = scene[end].close(30 * SECOND)
    scene.realm.clock.advance(30 * SECOND)
    expect(await closed).toBe(1)
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
  })

  it.each(['serve', 'connect'] as const)('of %s gives up what went on under a fresh ticket', async end => {
    const scene = await startTunnel({ connecting: { renew: true }, maxLife: 10 * MINUTE })
    const [near, far] = await through(scene)
    await pass(scene, 11 * MINUTE, 30 * SECOND)
    far.socket.write('still here')
    await expect.poll(() => near.text).toBe('still here')
    expect(await scene[end].close(0)).toBe(1)
    await Promise.all([ended(near.socket), ended(far.socket)])
    expect([near.failure, far.failure]).toEqual(['ECONNRESET', 'ECONNRESET'])
  })
})

describe('a Unix socket', () => {
  it('is at either end, for its owner alone, and is removed with the tunnel', async () => {
    const paths = ['near', 'between', 'behind'].map(name => join(folder(), `${name} one`)) as [
      string,
      string,
      string,
    ]
    const behind = createServer({ allowHalfOpen: true }, socket => socket.end('hello'))
    await listenOn(behind, { path: paths[2] })
    onTestFinished(() => void behind.close())
    const scene = await startTunnel({
      serving: { listen: { path: paths[1] }, to: { path: paths[2] } },
      connecting: { listen: { path: paths[0] }, to: { path: paths[1] } },
    })
    for (const path of paths) expect(statSync(path).mode & 0o777).toBe(0o600)
    const peer = await Peer.connect(scene.at)
    await expect.poll(() => peer.hasEnded).toBe(true)
    peer.socket.end()
    await ended(peer.socket)
    expect(peer.text).toBe('hello')
    await scene.connect.close(0)
    await scene.serve.close(0)
    for (const path of paths.slice(0, 2)) expect(() => statSync(path)).toThrow(/ENOENT/)
  })

  it('takes the place of one that was left behind, of nothing else, and of none in use', async () => {
    const path = join(folder(), 'left')
    const first = createServer()
    await listenOn(first, { path })
    onTestFinished(() => void first.close())
    await expect(listenOn(createServer(), { path })).rejects.toThrow(/in use by another process/)
    const { execFileSync } = await import('node:child_process')
    const left = join(folder(), 'stale')
    const leave = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
    expect(() => execFileSync(process.execPath, ['-e', leave, left])).toThrow()
    expect(statSync(left).isSocket()).toBe(true)
    const second = createServer()
    await listenOn(second, { path: left })
    second.close()
    const file = join(folder(), 'file')
    writeFileSync(file, 'precious')
    await expect(listenOn(createServer(), { path: file })).rejects.toThrow(/is no socket/)
    expect(statSync(file).size).toBe(8)
  })
})
