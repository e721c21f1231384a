import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { atEnd, demonstrate, require, say } from './demonstration.js'
import { orthrus, startCommand, startKdc } from './processes.js'
import { hexDump, Wire } from './wire.js'

/**
 * `npm run demo:tunnel`: Redis as it comes, served through a tunnel to one client and refused to another. Each step says
 * what happened, and what the wire between the two ends of the tunnel showed of it. The demonstration fails if any step
 * goes otherwise. It needs `redis-server` and `redis-cli`.
 */

const SECRET = 'the-launch-code-is-4711'
async function startRedis(path: string): Promise<void> {
  const child = spawn('redis-server', [
    '--port',
    '0',
    '--unixsocket',
    path,
    '--unixsocketperm',
    '600',
    '--save',
    '',
  ])
  atEnd(async () => {
    // One that could not be started has no number, and never exits.
    if (child.pid === undefined || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill()
    await ended
  })
  const missing = once(child, 'error').then(() => {
    throw new Error('redis-server is not installed: this demonstration needs it')
  })
  const ready = (async () => {
    for await (const line of createInterface(child.stdout)) if (/ready to accept/i.test(line)) return
  })()
  await Promise.race([ready, missing])
  child.stdout.resume()
}

interface Answer {
  readonly out: string
  readonly code: number
}

/** The client of Redis, as it comes too. */
async function redisCli(port: number, ...command: string[]): Promise<Answer> {
  const child = spawn('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...command])
  let out = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (out += String(chunk)))
  const [code] = (await once(child, 'close')) as [number]
  return { out: out.trim(), code }
}

/** Resolves when it is over, by a reset too. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {})
  return new Promise(resolve => socket.once('close', () => resolve()))
}

const portOf = (place: string): number => Number(place.split(':').at(-1))

interface Ends {
  readonly folder: string
  readonly kdc: string
  readonly wire: Wire
}

async function build(folder: string): Promise<Ends> {
  await orthrus(folder, ['init', 'demo.example', '--data', 'data'])
  const kdc = await startKdc(folder, 'data')
  atEnd(kdc.stop)
  const admin = (...args: string[]) =>
    orthrus(folder, ['admin', ...args, '--kdc', kdc.url, '--keytab', join('data', 'admin.keytab')])
  await admin('add', 'redis', 'web', 'stranger')
  await admin('allow', 'web', 'redis')
  say('realm demo.example was made, with redis, web and stranger; web may reach redis, and nobody else')
  const socket = join(folder, 'redis.sock')
  await startRedis(socket)
  say('redis-server runs, unchanged, on a Unix socket that only its own user may open')
  const serve = ['tunnel', 'serve', '--listen', '127.0.0.1:0', '--to', `unix:${socket}`]
  const end = await startCommand<{ listen: string }>(folder, [
    ...serve,
    '--kdc',
    kdc.url,
    '--keytab',
    'redis.keytab',
  ])
  atEnd(end.stop)
  const wire = await Wire.before(portOf(end.told.listen))
  atEnd(() => wire.close())
  say(`"orthrus tunnel serve" stands in front of it, as redis, on ${end.told.listen}`)
  return { folder, kdc: kdc.url, wire }
}

function connectAs(name: string, { folder, kdc, wire }: Ends) {
  const args = ['tunnel', 'connect', '--listen', '127.0.0.1:0', '--to', `127.0.0.1:${wire.port}`]
  return startCommand<{ listen: string }>(folder, [
    ...args,
    ...['--service', 'redis', '--kdc', kdc, '--keytab', `${name}.keytab`],
  ])
}

async function serveOne(ends: Ends): Promise<number> {
  const end = await connectAs('web', ends)
  atEnd(end.stop)
  const port = portOf(end.told.listen)
  const set = await redisCli(port, 'SET', 'plan', SECRET)
  const got = await redisCli(port, 'GET', 'plan')
  require(set.out === 'OK' && got.out === SECRET, 'what was stored', [set, got])
  say(
    `web reaches it by "orthrus tunnel connect": redis-cli -p ${port} SET plan ${SECRET} says ${set.out}, GET says ${got.out}`,
  )
  const { bytes } = ends.wire
  const words = [SECRET, 'SET', 'GET', 'plan', 'OK\r\n'].filter(word => bytes.includes(word))
  require(words.length === 0 && bytes.length > 200, 'no word of it on the wire', words)
  say(
    `between the two ends ${bytes.length} bytes went by, and none of these words: SET, GET, plan, ${SECRET}. Of the last ones:`,
  )
  console.log(hexDump(bytes.subarray(-64), 4))
  return port
}

async function refuseOthers(ends: Ends): Promise<void> {
  const refused = await connectAs('stranger', ends).then(
    end => {
      atEnd(end.stop)
      return 'it was let in'
    },
    (cause: Error) => cause.message,
  )
  require(refused.includes('policy_denied'), 'a refusal', refused)
  say('stranger is refused by the KDC, before it can reach anything: policy_denied')
  const without = await redisCli(ends.wire.port, 'GET', 'plan')
  require(!without.out.includes(SECRET) && /Error|closed|reset/i.test(without.out), 'no answer', without)
  say(`redis-cli straight at the tunnel, without a ticket, gets nothing: "${without.out}"`)
}

async function replay({ wire }: Ends, port: number): Promise<void> {
  const before = await redisCli(port, 'INCR', 'counter')
  const recorded = Buffer.concat(wire.seen.there)
  const copy = connect(wire.port, '127.0.0.1')
  copy.end(recorded)
  copy.resume()
  await closed(copy)
  const after = await redisCli(port, 'INCR', 'counter')
  require(before.out === '1' && after.out === '2', 'that nothing was done again', [before, after])
  say(
    'all that was recorded on the wire, sent again, has nothing done again: INCR says 1 before, and 2 after it',
  )
}

async function revoke({ folder, kdc }: Ends, port: number): Promise<void> {
  const open = connect(port, '127.0.0.1')
  const answered = once(open, 'data')
  open.write('PING\r\n')
  await answered
  const ended = closed(open)
  const begin = performance.now()
  const keytab = join('data', 'admin.keytab')
  await orthrus(folder, ['admin', 'revoke', 'client', 'web', '--kdc', kdc, '--keytab', keytab])
  await ended
  say(
    `"orthrus admin revoke client web" ended its open connection, within ${Math.round(performance.now() - begin)} ms of the command's start`,
  )
}

await demonstrate(async folder => {
  const ends = await build(folder)
  const port = await serveOne(ends)
  await refuseOthers(ends)
  await replay(ends, port)
  await revoke(ends, port)
})
