import { describe, expect, it } from 'vitest'
import { LongTermKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import { parsePrincipal } from '../../shared/principal.js'
import { SECOND, systemClock } from '../../shared/time.js'
import { TestRealm } from '../service/realm.js'
import { type ServiceProcess, startProcess } from '../service/several/processes.js'
import { TestClock } from '../support/clock.js'
import { hasRedis, RedisHouse, type RedisServer } from '../support/redis.js'

/** Copies of one request are brought to several processes of a service that share a replay cache through a real server. */

const ORDERS = parsePrincipal('orders@demo.example')
/** How far back the clock of a process is when it starts, so that its own start is over. */
const STARTED = -55 * SECOND

type Signed = ReturnType<TestRealm['sign']>

class Service {
  readonly house: RedisHouse
  readonly server: RedisServer
  readonly #entry = { principal: ORDERS, kvno: 1, key: new LongTermKey(systemRandom(32)) }
  readonly #realm = new TestRealm(new TestClock(systemClock.now()))
  #started = 0

  private constructor(house: RedisHouse, server: RedisServer) {
    this.house = house
    this.server = server
  }

  static async open(...args: string[]): Promise<Service> {
    const house = await RedisHouse.open()
    return new Service(house, await house.start(...args))
  }

  /** Its clients are of ioredis and of redis by turns. @param clock how far its clock is ahead, milliseconds */
  async start(clock = 0): Promise<ServiceProcess> {
    const process = await startProcess()
    const client = this.#started++ % 2 === 0 ? 'ioredis' : 'redis'
    const serve = { keytab: { text: formatKeytab([this.#entry]) } }
    await process.tell({ serve, redis: { path: this.house.path, client }, clock: STARTED })
    await this.server.passStart()
    await process.tell({ clock: clock - STARTED })
    // What it remembers of the time of the server is by the clock that it has now.
    await process.present(this.sign(-MINUTES))
    return process
  }

  sign(later = 0): Signed {
    const ticket = this.#realm.ticket({ service: ORDERS, kvno: 1, sealedWith: this.#entry.key })
    return this.#realm.sign({ method: 'POST' }, { ticket, time: systemClock.now() + later })
  }
}

const MINUTES = 120 * SECOND
/** The full test waits after each loss until the floor has passed. */
const slow = process.env.ORTHRUS_SLOW === '1'

async function presentToAll(processes: readonly ServiceProcess[], request: Signed): Promise<string[]> {
  const outcomes = await Promise.all([...processes, ...processes].map(process => process.present(request)))
  return outcomes.sort()
}

const handledOnce = (copies: number): string[] => ['handled', ...Array(copies - 1).fill('replay')]

describe.skipIf(!hasRedis)('processes that share a replay cache through Redis', () => {
  it('handle a request once, with clocks a minute apart, and whichever of them is killed and started again', async () => {
    const service = await Service.open()
    const clocks = [-30 * SECOND, 0, 30 * SECOND]
    const all = await Promise.all(clocks.map(clock => service.start(clock)))
    for (let i = 0; i < 3; i++) expect(await presentToAll(all, service.sign())).toEqual(handledOnce(6))
    const copied = service.sign()
    expect(await (all[0] as ServiceProcess).present(copied)).toBe('handled')
    await all[0]?.kill()
    const again = await service.start(-30 * SECOND)
    const left = [again, ...all.slice(1)]
    expect(await presentToAll(left, copied)).toEqual(Array(6).fill('replay'))
    expect(await presentToAll(left, service.sign())).toEqual(handledOnce(6))
  })

  it('handle nothing again when the server is flushed, restarted, paused, or another one takes over', async () => {
    const service = await Service.open()
    const { server, house } = service
    const all = await Promise.all([service.start(), service.start()])
    const copies: Signed[] = []
    const expectNothingAgain = async (refusal: string): Promise<void> => {
      // Each process notices by itself.
      for (const process of all) {
        await expect.poll(() => process.present(copies.at(-1) as Signed), { interval: 50 }).toBe(refusal)
      }
      for (const copied of copies) {
        expect(await presentToAll(all, copied)).not.toContain('handled')
      }
    }
    const handleOne = async (serving = server): Promise<void> => {
      await serving.passStart()
      // What it remembers of a loss is passed by time alone.
      for (const process of all) {
        await expect.poll(() => process.present(service.sign(4 * SECOND)), { interval: 200 }).toBe('handled')
      }
      const copied = service.sign(4 * SECOND)
      expect(await presentToAll(all, copied)).toEqual(handledOnce(4))
      copies.push(copied)
    }

    const handleAnother: typeof handleOne = slow ? handleOne : async () => {}

    await handleOne()
    await server.operate(operator => operator.flushall())
    await expectNothingAgain('clock_skew')

    await handleAnother()
    await server.kill()
    expect(await presentToAll(all, copies.at(-1) as Signed)).toEqual(Array(4).fill('unavailable'))
    await server.start()
    await expectNothingAgain('clock_skew')

    await handleAnother()
    server.pause()
    const paused = service.sign(4 * SECOND)
    expect(await presentToAll(all, paused)).toEqual(Array(4).fill('unavailable'))
    server.resume()
    copies.push(paused)
    await expectNothingAgain(slow ? 'replay' : 'clock_skew')

    const other = await house.start()
    house.serveBy(other)
    await server.kill()
    await expectNothingAgain('clock_skew')
    await handleAnother(other)
  })

  it('handle nothing twice when one of them stands still with a request in its hands', async () => {
    const service = await Service.open()
    const [first, second] = [await service.start(), await service.start()]
    const copied = service.sign()
    first.child?.kill('SIGSTOP')
    const late = first.present(copied)
    expect(await second.present(copied)).toBe('handled')
    first.child?.kill('SIGCONT')
    expect(await late).toMatch(/replay|unavailable/)
    const again = service.sign()
    expect((await Promise.all([first.present(again), second.present(again)])).sort()).toEqual(handledOnce(2))
  })
})
