import { writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type LoadServiceOptions, loadService, type Service } from '../../../service/index.js'
import { socketPath } from '../../../service/lock/named-socket.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { lockName } from '../../../shared/crypto/lock.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { formatKeytab } from '../../../shared/keytab/keytab.js'
import { silentLogger } from '../../../shared/logger.js'
import { temporaryFolder } from '../../end-to-end/processes.js'
import { TestLogger } from '../../support/logger.js'
import { ORDERS, startRealm } from '../realm.js'

/** The lock of the machine, with the real names of the system (docs/protocol.md section 1). */

const keyOf = (kvno: number) => ({ principal: ORDERS, kvno, key: new LongTermKey(systemRandom(32)) })
type Entry = ReturnType<typeof keyOf>

const shared = { replayCache: { admit: () => ({ now: 0, floor: 0 }) } }

async function load(entries: readonly Entry[], options: Partial<LoadServiceOptions> = {}): Promise<Service> {
  const service = await loadService({
    keytab: { text: formatKeytab([...entries]) },
    logger: silentLogger,
    ...options,
  })
  onTestFinished(() => service.close())
  return service
}

const refused = (message: string | RegExp) =>
  expect.objectContaining({ code: 'unavailable', message: expect.stringMatching(message) })

describe.skipIf(process.platform !== 'linux')('the lock of the machine', () => {
  it('refuses who serves under the same key, and says who has it and what to do', async () => {
    const entry = keyOf(1)
    const first = await load([entry])
    const loading = load([entry])
    await expect(loading).rejects.toThrow(
      refused(`orders@demo.example is served on this machine already, by process ${process.pid} `),
    )
    await expect(loading).rejects.toThrow(
      refused('end that process first; or give this one a principal of its own'),
    )
    await expect(loading).rejects.toThrow(refused('--several-processes of orthrus tunnel serve'))
    await first.close()
    await load([entry])
  })

  it('is of each key', async () => {
    const [one, two, three] = [keyOf(1), keyOf(2), keyOf(3)]
    await load([one, two])
    await expect(load([two, three])).rejects.toThrow(refused('already'))
    // What was refused has left nothing behind.
    await load([three])
  })

  it('is released when what follows it fails', async () => {
    const entry = keyOf(1)
    await expect(load([entry], { replayCache: { maxBytes: 1 } })).rejects.toThrow(TypeError)
    await load([entry])
  })

  it('is no matter of a key that stands twice in a keytab', async () => {
    const entry = keyOf(1)
    await load([entry, { ...entry, kvno: 2 }])
  })

  it('is shared by those who share a replay cache, and by nobody else', async () => {
    const entry = keyOf(1)
    const [first, second] = [await load([entry], shared), await load([entry], shared)]
    await expect(load([entry])).rejects.toThrow(refused('which shares a replay cache that'))
    await first.close()
    await expect(load([entry])).rejects.toThrow(refused('must share one replay cache, or none'))
    await second.close()
    await load([entry])
    await expect(load([entry], shared)).rejects.toThrow(refused('which shares no replay cache'))
  })

  it('is not shared by those who share the cache of the machine with those who share another one', async () => {
    const entry = keyOf(1)
    const machine = { replayCache: { shared: 'machine' } } as const
    const [first, second] = [await load([entry], machine), await load([entry], machine)]
    await first.close()
    await expect(load([entry], shared)).rejects.toThrow(
      refused('which shares the replay cache of the machine'),
    )
    await expect(load([entry])).rejects.toThrow(refused('which shares the replay cache of the machine'))
    await second.close()
    await load([entry], shared)
    await expect(load([entry], machine)).rejects.toThrow(refused('which shares a replay cache that'))
    await expect(load([entry], machine)).rejects.toThrow(refused('must share one replay cache, or none'))
  })

  it('is never had by two of whom one is alone, however many begin together', async () => {
    for (let round = 0; round < 3; round++) {
      const entry = keyOf(1)
      const loads = Array.from({ length: 12 }, (_, i) => load([entry], i % 3 === round ? shared : {}))
      const kinds = (await Promise.allSettled(loads)).flatMap(({ status }, i) =>
        status === 'fulfilled' ? [i % 3 === round ? 'shared' : 'alone'] : [],
      )
      expect(kinds.filter(kind => kind === 'alone').length).toBeLessThanOrEqual(1)
      expect(kinds.includes('alone') && kinds.includes('shared')).toBe(false)
    }
  })

  it('is left alone by who is told to', async () => {
    const entry = keyOf(1)
    await load([entry], { allowReplayAcrossProcesses: true })
    await load([entry], { allowReplayAcrossProcesses: true })
    await load([entry])
  })

  it.each<[string, (socket: Socket) => void]>([
    ['is silent', () => {}],
    ['says what no holder says', socket => socket.end('process 1 (\u001b[31morders)')],
    ['never stops', socket => socket.write('x'.repeat(1 << 20))],
    ['hangs up', socket => socket.destroy()],
  ])('is held by a stranger who %s', async (_, answer) => {
    const entry = keyOf(1)
    const server = createServer(socket => {
      socket.on('error', () => {})
      answer(socket)
    })
    await listen(server, lockName(entry.key))
    await expect(load([entry])).rejects.toThrow(refused('by a process that does not answer'))
  })

  it('does not say anything of the key', () => {
    const { key } = keyOf(1)
    expect(lockName(key)).toMatch(/^[0-9a-f]{32}$/)
    expect(lockName(key)).not.toBe(lockName(keyOf(1).key))
  })
})

describe.skipIf(process.platform !== 'linux')('a key that comes while a service runs', () => {
  async function startWith(entries: readonly Entry[], log = new TestLogger()) {
    const { folder, remove } = await temporaryFolder()
    onTestFinished(remove)
    const keytab = join(folder, 'orders.keytab')
    const write = (next: readonly Entry[]) => writeFile(keytab, formatKeytab([...next]), { mode: 0o600 })
    await write(entries)
    const realm = await startRealm({ load: { keytab, allowReplayAcrossProcesses: false, logger: log } })
    onTestFinished(() => realm.service.close())
    const send = async (entry: Entry) => {
      const ticket = realm.ticket({ kvno: entry.kvno, sealedWith: entry.key })
      return (await realm.send(realm.sign({}, { ticket }))).status
    }
    return { realm, write, send }
  }

  it('is locked before it opens a ticket, and given up when it is dropped', async () => {
    const [one, two] = [keyOf(1), keyOf(2)]
    const { realm, write, send } = await startWith([one])
    await write([two])
    expect(await send(two)).toBe(200)
    expect(realm.service.kvnos).toEqual([2])
    await expect(load([two])).rejects.toThrow(refused('already'))
    await load([one])
  })

  it('opens none while another process has it, and the owner is told', async () => {
    const [one, two] = [keyOf(1), keyOf(2)]
    const log = new TestLogger()
    const { write, send } = await startWith([one], log)
    await load([two])
    await write([one, two])
    expect(await send(two)).toBe(401)
    expect(await send(one)).toBe(200)
    expect(JSON.stringify(log.lines)).toContain('because another process serves under it')
  })
})

async function listen(server: Server, name: string): Promise<void> {
  await new Promise<void>(resolve => server.listen(socketPath(name), resolve))
  onTestFinished(() => void server.close())
}
