import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KdcProcess, spawnKdc, startKdc } from '../end-to-end/processes.js'
import { connectAs, type FaultRealm, makeRealm } from '../support/folder-realm.js'

/** Somebody reads the log of a KDC and stops reading: the KDC goes on, and ends when it is told to. */

const run = promisify(execFile)
const slow = process.env.ORTHRUS_SLOW === '1'

/** More lines than a pipe holds (64 KiB) and than the KDC keeps (256 KiB), of more than 200 bytes each. */
const TICKETS = 2_000
/** The log has a quota for each client's tickets, and all of these stay within theirs. */
const CLIENTS = Array.from({ length: 10 }, (_, i) => `web/${i}`)
/** Requests at the same time: few enough that a busy machine answers each within a client's patience. */
const AT_ONCE = 50

let realm: FaultRealm
beforeEach(async () => {
  realm = await makeRealm([...CLIENTS, 'orders'], [['web/*', 'orders']])
})
afterEach(() => realm.remove())

async function requireTickets(url: string, count: number): Promise<void> {
  for (const [i, name] of CLIENTS.entries()) {
    const share = Math.floor((count + CLIENTS.length - 1 - i) / CLIENTS.length)
    if (share > 0) await requireTicketsOf(name, url, share)
  }
}

async function requireTicketsOf(name: string, url: string, count: number): Promise<void> {
  const client = await connectAs(realm, url, name)
  const ask = async (i: number): Promise<void> => {
    const { client: asked } = await client.getServiceTicket('orders', { lifetime: 60_000 + i })
    expect(asked).toBe(`${name}@demo.example`)
  }
  for (let i = 0; i < count; i += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, j) => ask(i + j)))
  }
  client.close()
}

interface Pipe {
  readonly path: string
  /** What has come and was not read yet. */
  read(): Promise<string>
  close(): Promise<void>
}

/** A pipe that is open for reading. Nothing is read from it unless a test does. */
async function makePipe(folder: string): Promise<Pipe> {
  const path = join(folder, 'log')
  await run('mkfifo', [path])
  const reader: FileHandle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const read = async (): Promise<string> => {
    const buffer = Buffer.alloc(1024 * 1024)
    const { bytesRead } = await reader.read(buffer).catch(() => ({ bytesRead: 0 }))
    return buffer.toString('utf8', 0, bytesRead)
  }
  return { path, read, close: () => reader.close() }
}

/** Within the time that closing takes at most, and some more for a busy machine. */
async function requireEnd(kdc: KdcProcess): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('the KDC does not end')), 30_000).unref()
  })
  try {
    expect(await Promise.race([kdc.end('SIGTERM'), late])).toBe(0)
  } finally {
    await kdc.end('SIGKILL')
  }
}

describe('a KDC whose log nobody reads', { timeout: 120_000 }, () => {
  // The test of a pipe that is read again fills one too, and that of a socket ends with it full.
  it.runIf(slow)('grants tickets into a full pipe, and ends in order', async () => {
    const pipe = await makePipe(realm.folder)
    const kdc = await startKdc(realm.folder, undefined, ['sh', '-c', `exec "$@" 2>${pipe.path}`, 'sh'])
    await requireTickets(kdc.url, TICKETS)
    await requireTickets(kdc.url, 3)
    await requireEnd(kdc)
    await pipe.close()
  })

  it('grants tickets into a full socket, and ends in order', async () => {
    const child = spawnKdc(realm.folder)
    const exited = once(child, 'exit')
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const { url } = JSON.parse(line) as { url: string }
    await requireTickets(url, TICKETS)
    await requireTickets(url, 3)
    const end = async (signal: NodeJS.Signals): Promise<number | null> => {
      child.kill(signal)
      return (await exited)[0]
    }
    await requireEnd({ url, child, log: () => '', end })
  })

  it('says how many lines are missing when somebody reads again, and cuts no line', async () => {
    const pipe = await makePipe(realm.folder)
    const kdc = await startKdc(realm.folder, undefined, ['sh', '-c', `exec "$@" 2>${pipe.path}`, 'sh'])
    await requireTickets(kdc.url, TICKETS)
    let text = ''
    await expect
      .poll(
        async () => {
          text += await pipe.read()
          return text
        },
        { timeout: 20_000 },
      )
      .toContain('"lines":')
    await requireTickets(kdc.url, 1)
    await requireEnd(kdc)
    text += await pipe.read()
    await pipe.close()
    const lines = text.split('\n')
    expect(lines.pop()).toBe('')
    const told = lines.map(line => JSON.parse(line) as { msg: string; lines?: number })
    expect(told.at(-1)?.msg).toBe('KDC closed')
    const dropped = told.reduce((sum, { lines = 0 }) => sum + lines, 0)
    expect(dropped).toBeGreaterThan(100)
    // One for each ticket, and for each login a TGT.
    const logins = CLIENTS.length + 1
    expect(told.filter(({ msg }) => msg === 'ticket issued').length + dropped).toBe(TICKETS + 1 + logins)
  })
})

describe('a KDC whose terminal closes', { timeout: 60_000 }, () => {
  it('goes on, says so in its log, and ends when it is told to', async () => {
    const kdc = await startKdc(realm.folder)
    kdc.child.kill('SIGHUP')
    await expect.poll(() => kdc.log()).toContain('"signal":"SIGHUP"')
    await requireTickets(kdc.url, 3)
    await requireEnd(kdc)
    expect(kdc.log()).toContain('KDC closed')
  })
})
