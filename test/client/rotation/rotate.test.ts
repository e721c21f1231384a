import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../../client/connect.js'
import type { ConnectOptions } from '../../../client/connect-options.js'
import { partsOf, type Realm } from '../../../client/realm.js'
import { rotateKey } from '../../../client/rotation/rotate.js'
import { startRotation } from '../../../client/rotation/start-rotation.js'
import { NO_TERMS } from '../../../shared/administration/rule.js'
import { formatKeytab, type KeytabEntry, parseKeytab } from '../../../shared/keytab/keytab.js'
import { changingKeytab } from '../../../shared/keytab/keytab-file.node.js'
import { DAY, HOUR, MINUTE } from '../../../shared/time.js'
import { watchedDisk } from '../../support/keytab-disk.js'
import { TestLogger } from '../../support/logger.js'
import { type OwnKdc, startOwnKdc } from '../../support/own-kdc.js'
import { turns, until } from '../../support/turns.js'

/** A client that changes its key in its keytab (docs/protocol.md section 12), with a KDC over real sockets. */

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthrus-rotate-'))
  path = join(folder, 'web.keytab')
})
afterEach(() => rm(folder, { recursive: true }))

interface World extends OwnKdc {
  readonly web: KeytabEntry
  readonly logger: TestLogger
  connectWeb(options?: Partial<ConnectOptions>): Promise<Realm>
  rotate(realm: Realm, wanted?: boolean): ReturnType<typeof rotateKey>
  /** The kvnos in the keytab. */
  kvnos(): Promise<number[]>
  /** The keys at the KDC, as `1 current`. */
  states(): Promise<string[]>
}

async function prepare(): Promise<World> {
  const own = await startOwnKdc()
  const { clock, kdc } = own
  const web = await own.add('web')
  const logger = new TestLogger()
  await writeFile(path, formatKeytab([web]), { mode: 0o600 })
  return {
    ...own,
    web,
    logger,
    connectWeb: async options => {
      const common = { kdc: kdc.url, keytab: path, clock, timers: clock, logger }
      const realm = await connect({ ...common, ...options } as ConnectOptions)
      onTestFinished(() => realm.close())
      return realm
    },
    rotate: (realm, wanted = true) =>
      rotateKey(realm, { keytab: changingKeytab(path, { clock, timers: clock }), wanted }),
    kvnos: async () => parseKeytab(await readFile(path, 'utf8')).map(({ kvno }) => kvno),
    states: async () => (await own.record('web')).keys.map(({ kvno, state }) => `${kvno} ${state}`),
  }
}

describe('automatic rotation', () => {
  it('ends with its realm, also where that was closed while it began', async () => {
    const { connectWeb, clock, logger } = await prepare()
    const realm = await connectWeb()
    realm.close()
    await startRotation(realm, { path, clock, timers: clock, fraction: () => 0.5, logger })
    clock.advance(DAY)
    await turns()
    expect(logger.lines.filter(({ level }) => level === 'warn')).toEqual([])
  })
})

describe('a key that is changed in place', () => {
  it('is current at once, and the old one stays in the keytab until no ticket under it can live', async () => {
    const { connectWeb, rotate, kvnos, states, clock, record } = await prepare()
    const realm = await connectWeb()
    const start = clock.now()
    const { kvno, firstEnd } = await rotate(realm)
    expect([kvno, await kvnos(), await states()]).toEqual([2, [1, 2], ['2 current']])
    expect(firstEnd).toBe(start + 7 * DAY + 10 * MINUTE)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['web.keytab'])
    clock.advance(7 * DAY + 10 * MINUTE - 1)
    await rotate(realm, false)
    expect(await kvnos()).toEqual([1, 2])
    clock.advance(1)
    await rotate(realm, false)
    expect([await kvnos(), await readFile(path, 'utf8')]).toEqual([[2], expect.not.stringContaining('ends')])
    expect((await record('web')).keys).toHaveLength(1)
  })

  it('interrupts nothing: tickets granted before are used, and new ones come under the TGT', async () => {
    const { connectWeb, rotate, add, administration, web, kdc } = await prepare()
    const { principal: orders } = await add('orders')
    const rule = {
      client: web.principal,
      service: orders,
      effect: 'allow',
      claims: [],
      maxLife: null,
    } as const
    await administration.setRule({ ...NO_TERMS, ...rule } as never)
    const realm = await connectWeb()
    const before = await realm.getServiceTicket('orders')
    await rotate(realm)
    expect(await realm.getServiceTicket('orders')).toBe(before)
    expect(await realm.getServiceTicket('orders', { lifetime: MINUTE })).toMatchObject({ service: orders })
    expect(kdc.connections).toBe(1)
  })

  it('is changed again and again, each time from the one before', async () => {
    const { connectWeb, rotate, kvnos, states } = await prepare()
    const realm = await connectWeb()
    for (let i = 0; i < 3; i++) await rotate(realm)
    expect([await kvnos(), await states()]).toEqual([[1, 2, 3, 4], ['4 current']])
    expect(await (await connectWeb()).getTgt()).toBeDefined()
  })

  it('is not changed before it is due, and is when an administrator has asked for it', async () => {
    const { connectWeb, rotate, kvnos, amend, clock } = await prepare()
    const realm = await connectWeb()
    const { ino } = await stat(path)
    expect((await rotate(realm, false)).kvno).toBe(undefined)
    expect([await kvnos(), (await stat(path)).ino]).toEqual([[1], ino])
    await amend('web', record => ({ ...record, rotationAskedAt: clock.now() }))
    expect((await rotate(await connectWeb(), false)).kvno).toBe(2)
  })
})

describe('a change of a key that was interrupted', () => {
  it('before the key was written leaves the present one, and the next change takes another kvno', async () => {
    const { connectWeb, rotate, kvnos, states, clock } = await prepare()
    const realm = await connectWeb()
    const disk = watchedDisk(call => {
      if (call === 'rename') throw new Error('EIO')
    })
    const keytab = changingKeytab(path, { clock, timers: clock, disk })
    await expect(rotateKey(realm, { keytab, wanted: true })).rejects.toMatchObject({ code: 'keytab_invalid' })
    expect([await kvnos(), await states()]).toEqual([[1], ['2 next', '1 current']])
    expect((await rotate(realm)).kvno).toBe(3)
    expect([await kvnos(), await states()]).toEqual([[1, 3], ['3 current']])
  })

  it('before the login with it is finished by the next one, under the same kvno', async () => {
    const { connectWeb, rotate, kvnos, states, clock } = await prepare()
    const realm = await connectWeb()
    const keytab = changingKeytab(path, { clock, timers: clock })
    const dying = rotateKey(realm, {
      keytab,
      wanted: true,
      onKeys: () => {
        throw new Error('killed')
      },
    })
    await expect(dying).rejects.toThrow('killed')
    expect([await kvnos(), await states()]).toEqual([
      [1, 2],
      ['2 next', '1 current'],
    ])
    expect((await rotate(realm, false)).kvno).toBe(2)
    expect([await kvnos(), await states()]).toEqual([[1, 2], ['2 current']])
  })

  it('is finished by any login of a process that starts', async () => {
    const { connectWeb, clock, states } = await prepare()
    const keytab = changingKeytab(path, { clock, timers: clock })
    const onKeys = () => {
      throw new Error('killed')
    }
    await rotateKey(await connectWeb(), { keytab, wanted: true, onKeys }).catch(() => {})
    await (await connectWeb()).getTgt()
    expect(await states()).toEqual(['2 current'])
  })

  it('leaves a line that is dead if another change came before the login, and the next change takes it out', async () => {
    const { connectWeb, rotate, clock, kvnos, states } = await prepare()
    const [realm, other] = [await connectWeb(), await connectWeb()]
    const keytab = changingKeytab(path, { clock, timers: clock })
    const text = await readFile(path, 'utf8')
    const onKeys = () => {
      throw new Error('killed')
    }
    await rotateKey(realm, { keytab, wanted: true, onKeys }).catch(() => {})
    const written = await readFile(path, 'utf8')
    // A holder whose lock was taken over: the KDC staged its key, and dropped the one that was written.
    await writeFile(path, text)
    await rotateKey(other, { keytab, wanted: true, onKeys }).catch(() => {})
    await writeFile(path, written)
    expect([await kvnos(), await states()]).toEqual([
      [1, 2],
      ['3 next', '1 current'],
    ])
    expect((await rotate(await connectWeb(), false)).kvno).toBe(undefined)
    expect(await kvnos()).toEqual([1])
    expect((await rotate(realm)).kvno).toBe(4)
    expect([await kvnos(), await states()]).toEqual([[1, 4], ['4 current']])
  })

  it('never takes out a line that the KDC may still make current', async () => {
    const { connectWeb, rotate, clock, kvnos } = await prepare()
    const keytab = changingKeytab(path, { clock, timers: clock })
    const realm = await connectWeb()
    const onKeys = () => {
      throw new Error('killed')
    }
    await rotateKey(realm, { keytab, wanted: true, onKeys }).catch(() => {})
    // Somebody in the KDC's place refuses the login with the new key.
    const { login } = partsOf(realm).source
    Object.assign(login as object, { prove: () => Promise.reject(new Error('refused')) })
    await expect(rotate(realm, false)).rejects.toThrow('refused')
    expect(await kvnos()).toEqual([1, 2])
  })
})

describe('a keytab whose key was changed elsewhere', () => {
  it('is told from one that is merely old, with what to do', async () => {
    const { connectWeb, rotate, web } = await prepare()
    const realm = await connectWeb()
    const copy = await connectWeb({ keytab: { text: await readFile(path, 'utf8') } } as never)
    await copy.getTgt()
    await rotate(realm)
    await expect(copy.getServiceTicket('kdc', { lifetime: MINUTE })).resolves.toBeDefined()
    await writeFile(path, formatKeytab([web]))
    await expect(rotate(realm)).rejects.toMatchObject({
      code: 'keytab_invalid',
      message: expect.stringMatching(/does not have the current key .*--keytab FILE/),
    })
  })
})

describe('rotation: automatic', () => {
  it('asks within a day, and changes the key when it is due', async () => {
    const { connectWeb, kvnos, states, amend, clock, logger } = await prepare()
    await amend('web', record => ({ ...record, rotationAskedAt: clock.now() }))
    const realm = await connectWeb({ rotation: 'automatic' })
    clock.advance(DAY)
    await until(() => logger.lines.some(({ message }) => message === 'the key was changed'))
    expect([await kvnos(), await states()]).toEqual([[1, 2], ['2 current']])
    expect(await realm.getTgt()).toBeDefined()
  })

  it('tries again within hours if it could not be changed, and says so', async () => {
    const { connectWeb, states, amend, clock, logger } = await prepare()
    await amend('web', record => ({ ...record, rotationAskedAt: clock.now() }))
    await connectWeb({ rotation: 'automatic' })
    await chmod(path, 0o644)
    clock.advance(DAY)
    const said = (text: string) => until(() => logger.lines.some(({ message }) => message.includes(text)))
    await said('could not be changed')
    await chmod(path, 0o600)
    clock.advance(HOUR)
    await said('was changed')
    expect(await states()).toEqual(['2 current'])
  })

  it('ends with the realm', async () => {
    const { connectWeb, kvnos, amend, clock } = await prepare()
    await amend('web', record => ({ ...record, rotationAskedAt: clock.now() }))
    const realm = await connectWeb({ rotation: 'automatic' })
    realm.close()
    clock.advance(3 * DAY)
    expect(await kvnos()).toEqual([1])
  })

  it.each<[string, (world: World) => Promise<Partial<ConnectOptions>> | Partial<ConnectOptions>, RegExp]>([
    [
      'a text',
      ({ web }) => ({ keytab: { text: formatKeytab([web]) } }) as never,
      /needs the path of a keytab/,
    ],
    ['a file that others may read', () => ({ allowReadableKeytab: true }) as never, /exclude each other/],
    ['another word', () => ({ rotation: 'daily' }) as never, /is 'automatic', or left out/],
    [
      'a symbolic link',
      async () => {
        await symlink(path, join(folder, 'link'))
        return { keytab: join(folder, 'link') } as never
      },
      /symbolic link/,
    ],
  ])('is refused for %s', async (_, options, said) => {
    const world = await prepare()
    const given = { rotation: 'automatic', ...(await options(world)) } as Partial<ConnectOptions>
    await expect(world.connectWeb(given)).rejects.toThrow(said)
  })
})
